/**
 * The networks of a farm as in the wild: a control plane with a public address, a node behind a router that lets nothing
 * in, nodes with addresses of their own, and an outsider in the control plane's own network.
 */
import { type Box, type Machine, startWorld, type World } from './machines.ts';

export interface Internet extends AsyncDisposable {
  readonly world: World;
  /** 203.0.113.2 and 2001:db8:113::2 */
  readonly control: Machine;
  /** A router: 198.51.100.2 outside, 192.168.50.1 inside. Lets out, lets nothing in. */
  readonly nat: Box;
  /** 192.168.50.2, behind `nat`. */
  readonly desktop: Machine;
  /** 192.0.2.2 */
  readonly studio: Machine;
  /** 192.0.2.3 */
  readonly third: Machine;
  /** 203.0.113.66 and 2001:db8:113::66: the control plane's neighbour, without a router in between. */
  readonly outsider: Box;
  /** The router gets another public address, as from a provider at night: 198.51.100.2 ↔ 198.51.100.3. */
  changeNatAddress(): Promise<string>;
  /** The router forgets its connections and uses other ports from now on. */
  forgetNatBindings(): Promise<void>;
}

export const CONTROL_PUBLIC = '203.0.113.2';
export const CONTROL_PUBLIC6 = '2001:db8:113::2';

/** Ports of the router's side, a range per turn: the same binding never comes back by chance. */
const FIRST_PORTS = 20_000;

/** All cables plugged, all machines switched off. */
export async function startInternet(): Promise<Internet> {
  const world = await startWorld();
  try {
    return await lay(world);
  } catch (error) {
    await world[Symbol.asyncDispose]();
    throw error;
  }
}

async function lay(world: World): Promise<Internet> {
  await world.sh(`
    for net in public:203.0.113.1 homes:198.51.100.1 offices:192.0.2.1; do
      ip link add "\${net%:*}" type bridge
      ip addr add "\${net#*:}/24" dev "\${net%:*}"
      ip link set "\${net%:*}" up
    done
    ip addr add 2001:db8:113::1/64 dev public nodad`);
  const control = await world.machine('control');
  const outsider = await world.box('outsider');
  const nat = await world.box('nat');
  const desktop = await world.machine('desktop');
  const studio = await world.machine('studio');
  const third = await world.machine('third');

  await world.plug(control, 'eth0', [`${CONTROL_PUBLIC}/24`, `${CONTROL_PUBLIC6}/64`], 'public');
  await world.plug(outsider, 'eth0', ['203.0.113.66/24', '2001:db8:113::66/64'], 'public');
  await world.plug(nat, 'wan0', ['198.51.100.2/24'], 'homes');
  await world.plug(desktop, 'eth0', ['192.168.50.2/24'], 'lan0', nat);
  await world.plug(studio, 'eth0', ['192.0.2.2/24'], 'offices');
  await world.plug(third, 'eth0', ['192.0.2.3/24'], 'offices');
  await world.sh(`
    ip -n control route add default via 203.0.113.1
    ip -n outsider route add default via 203.0.113.1
    ip -n nat addr add 192.168.50.1/24 dev lan0
    ip -n nat route add default via 198.51.100.1
    ip -n desktop route add default via 192.168.50.1
    ip -n studio route add default via 192.0.2.1
    ip -n third route add default via 192.0.2.1`);
  await nat.sh('sysctl -qw net.ipv4.ip_forward=1');
  let turn = 0;
  let address = '198.51.100.2';
  await setNat(nat, turn);

  return {
    world,
    control,
    nat,
    desktop,
    studio,
    third,
    outsider,
    async changeNatAddress() {
      address = address === '198.51.100.2' ? '198.51.100.3' : '198.51.100.2';
      turn += 1;
      await nat.sh(`
        ip addr flush dev wan0
        ip addr add ${address}/24 dev wan0
        ip route replace default via 198.51.100.1`);
      await setNat(nat, turn);
      await nat.sh('conntrack -F 2>/dev/null');
      return address;
    },
    async forgetNatBindings() {
      turn += 1;
      await setNat(nat, turn);
      await nat.sh('conntrack -F 2>/dev/null');
    },
    [Symbol.asyncDispose]: () => world[Symbol.asyncDispose](),
  };
}

/** Masquerades with ports of this turn; forwards and answers only what was begun inside. */
async function setNat(nat: Box, turn: number): Promise<void> {
  const ports = `${FIRST_PORTS + turn * 1000}-${FIRST_PORTS + turn * 1000 + 999}`;
  await nat.sh(
    `nft -f - <<'RULES'
flush ruleset
table ip nat {
  chain out {
    type nat hook postrouting priority 100
    oifname "wan0" meta l4proto { tcp, udp } masquerade to :${ports}
    oifname "wan0" masquerade
  }
}
table ip filter {
  chain through {
    type filter hook forward priority 0; policy drop
    ct state established,related accept
    iifname "lan0" oifname "wan0" accept
  }
  chain in {
    type filter hook input priority 0; policy drop
    iifname { "lo", "lan0" } accept
    ct state established,related accept
  }
}
RULES`,
  );
}
