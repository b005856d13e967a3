/** Whether worlds can be made here. */
import { existsSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { startWorld } from '../machines.ts';

/** Programs a world needs, and the Debian package of each. */
const PROGRAMS = {
  unshare: 'util-linux',
  nsenter: 'util-linux',
  ip: 'iproute2',
  nft: 'nftables',
  ping: 'iputils-ping',
  conntrack: 'conntrack',
  curl: 'curl',
  wg: 'wireguard-tools',
  'wg-quick': 'wireguard-tools',
  'wireguard-go': 'wireguard-go',
  'dbus-daemon': 'dbus',
  systemctl: 'systemd',
};

/** Why worlds cannot be made here, with what would enable them; false when they can. */
export async function worldsUnavailable(): Promise<string | false> {
  if (process.platform !== 'linux') return 'needs Linux (network namespaces, systemd)';
  if (process.getuid?.() !== 0) return 'needs root: run the tests as root';
  const missing = Object.entries(PROGRAMS).filter(([program]) => !isInstalled(program));
  if (missing.length > 0) {
    const packages = [...new Set(missing.map(([, name]) => name))].join(' ');
    return `needs ${missing.map(([program]) => program).join(', ')}: apt-get install ${packages}`;
  }
  if (!existsSync('/dev/net/tun'))
    return 'needs /dev/net/tun: modprobe tun, or docker run --device /dev/net/tun';
  try {
    await using world = await startWorld();
    const machine = await world.machine('probe');
    await machine.boot();
  } catch (error) {
    const said = error instanceof Error ? error.message.split('\n')[0] : String(error);
    return `needs CAP_SYS_ADMIN and cgroup v2 (in Docker: --privileged --cgroupns=host): ${said}`;
  }
  return false;
}

function isInstalled(program: string): boolean {
  const places = [...(process.env.PATH ?? '').split(delimiter), '/usr/sbin', '/sbin'];
  return places.some((place) => existsSync(join(place, program)));
}
