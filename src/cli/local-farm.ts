/** A whole farm on this machine: a control plane and one agent, as child processes of this same program. */
import { closeSync, fstatSync, openSync, readSync } from 'node:fs';
import { mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { type Api, createApi } from '../client/api.ts';
import { clientFile, loadClientConfig, saveClientConfig } from '../config/client-config.ts';
import { FlatrenderError } from '../lib/errors.ts';
import { isRunning, killTree, run, selfCommand, startDetached } from '../lib/exec.ts';
import { writeEnvFile } from './agent-env.ts';
import type { Say } from './steps.ts';

/** The node that a local farm has. */
export const LOCAL_NODE = 'this-machine';

export interface LocalFarm {
  /** Its state directory: FLATRENDER_HOME of every command that is to talk to it. */
  readonly home: string;
  readonly api: Api;
  readonly controlPid: number;
  readonly agentPid: number;
  /** It was running before. */
  readonly reused: boolean;
  /** Ends both processes and everything they started; returns once they are gone. */
  stop(): Promise<void>;
  /** From now on it outlives this process. */
  keep(): void;
}

export interface LocalFarmOptions {
  /** Created when it does not exist; used again when it does. */
  readonly home: string;
  readonly signal: AbortSignal;
  readonly say?: Say;
}

/** What `farm.json` remembers of a farm that was left running. */
interface FarmFile {
  readonly controlPid: number;
  readonly agentPid: number;
}

const START_TIMEOUT_MS = 30_000;
/** A bar that moves once in five seconds is none; on one machine, beats cost nothing. */
const HEARTBEAT_SECONDS = '0.25';

/** Where the two processes log. */
export function farmLogs(home: string): { control: string; agent: string } {
  return { control: join(home, 'control.log'), agent: join(home, 'agent.log') };
}

/**
 * Starts a control plane and an agent, or finds the ones that still run in this state directory; returns when the node
 * is ready for work. On failure and on abort nothing is left running. Errors carry the end of the log of what failed.
 */
export async function startLocalFarm(options: LocalFarmOptions): Promise<LocalFarm> {
  const { home, signal, say = () => {} } = options;
  const running = await findLocalFarm(home, signal);
  if (running) return running;
  await stopLocalFarm(home);
  await mkdir(home, { recursive: true, mode: 0o700 });
  const pids: { control?: number; agent?: number } = {};
  const guard = killOnExit(() => [pids.agent, pids.control]);
  const stop = async (): Promise<void> => {
    for (const pid of [pids.agent, pids.control]) if (pid !== undefined) await endProcess(pid);
    await rm(farmFile(home), { force: true });
    guard.release();
  };
  try {
    say('control plane');
    const url = await prepareHome(home, signal);
    const logs = farmLogs(home);
    pids.control = await startSelf(['control', 'run'], home, logs.control, {
      FLATRENDER_GATEWAY_PORT: new URL(url).port,
    });
    const { token } = loadClientConfig({}, {}, home);
    const api = createApi({ url, token, signal });
    await untilReady(
      'control plane',
      pids.control,
      logs.control,
      signal,
      async () => (await api.health()).status !== '',
    );
    say('agent');
    const envFile = await prepareAgent(home, api);
    pids.agent = await startSelf(['agent', 'run', '--env-file', envFile], home, logs.agent, {});
    await untilReady('agent', pids.agent, logs.agent, signal, async () => {
      const { status } = await api.getNode(LOCAL_NODE);
      return status === 'ready' || status === 'busy';
    });
    const file: FarmFile = { controlPid: pids.control, agentPid: pids.agent };
    await writeFile(farmFile(home), JSON.stringify(file), { mode: 0o600 });
    return {
      home,
      api,
      controlPid: pids.control,
      agentPid: pids.agent,
      reused: false,
      stop,
      keep: guard.release,
    };
  } catch (error) {
    await stop();
    throw signal.aborted ? signal.reason : error;
  }
}

/** The farm of this state directory, when both of its processes run and answer; null otherwise. */
export async function findLocalFarm(home: string, signal: AbortSignal): Promise<LocalFarm | null> {
  const file = await readFarmFile(home);
  if (!file || !(await isSelf(file.controlPid)) || !(await isSelf(file.agentPid))) return null;
  try {
    const api = createApi({ ...loadClientConfig({}, {}, home), signal });
    const node = await api.getNode(LOCAL_NODE);
    if (node.status === 'offline' || node.status === 'pending') return null;
    return {
      home,
      api,
      ...file,
      reused: true,
      stop: async () => void (await stopLocalFarm(home)),
      keep: () => {},
    };
  } catch {
    if (signal.aborted) throw signal.reason;
    // It runs but does not answer, or no longer knows the token: as good as gone.
    return null;
  }
}

/** Ends what an earlier command left running in this state directory; false when there was nothing. */
export async function stopLocalFarm(home: string): Promise<boolean> {
  const file = await readFarmFile(home);
  if (!file) return false;
  let ended = false;
  for (const pid of [file.agentPid, file.controlPid]) {
    if (!(await isSelf(pid))) continue;
    await endProcess(pid);
    ended = true;
  }
  await rm(farmFile(home), { force: true });
  return ended;
}

/** The last lines of a log file; empty when there is none. */
export function logTail(path: string, lines: number): string {
  try {
    const file = openSync(path, 'r');
    try {
      const size = fstatSync(file).size;
      const buffer = Buffer.alloc(Math.min(size, 64 * 1024));
      readSync(file, buffer, 0, buffer.length, size - buffer.length);
      return buffer.toString('utf8').trimEnd().split('\n').slice(-lines).join('\n');
    } finally {
      closeSync(file);
    }
  } catch {
    return '';
  }
}

/** `control init` once; afterwards the same address, or another port when that one is taken. Returns the address. */
async function prepareHome(home: string, signal: AbortSignal): Promise<string> {
  const known = await readFile(clientFile(home), 'utf8').catch(() => null);
  if (known === null) {
    const port = await freePort();
    const init = selfCommand([
      'control',
      'init',
      '--yes',
      '--json',
      '--host',
      '127.0.0.1',
      '--port',
      String(port),
    ]);
    await run(init.file, init.args, { env: environment(home, {}), signal });
  }
  const config = loadClientConfig({}, {}, home);
  const url = new URL(config.url);
  if (!(await isFree(Number(url.port)))) {
    url.port = String(await freePort());
    saveClientConfig({ url: url.href, token: config.token ?? '' }, home);
  }
  return loadClientConfig({}, {}, home).url;
}

/** A node with a secret of its own, and its agent.env. */
async function prepareAgent(home: string, api: Api): Promise<string> {
  const known = (await api.listNodes()).some((node) => node.id === LOCAL_NODE);
  const { secret } = await api.createNode({ id: LOCAL_NODE, rotate: known });
  const path = join(home, 'agent.env');
  const more = { HEALTH_PORT: '0', STATE_DIR: join(home, 'agent') };
  await writeEnvFile(path, { nodeId: LOCAL_NODE, secret, url: api.target.url }, more);
  return path;
}

async function startSelf(
  args: readonly string[],
  home: string,
  logFile: string,
  more: Readonly<Record<string, string>>,
): Promise<number> {
  const self = selfCommand(args);
  return startDetached(self.file, self.args, { logFile, env: environment(home, more) });
}

/** The user's environment without what would point the children at another farm. */
function environment(
  home: string,
  more: Readonly<Record<string, string>>,
): Record<string, string | undefined> {
  const foreign = Object.keys(process.env).filter((name) =>
    /^(FLATRENDER_|AGENT_|NODE_(ID|HMAC_SECRET|ROLE|TAGS)$|ORCHESTRATOR_URL$|MACHINE_ID$|HOST_IP$|(STATE|TEMP)_DIR$|HEALTH_|MAX_CONCURRENT_JOBS$)/.test(
      name,
    ),
  );
  return {
    ...Object.fromEntries(foreign.map((name) => [name, undefined])),
    FLATRENDER_HOME: home,
    FLATRENDER_LEASES_HEARTBEAT_SECONDS: HEARTBEAT_SECONDS,
    ...more,
  };
}

/** Waits until a process does what it was started for; an early end and a long silence are errors with its log. */
async function untilReady(
  what: string,
  pid: number,
  logFile: string,
  signal: AbortSignal,
  isReady: () => Promise<boolean>,
): Promise<void> {
  const deadline = performance.now() + START_TIMEOUT_MS;
  for (;;) {
    const ready = await isReady().catch((error) => {
      signal.throwIfAborted();
      if (error instanceof FlatrenderError && error.code !== 'UNREACHABLE') throw error;
      return false;
    });
    if (ready) return;
    const ended = !isRunning(pid);
    if (ended || performance.now() > deadline) {
      const why = ended ? 'ended at once' : `was not ready within ${START_TIMEOUT_MS / 1000} s`;
      throw new FlatrenderError('UNAVAILABLE', `the ${what} ${why}\n${logTail(logFile, 12)}`, {
        hint: `its log is ${logFile}`,
      });
    }
    await wait(40, undefined, { signal });
  }
}

/**
 * Twice the signal: an agent that renders would finish first after one, and hands its task back after two. What is
 * still there after that is killed with everything it started.
 */
async function endProcess(pid: number): Promise<void> {
  if (!isRunning(pid)) return;
  try {
    process.kill(pid, 'SIGTERM');
  } catch {
    return; // gone meanwhile
  }
  const deadline = performance.now() + 1500;
  while (isRunning(pid) && performance.now() < deadline) await wait(20);
  if (isRunning(pid)) await killTree(pid, 5000);
}

/** Whether that process is a flatrender: after a restart of the machine the same number may be anybody's. */
async function isSelf(pid: number): Promise<boolean> {
  if (!isRunning(pid)) return false;
  const [program, args] =
    process.platform === 'win32'
      ? [
          'powershell',
          [
            '-NoProfile',
            '-Command',
            `(Get-CimInstance Win32_Process -Filter 'ProcessId=${pid}').CommandLine`,
          ],
        ]
      : ['ps', ['-ww', '-o', 'args=', '-p', String(pid)]];
  const { stdout } = await run(program as string, args as string[], { anyExitCode: true, timeoutMs: 10_000 });
  return (
    / (control|agent) run\b/.test(stdout) && stdout.includes(selfCommand([]).args.at(-1) ?? process.execPath)
  );
}

/** However this process ends, its children do not stay behind. */
function killOnExit(pids: () => readonly (number | undefined)[]): { release(): void } {
  const kill = (): void => {
    for (const pid of pids()) {
      if (pid === undefined) continue;
      try {
        process.kill(pid, 'SIGTERM');
      } catch {
        // gone already
      }
    }
  };
  process.on('exit', kill);
  return { release: () => process.off('exit', kill) };
}

function farmFile(home: string): string {
  return join(home, 'farm.json');
}

async function readFarmFile(home: string): Promise<FarmFile | null> {
  try {
    const value = JSON.parse(await readFile(farmFile(home), 'utf8')) as Partial<FarmFile>;
    const { controlPid, agentPid } = value;
    return typeof controlPid === 'number' && typeof agentPid === 'number' ? { controlPid, agentPid } : null;
  } catch {
    return null;
  }
}

function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.on('error', reject);
    server.listen(0, '127.0.0.1', () => {
      const address = server.address();
      server.close(() => resolve(typeof address === 'object' && address ? address.port : 0));
    });
  });
}

function isFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer();
    server.on('error', () => resolve(false));
    server.listen(port, '127.0.0.1', () => server.close(() => resolve(true)));
  });
}
