/** A whole farm on this machine: a control plane and one agent, as child processes of this same program. */
import { mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type Api, createApi } from '../client/api.ts';
import { writeEnvFile } from '../config/agent-env.ts';
import { clientFile, loadClientConfig, saveClientConfig } from '../config/client-config.ts';
import { type ErrorBody, errorFromBody, FlatrenderError } from '../lib/errors.ts';
import { type RunResult, run, selfCommand } from '../lib/exec.ts';
import { lastLinesOf } from '../lib/exec-error.ts';
import { endProcess, environment, isSelf, killOnExit, startSelf, untilReady } from './farm-processes.ts';
import { freePort, isFree } from './free-port.ts';
import type { Say } from './steps.ts';

/** The node that a local farm has. */
const LOCAL_NODE = 'this-machine';

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
  /** null: not started yet. */
  readonly agentPid: number | null;
}

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
    // At once: should this process be killed, the next one finds what it left behind.
    await writeFarmFile(home, { controlPid: pids.control, agentPid: null });
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
    pids.agent = await startSelf(['agent', 'run', '--agent-env', envFile], home, logs.agent, {});
    await writeFarmFile(home, { controlPid: pids.control, agentPid: pids.agent });
    await untilReady('agent', pids.agent, logs.agent, signal, async () => {
      const { status } = await api.getNode(LOCAL_NODE);
      return status === 'ready' || status === 'busy';
    });
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
async function findLocalFarm(home: string, signal: AbortSignal): Promise<LocalFarm | null> {
  const file = await readFarmFile(home);
  if (!file || file.agentPid === null) return null;
  const { controlPid, agentPid } = file;
  if (!(await isSelf(controlPid)) || !(await isSelf(agentPid))) return null;
  try {
    const api = createApi({ ...loadClientConfig({}, {}, home), signal });
    const node = await api.getNode(LOCAL_NODE);
    if (node.status === 'offline' || node.status === 'pending') return null;
    return {
      home,
      api,
      controlPid,
      agentPid,
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
    if (pid === null || !(await isSelf(pid))) continue;
    await endProcess(pid);
    ended = true;
  }
  await rm(farmFile(home), { force: true });
  return ended;
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
    const done = await run(init.file, init.args, {
      env: environment(home, {}),
      signal,
      anyExitCode: true,
    });
    if (done.exitCode !== 0) throw initFailure(done);
  }
  const config = loadClientConfig({}, {}, home);
  const url = new URL(config.url);
  if (!(await isFree(Number(url.port)))) {
    url.port = String(await freePort());
    saveClientConfig({ url: url.href, token: config.token ?? '' }, home);
  }
  return loadClientConfig({}, {}, home).url;
}

/** What the other process said of its failure, as an error of this one. */
function initFailure({ exitCode, stdout, stderr }: RunResult): FlatrenderError {
  try {
    return errorFromBody((JSON.parse(stdout) as { error: ErrorBody }).error);
  } catch (cause) {
    return new FlatrenderError(
      'PROGRAM_FAILED',
      `"control init" ended with exit code ${exitCode}: ${lastLinesOf(stderr).join('\n')}`,
      { cause },
    );
  }
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

/** Its presence also tells a quickstart directory from any other state directory. */
export function farmFile(home: string): string {
  return join(home, 'farm.json');
}

async function writeFarmFile(home: string, file: FarmFile): Promise<void> {
  await writeFile(farmFile(home), JSON.stringify(file), { mode: 0o600 });
}

async function readFarmFile(home: string): Promise<FarmFile | null> {
  try {
    const value = JSON.parse(await readFile(farmFile(home), 'utf8')) as Partial<FarmFile>;
    const { controlPid, agentPid } = value;
    return typeof controlPid === 'number' ? { controlPid, agentPid: agentPid ?? null } : null;
  } catch {
    return null;
  }
}
