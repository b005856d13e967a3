#!/bin/bash
# A world of machines that share nothing with this one: own processes, mounts and network (which is its internet).
# world.sh DIRECTORY : DIRECTORY is any empty one; what is mounted over it is seen inside only, and gone with the world.
set -eu
cd /
mount -t tmpfs -o mode=755 tmpfs "$1"
mkdir "$1/machines" "$1/cgroup"
mount -t tmpfs -o mode=755 tmpfs /run
mkdir /run/netns
mount -t cgroup2 cgroup "$1/cgroup"
# What killed tests have left: empty directories named after their process.
for left in "${1%/*}"/flatrender-world-*; do
  process=${left##*/flatrender-world-}
  [ -d "/proc/${process%-*}" ] || rmdir --ignore-fail-on-non-empty "$left"
done
for group in "$1"/cgroup/flatrender-test-*; do
  process=${group##*/flatrender-test-}
  [ -d "$group" ] && [ ! -d "/proc/${process%-*}" ] && find "$group" -depth -type d -delete
done
ip link set lo up
sysctl -qw net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1
echo ready
# Ends with its parent, or when the pipe to it closes.
exec cat >/dev/null
