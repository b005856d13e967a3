#!/bin/bash
# One-node Ceph with an S3 gateway on loopback, everything below $1; gateway on port $2, monitor on port $3. Ready when it
# prints "ready". Then it takes commands, one a line: "kill" (SIGKILL of the gateway), "start", "stop-osd", "start-osd"; it
# answers "ok". When its input ends, for whatever reason, it ends everything and removes the directory.
set -u
D=$1
PORT=$2
MON=$3
declare -A pids

cleanup() {
  # Bash would report everything that is killed.
  exec 2>/dev/null
  kill -9 "${pids[@]}" 2>/dev/null
  wait 2>/dev/null
  rm -rf "$D"
}
trap cleanup EXIT
trap 'exit 1' INT TERM HUP

fail() {
  echo "failed: $*"
  tail -n 5 "$D"/log/*.log "$D"/*.out 2>/dev/null
  exit 1
}

mkdir -p "$D"/{mon,osd,rgw,log,run}
FSID=$(cat /proc/sys/kernel/random/uuid)
cat >"$D/ceph.conf" <<CONF
[global]
fsid = $FSID
mon host = v2:127.0.0.1:$MON/0
public addr = 127.0.0.1
cluster addr = 127.0.0.1
ms bind ipv6 = false
auth allow insecure global id reclaim = false
keyring = $D/keyring
osd pool default size = 1
osd pool default min size = 1
mon allow pool size one = true
mon warn on pool no redundancy = false
osd pool default pg num = 8
osd pool default pgp num = 8
osd pool default pg autoscale mode = off
osd crush chooseleaf type = 0
mon max pg per osd = 1000
run dir = $D/run
admin socket = $D/run/\$name.asok
log file = $D/log/\$name.log
pid file = $D/run/\$name.pid
crash dir = $D/log
log to stderr = false
err to stderr = false
[mon]
mon data = $D/mon
mon cluster log file = $D/log/cluster.log
mon data avail crit = 1
mon data avail warn = 2
mon initial members = a
[osd]
osd data = $D/osd
osd objectstore = memstore
memstore device bytes = ${RADOSGW_BYTES:-4294967296}
osd class load list = *
osd class default list = *
osd mclock skip benchmark = true
[client.rgw]
rgw frontends = beast endpoint=127.0.0.1:$PORT
rgw data = $D/rgw
rgw enable usage log = false
rgw dns name =
rgw gc max objs = 4
rgw gc obj min wait = 1
rgw gc processor period = 2
rgw lc max objs = 4
rgw usage max shards = 1
rgw data log num shards = 1
rgw md log max shards = 1
rgw reshard num logs = 1
rgw run sync thread = false
rgw s3 auth use sts = false
rgw thread pool size = 16
rgw num rados handles = 1
CONF
export CEPH_CONF="$D/ceph.conf"
key() { ceph-authtool "$D/keyring" -n "$1" -p; }
run_osd() {
  ceph-osd -i 0 -f </dev/null >"$D/osd.out" 2>&1 &
  pids[osd]=$!
}
run_gateway() {
  radosgw -n client.rgw -f </dev/null >"$D/rgw.out" 2>&1 &
  pids[gateway]=$!
  for _ in $(seq 600); do
    # Bash's own: no program is started for each look.
    (exec 3<>"/dev/tcp/127.0.0.1/$PORT") 2>/dev/null && return 0
    kill -0 "${pids[gateway]}" 2>/dev/null || fail 'radosgw ended'
    sleep 0.1
  done
  fail "radosgw does not listen on port $PORT"
}

{
  ceph-authtool --create-keyring "$D/keyring" --gen-key -n mon. --cap mon 'allow *'
  ceph-authtool "$D/keyring" --gen-key -n client.admin --cap mon 'allow *' --cap osd 'allow *' --cap mgr 'allow *'
  monmaptool --create --clobber --fsid "$FSID" --addv a "[v2:127.0.0.1:$MON]" "$D/monmap"
  ceph-mon --mkfs -i a --monmap "$D/monmap" --keyring "$D/keyring"
} >"$D/mkfs.out" 2>&1 || fail 'ceph-mon --mkfs'
ceph-mon -i a -f </dev/null >"$D/mon.out" 2>&1 &
pids[mon]=$!
{
  for name in osd.0 client.rgw; do ceph-authtool "$D/keyring" --gen-key -n "$name"; done
  printf '[client.rgw]\n\tkey = %s\n\tcaps mon = "allow rw"\n\tcaps osd = "allow rwx"\n\tcaps mgr = "allow rw"\n' \
    "$(key client.rgw)" >"$D/auth"
  ceph --connect-timeout 20 auth import -i "$D/auth" &&
    uuid=$(cat /proc/sys/kernel/random/uuid) &&
    echo "{\"cephx_secret\": \"$(key osd.0)\"}" | ceph --connect-timeout 20 osd new "$uuid" -i - &&
    ceph-osd -i 0 --mkfs --osd-uuid "$uuid"
} >>"$D/mkfs.out" 2>&1 || fail 'ceph-osd --mkfs'
run_osd
run_gateway
for user in flat other; do
  radosgw-admin user create --uid "$user" --display-name "$user" --access-key "${user}key123" \
    --secret-key "${user}secret12345678" >>"$D/users.out" 2>&1 || fail "user $user"
done
echo ready
while read -r command; do
  case $command in
    kill) { kill -9 "${pids[gateway]}"; wait "${pids[gateway]}"; } 2>/dev/null ;;
    start) run_gateway ;;
    stop-osd) kill -STOP "${pids[osd]}" ;;
    start-osd) kill -CONT "${pids[osd]}" ;;
  esac
  echo ok
done
