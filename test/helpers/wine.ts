/**
 * A Windows of its own for a test: Wine 10 in a Debian that test/provision-wine.sh makes. It shares the network with this
 * machine (loopback) and nothing else; processes, mounts and files are gone with it, however the test ends.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { mkdir, mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, relative } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';

const ROOT = process.env.FLATRENDER_WINE_ROOT ?? '/var/cache/flatrender-wine/root';

/**
 * Why there is no Wine here and what would change that; undefined when there is. Waits for the one that `npm test` is
 * making meanwhile.
 */
export async function wineSkip(): Promise<string | undefined> {
  if (process.platform !== 'linux' || process.getuid?.() !== 0) return 'needs Linux and root';
  if (existsSync(`${ROOT}.lock`)) await once(spawn('flock', [`${ROOT}.lock`, 'true']), 'close');
  if (existsSync(join(ROOT, 'usr', 'lib', 'wine', 'wineserver64'))) return undefined;
  return 'needs Wine 10: run test/provision-wine.sh as root on Debian (2 minutes, 1 GB)';
}

export interface WineRun {
  /** 0 also for a program that was killed: Wine says no more. */
  readonly exitCode: number;
  readonly stdout: string;
  readonly stderr: string;
}

export interface Wine extends AsyncDisposable {
  /** Drive C:, as this machine sees it. */
  readonly driveC: string;
  /** `C:\…` of a path below {@link driveC}. */
  windowsPath(path: string): string;
  /** Runs a Windows program (a path of Windows, or one of Windows' own) in a directory of this machine. */
  run(
    program: string,
    args: readonly string[],
    options?: { readonly cwd?: string; readonly env?: Record<string, string>; readonly timeoutMs?: number },
  ): Promise<WineRun>;
  /** Command lines of the processes in it whose command line matches, as Linux shows them. */
  processes(pattern: RegExp): string[];
  /** Ends such processes the hard way; returns their number. */
  kill(pattern: RegExp): number;
}

const ENVIRONMENT: Readonly<Record<string, string>> = {
  PATH: '/usr/bin:/bin',
  HOME: '/tmp/home',
  WINEPREFIX: '/tmp/prefix',
  WINEDEBUG: '-all',
  // Without the offers to download .NET and a browser.
  WINEDLLOVERRIDES: 'mscoree,mshtml=',
  LANG: 'C.UTF-8',
  NO_COLOR: '1',
};

/** Starts one; takes some 10 s, in which Windows is set up. */
export async function openWine(): Promise<Wine> {
  const directory = await mkdtemp(join(tmpdir(), 'flatrender-wine-'));
  await mkdir(join(directory, 'home'));
  // Ends when its input does, which is when this process does; with it ends everything in its process namespace.
  const setUp =
    'mount --rbind /dev "$0/dev" && mount -t proc proc "$0/proc" && mount --bind "$1" "$0/tmp" && ' +
    'exec chroot "$0" /bin/sh -c \'echo ready; cat >/dev/null\'';
  const namespaces = ['--mount', '--pid', '--fork', '--kill-child', '--propagation', 'private'];
  const machine = spawn('unshare', [...namespaces, 'sh', '-c', setUp, ROOT, directory], {
    stdio: ['pipe', 'pipe', 'pipe'],
  });
  const wine = new WineMachine(machine, directory);
  try {
    await wine.ready();
    await wine.boot();
    return wine;
  } catch (error) {
    await wine[Symbol.asyncDispose]();
    throw error;
  }
}

class WineMachine implements Wine {
  readonly driveC: string;
  readonly #machine: ChildProcess;
  readonly #directory: string;
  readonly #ended: Promise<unknown>;
  #init = 0;
  #runs = 0;

  constructor(machine: ChildProcess, directory: string) {
    this.#machine = machine;
    this.#directory = directory;
    this.#ended = once(machine, 'close');
    this.driveC = join(directory, 'prefix', 'drive_c');
  }

  async ready(): Promise<void> {
    const { stdout, stderr, pid } = this.#machine;
    let said = '';
    stderr?.on('data', (chunk) => {
      said += chunk;
    });
    const first = stdout ? once(stdout, 'data') : Promise.reject(new Error('no output'));
    await Promise.race([
      first,
      this.#ended.then(() => {
        throw new Error(`the container for Wine did not start: ${said}`);
      }),
    ]);
    this.#init = Number(readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim().split(' ')[0]);
  }

  /** A fresh Windows, and a program that stays: without any, Wine ends its services. */
  async boot(): Promise<void> {
    // The server of the set-up has a services.exe that knows no new services: another one is needed.
    const set = 'wineboot -i && wineserver -k; wineserver -w';
    const done = await this.#inside(['sh', '-c', set], { timeoutMs: 120_000 });
    if (!existsSync(this.driveC)) throw new Error(`wineboot: ${done.stdout}${done.stderr}`);
    void this.run('ping', ['-n', '3600', '127.0.0.1'], { timeoutMs: 3_600_000 }).catch(() => undefined);
  }

  windowsPath(path: string): string {
    return `C:\\${relative(this.driveC, path).replaceAll('/', '\\')}`;
  }

  run(
    program: string,
    args: readonly string[],
    options: { cwd?: string; env?: Record<string, string>; timeoutMs?: number } = {},
  ): Promise<WineRun> {
    return this.#inside(['wine', program, ...args], options);
  }

  processes(pattern: RegExp): string[] {
    return this.#list(pattern).map(({ command }) => command);
  }

  kill(pattern: RegExp): number {
    const found = this.#list(pattern);
    for (const { pid } of found) process.kill(pid, 'SIGKILL');
    return found.length;
  }

  #list(pattern: RegExp): { pid: number; command: string }[] {
    const space = readlinkSync(`/proc/${this.#init}/ns/pid`);
    const found: { pid: number; command: string }[] = [];
    for (const name of readdirSync('/proc')) {
      try {
        if (!/^\d+$/.test(name) || readlinkSync(`/proc/${name}/ns/pid`) !== space) continue;
        const command = readFileSync(`/proc/${name}/cmdline`, 'utf8').replaceAll('\0', ' ').trim();
        if (pattern.test(command)) found.push({ pid: Number(name), command });
      } catch {
        // It ended between the listing and the reading.
      }
    }
    return found;
  }

  /** To files rather than pipes, which programs in Wine cannot write to (EBADF). */
  async #inside(
    argv: readonly string[],
    options: { cwd?: string; env?: Record<string, string>; timeoutMs?: number },
  ): Promise<WineRun> {
    const { cwd = this.#directory, env = {}, timeoutMs = 60_000 } = options;
    this.#runs += 1;
    const [out, err] = [`out-${this.#runs}`, `err-${this.#runs}`];
    const variables = Object.entries({ ...ENVIRONMENT, ...env }).map(([name, value]) => `${name}=${value}`);
    const script = `cd "$1" && shift && exec timeout -s KILL ${timeoutMs / 1000} "$@" </dev/null >/tmp/${out} 2>/tmp/${err}`;
    const enter = ['-t', String(this.#init), '--mount', '--pid', '--root', '--wd', 'env', '-i', ...variables];
    const inside = `/tmp/${relative(this.#directory, cwd)}`;
    const child = spawn('nsenter', [...enter, 'sh', '-c', script, 'sh', inside, ...argv], {
      stdio: 'ignore',
    });
    const [exitCode] = await once(child, 'close');
    const read = (name: string) => readFile(join(this.#directory, name), 'utf8').catch(() => '');
    const [stdout, stderr] = [await read(out), await read(err)];
    // What GNU timeout reports of a program that it killed.
    if (exitCode === 137 || exitCode === null)
      throw new Error(`${argv.join(' ')} still ran after ${timeoutMs} ms\n${stdout}\n${stderr}`);
    return { exitCode, stdout: stdout.replaceAll('\r\n', '\n'), stderr: stderr.replaceAll('\r\n', '\n') };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#machine.stdin?.end();
    const late = new AbortController();
    await Promise.race([
      this.#ended,
      delay(5000, undefined, { signal: late.signal }).then(
        () => this.#machine.kill('SIGKILL'),
        () => undefined,
      ),
    ]);
    late.abort();
    await this.#ended;
    await rm(this.#directory, { recursive: true, force: true, maxRetries: 5 });
  }
}
