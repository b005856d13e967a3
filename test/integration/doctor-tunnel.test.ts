import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';

const root = join(import.meta.dirname, '..', '..');
const has = (program: string) => spawnSync('sh', ['-c', `command -v ${program}`]).status === 0;
const missing = ['wg', 'wg-quick', 'wireguard-go', 'ip', 'unshare', 'nsenter'].filter(
  (program) => !has(program),
);
const skip =
  missing.length > 0
    ? `needs ${missing.join(', ')} (Debian packages wireguard-tools, wireguard-go, iproute2, util-linux)`
    : process.getuid?.() !== 0 || spawnSync('unshare', ['-n', '-m', 'true']).status !== 0
      ? 'needs root and network namespaces'
      : false;

/**
 * A node whose tunnel is down, and the other end of it on a machine beside. /run is empty: no systemd. Prints what doctor
 * says without and with --fix.
 */
const SCRIPT = `
set -eu
umask 077
mount -t tmpfs tmpfs /run
mount -t tmpfs tmpfs /etc/wireguard
mkdir /run/wireguard
trap 'kill $(jobs -p) 2>/dev/null || true; wg-quick down wg-flatrender >/dev/null 2>&1 || true' EXIT
S=$(wg genkey); C=$(wg genkey)
unshare -n sleep 100 & FAR=$!
until [ "$(readlink /proc/$FAR/ns/net)" != "$(readlink /proc/self/ns/net)" ]; do sleep 0.02; done
ip link set lo up
ip link add v0 type veth peer name v1
ip link set v1 netns $FAR
ip addr add 192.168.9.2/24 dev v0; ip link set v0 up
printf '[Interface]\\nPrivateKey = %s\\nAddress = 10.66.0.11/32\\n[Peer]\\nPublicKey = %s\\nEndpoint = 192.168.9.1:51820\\nAllowedIPs = 10.66.0.0/24\\nPersistentKeepalive = 25\\n' $C $(echo $S | wg pubkey) >/etc/wireguard/wg-flatrender.conf
printf '[Interface]\\nPrivateKey = %s\\nListenPort = 51820\\n[Peer]\\nPublicKey = %s\\nAllowedIPs = 10.66.0.11/32\\n' $S $(echo $C | wg pubkey) >"$DIR/far"
far() { nsenter -t $FAR -n "$@"; }
far ip addr add 192.168.9.1/24 dev v1; far ip link set v1 up
far wireguard-go -f far0 >/dev/null 2>&1 &
until [ -S /run/wireguard/far0.sock ]; do sleep 0.02; done
far wg setconf far0 "$DIR/far"; far ip addr add 10.66.0.1/24 dev far0; far ip link set far0 up
"$NODE" "$CLI" doctor || true
echo WITH-FIX
"$NODE" "$CLI" doctor --fix || true
`;

test('doctor --fix brings a tunnel up that is down, without systemd, and sees its answer', {
  skip,
  timeout: 60_000,
}, () => {
  const directory = mkdtempSync(join(tmpdir(), 'flatrender-doctor-tunnel-'));
  try {
    const ran = spawnSync('unshare', ['-n', '-m', 'bash', '-c', SCRIPT], {
      encoding: 'utf8',
      timeout: 50_000,
      env: {
        PATH: process.env.PATH,
        HOME: directory,
        FLATRENDER_HOME: join(directory, '.flatrender'),
        DIR: directory,
        NODE: process.execPath,
        CLI: join(root, 'bin', 'dev.js'),
        NODE_ID: 'desk',
        NODE_HMAC_SECRET: 'A'.repeat(43),
        ORCHESTRATOR_URL: 'http://10.66.0.1:8088',
        AE_PATH: '',
        HEALTH_PORT: 'off',
      },
    });
    const [before = '', fixed = ''] = ran.stdout.split('WITH-FIX\n');
    assert.match(
      before,
      /^failed +tunnel +the tunnel wg-flatrender is not up\n +→ sudo wg-quick down .*; sudo wg-quick up /m,
      ran.stderr,
    );
    assert.match(before, /^skipped +handshake +needs a tunnel that is up$/m);
    assert.match(fixed, /^ok +tunnel +wg-flatrender is up with 10\.66\.0\.11.* \(fixed\)$/m);
    assert.match(fixed, /^ok +handshake +192\.168\.9\.1:51820 answered \d+ s ago$/m);
    assert.match(fixed, /^ok +route +10\.66\.0\.1 is reached through wg-flatrender$/m);
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
});
