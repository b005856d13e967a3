/** A machine that joins, with programs that only write down what they are told, and a control plane that knows one key. */
import { chmodSync, existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Enrolled } from '../../src/client/enrol.ts';
import type { Clock } from '../../src/lib/clock.ts';
import { FlatrenderError } from '../../src/lib/errors.ts';
import { runPlan } from '../../src/lib/plan.ts';
import { generateKeyPair, publicKeyOf } from '../../src/mesh/keys.ts';
import type { Invitation } from '../../src/protocol/enrolment.ts';
import type { JoinMachine } from '../../src/setup/join/join-machine.ts';
import { type Joined, type JoinOptions, type JoinSteps, joinNode } from '../../src/setup/join/join-node.ts';
import { joinPaths } from '../../src/setup/join/this-machine.ts';
import type { TunnelSystem } from '../../src/setup/tunnel-plan.ts';
import { askTunnel } from '../../src/setup/tunnel-system.ts';

/** Seconds pass in hundredths. */
const SPEED = 100;

/** The control plane's side: which key gets through, and what it answers. */
export interface FakeFarm {
  readonly serverKey: string;
  /** The machine's key, once it is bound. */
  bound: string | null;
  /** Public keys that get an answer through the tunnel. */
  readonly lets: Set<string>;
  /** The next answers to an enrolment are lost on their way back. */
  loseAnswers: number;
  /** Refuses every enrolment with this. */
  refusal: FlatrenderError | null;
  /** The gateway itself does not run. */
  isDown: boolean;
  enrolments: number;
}

export interface Joining extends AsyncDisposable {
  readonly directory: string;
  readonly invitation: Invitation;
  readonly farm: FakeFarm;
  readonly machine: JoinMachine;
  /** What the programs were told, `name argument …` a line, paths relative to the directory. */
  commands(): string[];
  /** The private key that the interface uses; null: it is not there. */
  liveKey(): string | null;
  file(name: string): string | null;
  /** Joins; `failAfter`: throws when that step is over. Titles of the steps that were over are in `titles`. */
  join(options?: Partial<JoinOptions>, failAfter?: number): Promise<Joined>;
  /** Joins as if killed after that many changes of the machine: nothing is taken back. Null: it ended before. */
  joinKilled(changes: number): Promise<Joined | null>;
  readonly titles: string[];
}

/** `hasSystemd`: which programs bring the tunnel up. `mesh: false`: an invitation without a tunnel. */
export async function startJoining(
  options: { hasSystemd?: boolean; mesh?: boolean; expiresInMs?: number } = {},
): Promise<Joining> {
  const directory = await mkdtemp(join(tmpdir(), 'flatrender-joining-'));
  const bin = join(directory, 'bin');
  mkdirSync(bin);
  const conf = join(directory, 'wireguard', 'wg-flatrender.conf');
  for (const [name, script] of Object.entries(programs(directory, conf))) {
    writeFileSync(join(bin, name), `#!/bin/bash\n${script}`);
    chmodSync(join(bin, name), 0o755);
  }
  const from = Date.now();
  const clock: Clock = {
    now: () => from + (Date.now() - from) * SPEED,
    after(ms, callback) {
      const timer = setTimeout(callback, ms / SPEED);
      return () => clearTimeout(timer);
    },
  };
  const server = generateKeyPair();
  const temporary = generateKeyPair();
  const invitation: Invitation = {
    flatrenderInvitation: 1,
    node: 'studio-1',
    farm: 'the farm',
    url: 'http://10.66.0.1:8088',
    number: 1,
    secret: 's'.repeat(43),
    expiresAt: new Date(clock.now() + (options.expiresInMs ?? 86_400_000)).toISOString(),
    mesh:
      options.mesh === false
        ? null
        : {
            endpoint: 'farm.example.com:51820',
            serverPublicKey: server.publicKey,
            serverAddress: '10.66.0.1',
            address: '10.66.0.11',
            privateKey: temporary.privateKey,
          },
  };
  const farm: FakeFarm = {
    serverKey: server.publicKey,
    bound: null,
    lets: new Set([temporary.publicKey]),
    loseAnswers: 0,
    refusal: null,
    isDown: false,
    enrolments: 0,
  };
  const file = (name: string): string | null =>
    existsSync(join(directory, name)) ? readFileSync(join(directory, name), 'utf8') : null;
  const liveKey = (): string | null => file('live')?.trim() ?? null;
  const machine = fakeMachine({ directory, bin, conf, clock, farm, invitation, liveKey }, options);
  const titles: string[] = [];
  return {
    directory,
    invitation,
    farm,
    machine,
    titles,
    liveKey,
    file,
    commands: () =>
      (file('commands') ?? '').replaceAll(`${directory}/`, '').trimEnd().split('\n').filter(Boolean),
    async join(more = {}, failAfter = -1) {
      titles.length = 0;
      const all = { invitation, settings: {}, start: true, timeoutMs: 30_000, ...more };
      return await joinNode(machine, all, stepsOf(titles, failAfter), new AbortController().signal);
    },
    async joinKilled(changes) {
      let left = changes;
      const dead = new Error('killed');
      const mortal: JoinMachine = {
        ...machine,
        async runPlan(steps, signal) {
          for (const step of steps) {
            if (left <= 0) throw dead;
            await machine.runPlan([step], signal);
            left -= 1;
          }
          return [];
        },
        async enrol(...args) {
          if (left <= 0) throw dead;
          await machine.enrol(...args);
          left -= 1;
          if (left <= 0) throw dead;
          return await machine.enrol(...args);
        },
      };
      const all = { invitation, settings: {}, start: true, timeoutMs: 30_000 };
      try {
        return await joinNode(mortal, all, stepsOf(titles, -1), new AbortController().signal);
      } catch (error) {
        if (error !== dead) throw error;
        return null;
      }
    },
    async [Symbol.asyncDispose]() {
      await rm(directory, { recursive: true, force: true });
    },
  };
}

function stepsOf(titles: string[], failAfter: number): JoinSteps {
  return {
    async run(title, work) {
      const result = await work(() => {});
      titles.push(title);
      if (titles.length - 1 === failAfter) throw new Error(`interrupted after: ${title}`);
      return result;
    },
  };
}

interface Parts {
  readonly directory: string;
  readonly bin: string;
  readonly conf: string;
  readonly clock: Clock;
  readonly farm: FakeFarm;
  readonly invitation: Invitation;
  readonly liveKey: () => string | null;
}

function fakeMachine(parts: Parts, { hasSystemd = true }: { hasSystemd?: boolean }): JoinMachine {
  const { directory, bin, conf, clock, farm, invitation, liveKey } = parts;
  const tunnel: TunnelSystem = {
    platform: 'linux',
    hasSystemd,
    file: conf,
    wg: join(bin, 'wg'),
    wgQuick: join(bin, 'wg-quick'),
    wireguard: '',
  };
  /** Resolves when the request gets through the tunnel; otherwise nothing comes back. */
  const through = async (signal: AbortSignal): Promise<void> => {
    const key = liveKey();
    const isThrough = invitation.mesh === null || (key !== null && farm.lets.has(publicKeyOf(key)));
    if (isThrough) writeFileSync(join(directory, 'handshake'), String(Math.floor(clock.now() / 1000)));
    else await silence(signal);
    if (farm.isDown) {
      const details = { cause: 'ECONNREFUSED' };
      throw new FlatrenderError(
        'UNREACHABLE',
        `cannot reach the control plane at ${invitation.url}: nothing listens there`,
        {
          details,
        },
      );
    }
  };
  return {
    platform: 'linux',
    paths: joinPaths('linux', join(directory, 'etc', 'agent.env'), join(directory, 'state')),
    tunnel,
    service: null,
    clock,
    isElevated: true,
    elevatedCommand: 'sudo flatrender node join FILE',
    runPlan: (steps, signal) => runPlan(steps, { signal, env: { PATH: `${bin}:${process.env.PATH}` } }),
    requireWireGuard: () => {},
    async askTunnel(signal) {
      const running = await askTunnel(tunnel, signal);
      // The program here cannot compute it.
      return running && { ...running, publicKey: publicKeyOf(running.publicKey) };
    },
    interfaceOf: () => null,
    lookup: async () => undefined,
    freeBytes: async () => 100e9,
    async enrol(_invitation, publicKey, signal): Promise<Enrolled> {
      await through(signal);
      farm.enrolments += 1;
      if (farm.refusal) throw farm.refusal;
      if (farm.bound !== null && farm.bound !== publicKey) {
        throw new FlatrenderError('INVITATION_USED', 'the invitation was used by OTHER');
      }
      farm.bound = publicKey;
      farm.lets.clear();
      farm.lets.add(publicKey);
      if (farm.loseAnswers > 0) {
        farm.loseAnswers -= 1;
        await silence(signal);
      }
      return { node: 'studio-1', secret: 'n'.repeat(43), meshAddress: '10.66.0.11' };
    },
    hello: async (_node, signal) => await through(signal),
    health: async () => ({ nodeId: 'studio-1', connected: true }),
    log: async () => 'a line of the log',
  };
}

function silence(signal: AbortSignal): Promise<never> {
  return new Promise((_resolve, reject) => {
    if (signal.aborted) reject(signal.reason);
    signal.addEventListener('abort', () => reject(signal.reason), { once: true });
  });
}

/** They keep the interface's private key in the file `live`, and the time of its handshake in `handshake`. */
function programs(directory: string, conf: string): Record<string, string> {
  const log = `echo "\${0##*/} $*" >>'${directory}/commands'\n`;
  const up = `[ -e '${directory}/live' ] && { echo "wg-flatrender already exists" >&2; exit 1; }
sed -n 's/^PrivateKey = //p' '${conf}' >'${directory}/live'; sed -n 's/^PublicKey = //p' '${conf}' >'${directory}/peer'`;
  const down = `rm '${directory}/live' 2>/dev/null || exit 1; rm -f '${directory}/handshake'`;
  return {
    wg: `if [ "$1" = show ]; then
  [ -e '${directory}/live' ] || exit 1
  printf '%s\\t%s\\t0\\toff\\n' hidden "$(cat '${directory}/live')"
  printf '%s\\t(none)\\t1.2.3.4:5\\t10.66.0.1/32\\t%s\\t0\\t0\\t25\\n' "$(cat '${directory}/peer')" "$(cat '${directory}/handshake' 2>/dev/null || echo 0)"
else ${log} cat "$4" >'${directory}/live'; fi`,
    'wg-quick': `${log}case $1 in up) ${up};; down) ${down};; esac`,
    systemctl: `${log}case $1 in
  restart) ( ${down} ); ${up};;
  stop) ( ${down} ); true;;
  disable) [ "$2" = --now ] && ( ${down} ); true;;
esac`,
  };
}
