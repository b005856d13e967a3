#!/bin/bash
# Boots a machine: a root directory of its own around this machine's /usr, and its systemd as process 1.
# boot.sh ROOT NAME PROGRAM : in new pid, mount, cgroup, uts and ipc namespaces, and in the machine's own network.
# ROOT/{etc,var,home,root,opt} stay from one boot to the next, like a disk; PROGRAM is seen as /opt/flatrender.
set -eu
root=$1 name=$2 program=$3
# Of /proc of the outer world: the number by which the others know this process.
read -r pid _ </proc/self/stat
hostname "$name"

if [ ! -e "$root/etc" ]; then
  mkdir -p "$root"/{etc/systemd/system,etc/wireguard,etc/pam.d,var/lib,var/log,var/cache,home,opt/flatrender}
  mkdir -p -m 700 "$root/root"
  mkdir -p -m 1777 "$root/var/tmp"
  mkdir "$root"/{usr,run,proc,sys,dev,tmp}
  for link in bin sbin lib lib64; do [ -e /usr/$link ] && ln -s "usr/$link" "$root/$link"; done
  ln -s /run "$root/var/run"
  for file in passwd group shadow gshadow nsswitch.conf ld.so.cache ld.so.conf ld.so.conf.d alternatives \
    debian_version os-release localtime login.defs services protocols host.conf ssl fonts; do
    [ -e "/etc/$file" ] && cp -a "/etc/$file" "$root/etc/"
  done
  chown root:root "$root/etc/shadow"
  printf '127.0.0.1 localhost\n127.0.1.1 %s\n' "$name" >"$root/etc/hosts"
  echo "$name" >"$root/etc/hostname"
  : >"$root/etc/machine-id"
  # What looks after hardware, or after the kernel that all share.
  for unit in systemd-udevd.service systemd-udev-trigger.service systemd-modules-load.service systemd-sysctl.service \
    systemd-binfmt.service proc-sys-fs-binfmt_misc.automount kmod-static-nodes.service systemd-journald-audit.socket \
    systemd-logind.service systemd-timesyncd.service systemd-resolved.service systemd-networkd.service \
    getty.target systemd-update-utmp.service e2scrub_reap.service; do
    ln -s /dev/null "$root/etc/systemd/system/$unit"
  done
fi

# The network outlives a boot here: without what the last one has left in the kernel.
nft flush ruleset
ip -o link show type wireguard 2>/dev/null | while IFS=': ' read -r _ device _; do ip link delete "$device"; done

mount --bind "$root" "$root"
cd "$root"
mount --bind /usr usr
mount -o remount,bind,ro usr
mount --bind "$program" opt/flatrender
mount -o remount,bind,ro opt/flatrender
mount -t tmpfs -o mode=1777 tmpfs tmp
mount -t tmpfs -o mode=755 tmpfs run
mount -t tmpfs -o mode=755 tmpfs dev
mkdir dev/net dev/pts dev/shm
for node in null zero full random urandom tty net/tun; do
  touch "dev/$node"
  mount --bind "/dev/$node" "dev/$node"
done
mount -t devpts -o newinstance,ptmxmode=0666,mode=620 devpts dev/pts
ln -s pts/ptmx dev/ptmx
mount -t tmpfs -o mode=1777 tmpfs dev/shm
ln -s /proc/self/fd dev/fd
for fd in 0:stdin 1:stdout 2:stderr; do ln -s "fd/${fd%:*}" "dev/${fd#*:}"; done
touch dev/console
mount -t proc proc proc
# Settings of the kernel are everybody's; those of the network are the machine's own.
mount --bind proc/sys proc/sys
mount --bind proc/sys/net proc/sys/net
mount -o remount,bind,ro proc/sys
mount -t sysfs -o ro sysfs sys
mount -t cgroup2 cgroup sys/fs/cgroup

mkdir run/.outside
pivot_root . run/.outside
umount -l /run/.outside
rmdir /run/.outside
echo "pid $pid"
# It says nothing on a console that nobody reads.
exec env -i container=flatrender-test PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin \
  /lib/systemd/systemd --system --log-target=journal --show-status=0 >/dev/null 2>&1 </dev/null
