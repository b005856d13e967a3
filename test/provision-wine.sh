#!/bin/bash
# Makes a Debian 13 with Wine 10 in a directory of its own, in which the tests of flatrender.exe run: Wine 8, the one of
# Debian 12, cannot start Node 24 or newer. A minute or two, 180 MB to download and 1 GB on the disk, once a machine; the
# machine itself stays as it is. Does nothing when it is there, and never makes the run fail: tests that need it skip by
# name. FLATRENDER_WINE_ROOT is another place for it (test/helpers/wine.ts looks there as well); "off": none.
set -u

root=${FLATRENDER_WINE_ROOT:-/var/cache/flatrender-wine/root}
release=trixie

say() { echo "  $*"; }
give_up() {
  say "no Wine 10: tests of flatrender.exe are skipped: $*"
  exit 0
}

[ "$root" = off ] && give_up 'FLATRENDER_WINE_ROOT is off'
[ -x "$root/usr/lib/wine/wineserver64" ] && exit 0
[ "$(uname -sm)" = 'Linux x86_64' ] || give_up 'it needs Linux on x64'
[ "$(id -u)" = 0 ] || give_up 'run the tests as root to have it made'
[ -f /etc/debian_version ] && command -v apt-get >/dev/null || give_up 'it is made from the packages of Debian'

mkdir -p "$(dirname "$root")" || give_up "cannot create $(dirname "$root")"
# Of two runs at the same time one makes it and the other waits.
exec 9>"$root.lock"
flock 9
[ -x "$root/usr/lib/wine/wineserver64" ] && exit 0

free=$(df --output=avail -k "$(dirname "$root")" | tail -1)
[ "$free" -gt 3000000 ] || give_up "3 GB are needed in $(dirname "$root")"

export DEBIAN_FRONTEND=noninteractive LC_ALL=C.UTF-8
log=$(mktemp)
next="$root.$$"
trap 'rm -rf "$next" "$log"' EXIT
if ! command -v debootstrap >/dev/null; then
  install() { apt-get install -y -qq --no-install-recommends -o DPkg::Lock::Timeout=120 debootstrap; }
  { install || { apt-get update -qq && install; }; } >"$log" 2>&1 </dev/null ||
    give_up "debootstrap cannot be installed: $(tail -1 "$log")"
fi

# From where this machine has its packages; anything else may not be reachable.
mirror=$(apt-get indextargets --format '$(LABEL) $(REPO_URI)' 'Created-By: Packages' 2>/dev/null |
  sed -n 's/^Debian \(http.*\)/\1/p' | head -1)
[ -n "$mirror" ] || give_up 'apt has no mirror of Debian'
eval "$(apt-config shell value Acquire::http::Proxy 2>/dev/null)"
[ -n "${value:-}" ] && export http_proxy=$value
keyring=/usr/share/keyrings/debian-archive-keyring.gpg

make_root() {
  debootstrap --variant=minbase --keyring="$keyring" --include=ca-certificates "$release" "$next" "$mirror" &&
    # It is thrown away when it is not complete: no reason to wait for the disk, or for texts nobody reads.
    printf '%s\n' force-unsafe-io 'path-exclude=/usr/share/doc/*' 'path-exclude=/usr/share/man/*' \
      'path-exclude=/usr/share/locale/*' >"$next/etc/dpkg/dpkg.cfg.d/tests" &&
    chroot "$next" apt-get install -y -qq --no-install-recommends wine wine64 &&
    mount -t proc proc "$next/proc" &&
    chroot "$next" wine --version &&
    rm -rf "$next"/var/cache/apt/* "$next"/var/lib/apt/lists/* "$next"/usr/share/{doc,man,locale}/*
}

say "a Debian with Wine 10 is made in $root …"
# Mounts of its own, so that none is left behind however this ends.
export -f make_root
export release next mirror keyring
started=$SECONDS
if unshare --mount --propagation private bash -c make_root >"$log" 2>&1 </dev/null && mv "$next" "$root"; then
  say "installed: Wine 10 in $root ($((SECONDS - started)) s)"
else
  tail -5 "$log" | sed 's/^/  /'
  give_up "$root cannot be made"
fi
