#!/bin/bash
# Installs the programs that tests drive. On Debian as root with apt-get; elsewhere it says what is missing, and the
# tests that need it skip by name. Does nothing when everything is there, and never makes the run fail.
set -u

# program  Debian package  what needs it
wanted='ffmpeg        ffmpeg           encoding, probing, the FFmpeg engine
ffprobe       ffmpeg           checks of rendered files
tmux          tmux             tests of prompts and progress in a terminal
wg            wireguard-tools  keys and config of the mesh
wireguard-go  wireguard-go     tunnels where the kernel has none
ip            iproute2         networks of the machines that the system tests boot
nft           nftables         firewalls of these machines
ping          iputils-ping     whether one reaches another
conntrack     conntrack        a router that forgets its connections
curl          curl             whoever may not reach the farm
systemctl     systemd          services, run by a real init
dbus-daemon   dbus             what systemctl talks through
zip           zip              archives made by another program than ours
ceph          ceph-common      an S3 server (60 MB, once): the S3 object store
ceph-mon      ceph-mon         the same
ceph-osd      ceph-osd         the same
radosgw       radosgw          the same'

missing() {
  while read -r program package purpose; do
    command -v "$program" >/dev/null 2>&1 || echo "$program $package $purpose"
  done <<<"$wanted"
  # The server of PostgreSQL is not on PATH on Debian.
  if [ -d src/store/postgres ] && ! ls /usr/lib/postgresql/*/bin/initdb >/dev/null 2>&1 && ! command -v initdb >/dev/null 2>&1; then
    echo 'initdb postgresql the PostgreSQL store'
  fi
}

cd "$(dirname "$0")/.." || exit 0
lacking=$(missing)
[ -z "$lacking" ] && exit 0

if [ "$(id -u)" = 0 ] && [ -f /etc/debian_version ] && command -v apt-get >/dev/null; then
  # Only the programs: no database cluster that starts by itself.
  if grep -q postgresql <<<"$lacking" && [ ! -e /etc/postgresql-common/createcluster.conf ]; then
    mkdir -p /etc/postgresql-common && echo 'create_main_cluster = false' >/etc/postgresql-common/createcluster.conf
  fi
  packages=$(awk '{print $2}' <<<"$lacking" | sort -u)
  log=$(mktemp)
  export DEBIAN_FRONTEND=noninteractive
  install() { apt-get install -y -qq --no-install-recommends -o DPkg::Lock::Timeout=120 $packages >"$log" 2>&1 </dev/null; }
  if install || { apt-get update -qq >"$log" 2>&1 && install; }; then
    echo "  installed: $(tr '\n' ' ' <<<"$packages")"
  else
    tail -5 "$log"
  fi
  rm -f "$log"
  lacking=$(missing)
fi

while read -r program package purpose; do
  [ -n "$program" ] && echo "  missing: $program (Debian package $package): tests of this are skipped: $purpose"
done <<<"$lacking"
exit 0
