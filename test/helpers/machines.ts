/**
 * Machines for tests: each with its own systemd, network, users and /etc, which share nothing with the machine that runs
 * the tests but its kernel and /usr. They die with the test process, also when it is killed.
 */
import { type ChildProcessByStdio, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, rmdirSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Readable, Writable } from 'node:stream';
import { setTimeout as delay } from 'node:timers/promises';
import {
  childOf,
  type Ran,
  type Running,
  type RunOptions,
  runInside,
  startInside,
} from './machine/inside.ts';

const root = join(import.meta.dirname, '..', '..');
const scripts = join(import.meta.dirname, 'machine');

/** A network with interfaces of its own: a router, or somebody with bad intentions. */
export interface Box {
  readonly name: string;
  /** Never rejects because of the exit code. */
  run(command: readonly string[], options?: RunOptions): Promise<Ran>;
  /** Runs lines of bash; rejects when one fails. */
  sh(script: string, options?: RunOptions): Promise<string>;
  start(command: readonly string[], options?: RunOptions): Running;
}

/** A box with a disk, users, processes and systemd. */
export interface Machine extends Box {
  /** Resolves when systemd says that everything is started. */
  boot(): Promise<void>;
  /** Orderly; what is in its etc, var, home, root and opt stays, what is in the kernel does not. */
  shutDown(): Promise<void>;
  /** As if the plug was pulled. */
  cutPower(): Promise<void>;
  /** `flatrender …args` as root in /root. */
  cli(args: readonly string[], options?: RunOptions): Promise<Ran>;
  /** The same with --json; rejects when it fails. */
  json<T>(args: readonly string[], options?: RunOptions): Promise<T>;
  startCli(args: readonly string[], options?: RunOptions): Running;
  /** The place of a file of the machine as this process sees it. */
  path(path: string): string;
}

/** Its own network is its internet: nothing leads out of it. Disposing of it leaves nothing. */
export interface World extends Box, AsyncDisposable {
  /** Makes a box. */
  box(name: string): Promise<Box>;
  /** Makes a machine, switched off. */
  machine(name: string): Promise<Machine>;
  /**
   * Lays a cable from an interface of a box to a bridge of another box or of the world (made when it is not there), both
   * up. Addresses in CIDR notation.
   */
  plug(box: Box, device: string, addresses: readonly string[], bridge: string, at?: Box): Promise<void>;
}

/** Makes a world without machines. */
export async function startWorld(): Promise<World> {
  const directory = await mkdtemp(join(tmpdir(), `flatrender-world-${process.pid}-`));
  const holder = spawn(
    'unshare',
    [
      '--fork',
      '--kill-child',
      '--pid',
      '--mount',
      '--net',
      '--uts',
      '--propagation',
      'private',
      join(scripts, 'world.sh'),
      directory,
    ],
    { stdio: ['pipe', 'pipe', 'pipe'] },
  );
  holder.stdin.on('error', () => undefined);
  try {
    await firstLine(holder, 'the world', /^ready$/m);
    return new RunningWorld(directory, holder, childOf(holder.pid ?? 0));
  } catch (error) {
    holder.kill('SIGKILL');
    await rm(directory, { recursive: true, force: true });
    throw error;
  }
}

type Holder = ChildProcessByStdio<Writable, Readable, Readable>;

class NetworkBox implements Box {
  readonly name: string;
  /** Options of nsenter. */
  protected enter: readonly string[];

  constructor(name: string, enter: readonly string[]) {
    this.name = name;
    this.enter = enter;
  }

  start(command: readonly string[], options: RunOptions = {}): Running {
    return startInside(this.name, this.enter, command, options);
  }

  run(command: readonly string[], options: RunOptions = {}): Promise<Ran> {
    return runInside(this.start(command, options), `${this.name}: ${command.join(' ')}`, options);
  }

  async sh(script: string, options: RunOptions = {}): Promise<string> {
    const done = await this.run(['bash', '--norc', '-euo', 'pipefail', '-c', script], options);
    if (done.exitCode !== 0) throw new Error(`${this.name}: ${script}\n${done.stdout}${done.stderr}`);
    return done.stdout;
  }
}

class RunningWorld extends NetworkBox implements World {
  readonly #directory: string;
  readonly #holder: Holder;
  readonly #pid: number;
  readonly #boxes = new Map<Box, string>();
  readonly #machines: DebianMachine[] = [];
  /** Of control groups, as everybody sees it: `flatrender-test-<process>-<n>`. */
  readonly #group: string;
  #cables = 0;
  static #count = 0;

  constructor(directory: string, holder: Holder, pid: number) {
    super('world', ['-t', String(pid), '-m', '-n']);
    this.#directory = directory;
    this.#holder = holder;
    this.#pid = pid;
    RunningWorld.#count += 1;
    this.#group = `flatrender-test-${process.pid}-${RunningWorld.#count}`;
  }

  async box(name: string): Promise<Box> {
    await this.sh(`ip netns add ${name}; ip -n ${name} link set lo up`);
    const box = new NetworkBox(name, ['-t', String(this.#pid), '-m', `--net=${this.#netns(name)}`]);
    this.#boxes.set(box, name);
    return box;
  }

  async machine(name: string): Promise<Machine> {
    await this.sh(`ip netns add ${name}; ip -n ${name} link set lo up`);
    const disk = join(this.#directory, 'machines', name);
    const group = join(this.#directory, 'cgroup', this.#group, name);
    const world = ['-t', String(this.#pid), '-m', '-p', `--net=${this.#netns(name)}`];
    const machine = new DebianMachine(name, {
      disk,
      seen: join('/proc', String(this.#pid), 'root', disk),
      command: [
        ...world,
        ...['bash', '-c', 'mkdir -p "$0" && echo 0 >"$0/cgroup.procs" && exec "$@"', group],
        ...['unshare', '--fork', '--kill-child', '--pid', '--mount', '--cgroup', '--uts', '--ipc'],
        ...['--propagation', 'private', join(scripts, 'boot.sh'), disk, name, root],
      ],
    });
    this.#boxes.set(machine, name);
    this.#machines.push(machine);
    return machine;
  }

  async plug(
    box: Box,
    device: string,
    addresses: readonly string[],
    bridge: string,
    at?: Box,
  ): Promise<void> {
    this.#cables += 1;
    const [near, far] = [`cable${this.#cables}`, `plug${this.#cables}`];
    const ns = this.#boxes.get(box);
    const other = at === undefined ? undefined : this.#boxes.get(at);
    const side = other === undefined ? 'ip' : `ip -n ${other}`;
    await this.sh(
      [
        `${side} link show ${bridge} >/dev/null 2>&1 || { ${side} link add ${bridge} type bridge; ${side} link set ${bridge} up; }`,
        `ip link add ${near} type veth peer name ${far} netns ${ns}`,
        ...(other === undefined ? [] : [`ip link set ${near} netns ${other}`]),
        `${side} link set ${near} master ${bridge} up`,
        `ip -n ${ns} link set ${far} name ${device}`,
        ...addresses.map((address) => `ip -n ${ns} addr add ${address} dev ${device}${nodad(address)}`),
        `ip -n ${ns} link set ${device} up`,
      ].join('\n'),
    );
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const machine of this.#machines) await machine.cutPower();
    const group = join('/proc', String(this.#pid), 'root', this.#directory, 'cgroup', this.#group);
    await removeGroup(group);
    const gone = once(this.#holder, 'close');
    this.#holder.stdin.end();
    await gone;
    await rm(this.#directory, { recursive: true, force: true });
  }

  #netns(name: string): string {
    return `/proc/${this.#pid}/root/run/netns/${name}`;
  }
}

class DebianMachine extends NetworkBox implements Machine {
  readonly #disk: { readonly disk: string; readonly seen: string; readonly command: readonly string[] };
  #running: { readonly holder: Holder; readonly pid: number } | null = null;

  constructor(name: string, disk: { disk: string; seen: string; command: readonly string[] }) {
    super(name, []);
    this.#disk = disk;
  }

  async boot(): Promise<void> {
    if (this.#running) throw new Error(`${this.name} runs already`);
    const holder = spawn('nsenter', this.#disk.command, { stdio: ['pipe', 'pipe', 'pipe'] });
    holder.stdin.end();
    const [, pid] = await firstLine(holder, this.name, /^pid (\d+)$/m);
    this.#running = { holder, pid: Number(pid) };
    this.enter = ['-t', String(pid), '-m', '-n', '-p', '-u', '-i', '-C'];
    const deadline = performance.now() + 30_000;
    for (;;) {
      const { stdout, stderr } = await this.run(['systemctl', 'is-system-running', '--wait']);
      if (/^(running|degraded)$/m.test(stdout)) return;
      if (performance.now() > deadline) throw new Error(`${this.name} does not start: ${stdout}${stderr}`);
      await delay(50);
    }
  }

  async shutDown(): Promise<void> {
    if (!this.#running) return;
    const { holder } = this.#running;
    const gone = holder.exitCode === null && holder.signalCode === null ? once(holder, 'close') : null;
    await this.run(['systemctl', 'poweroff', '--no-block']);
    const late = delay(60_000, 'late', { ref: false });
    if (gone && (await Promise.race([gone, late])) === 'late') {
      throw new Error(`${this.name} does not shut down:\n${await this.sh('systemctl list-jobs')}`);
    }
    this.#running = null;
  }

  async cutPower(): Promise<void> {
    if (!this.#running) return;
    const { holder, pid } = this.#running;
    this.#running = null;
    if (holder.exitCode !== null || holder.signalCode !== null) return;
    const gone = once(holder, 'close');
    process.kill(pid, 'SIGKILL');
    await gone;
  }

  cli(args: readonly string[], options: RunOptions = {}): Promise<Ran> {
    return this.run(cliCommand(args), options);
  }

  async json<T>(args: readonly string[], options: RunOptions = {}): Promise<T> {
    const { stdout, stderr, exitCode } = await this.cli([...args, '--json'], options);
    if (exitCode !== 0) throw new Error(`${this.name}: flatrender ${args.join(' ')}: ${stdout}${stderr}`);
    return JSON.parse(stdout) as T;
  }

  startCli(args: readonly string[], options: RunOptions = {}): Running {
    return this.start(cliCommand(args), options);
  }

  override start(command: readonly string[], options: RunOptions = {}): Running {
    if (!this.#running) throw new Error(`${this.name} is switched off`);
    return super.start(command, options);
  }

  path(path: string): string {
    return join(this.#disk.seen, path);
  }
}

/** Of the program as the machine sees it: the built one when the tests say so, as in cli.ts. */
function cliCommand(args: readonly string[]): string[] {
  const bin = process.env.FLATRENDER_TEST_CLI === 'built' ? 'run.js' : 'dev.js';
  return ['/opt/flatrender/node_modules/node/bin/node', `/opt/flatrender/bin/${bin}`, ...args];
}

/** Resolves with the match of the holder's first lines; rejects with what it said when it ends before. */
async function firstLine(holder: Holder, what: string, pattern: RegExp): Promise<RegExpExecArray> {
  let stdout = '';
  let stderr = '';
  holder.stderr.on('data', (chunk) => {
    stderr += chunk;
  });
  const { promise, resolve, reject } = Promise.withResolvers<RegExpExecArray>();
  holder.stdout.on('data', (chunk) => {
    stdout += chunk;
    const match = pattern.exec(stdout);
    if (match) resolve(match);
  });
  const failed = (): void =>
    reject(new Error(`${what} cannot be started: ${stderr.trim()} ${stdout.trim()}`));
  holder.on('error', reject);
  holder.on('close', failed);
  return await promise;
}

/** A group of control groups is removed from its leaves; the kernel needs a moment after the last process. */
async function removeGroup(group: string): Promise<void> {
  const deadline = performance.now() + 5000;
  for (;;) {
    const { promise, resolve } = Promise.withResolvers<number | null>();
    spawn('find', [group, '-depth', '-type', 'd', '-delete'], { stdio: 'ignore' }).on('close', resolve);
    await promise;
    try {
      rmdirSync(group);
    } catch {
      // It is gone, or not empty yet.
    }
    if (!existsSync(group) || performance.now() > deadline) return;
    await delay(20);
  }
}

/** IPv6 addresses are used at once, without the second in which their uniqueness is checked. */
function nodad(address: string): string {
  return address.includes(':') ? ' nodad' : '';
}
