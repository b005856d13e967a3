/** A farm of real processes on this machine: `control run` and any number of `agent run`, each killable. */

import { copyFile, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type CliMode, type RunningCli, runCliJson, startCli } from './cli.ts';
import { freePort } from './free-port.ts';
import { LoadClient } from './load-client.ts';

export interface FarmOptions {
  /** Default: FLATRENDER_TEST_CLI, or the sources. */
  readonly mode?: CliMode;
  /** Changes in flatrender.yaml, by dotted key. */
  readonly settings?: Readonly<Record<string, unknown>>;
}

/** One caller may ask for as much as it can: a load generator is a whole farm's callers behind one token. */
export const UNLIMITED: Readonly<Record<string, number>> = {
  'limits.tokenRequestsPerSecond': 0,
  'limits.nodeRequestsPerSecond': 0,
};

/** Lease times in seconds, short ones: a test of minutes becomes one of seconds. */
export function leaseTimes(
  heartbeat: number,
  suspect: number,
  lease: number,
  offline: number,
): Record<string, number> {
  return {
    'leases.heartbeatSeconds': heartbeat,
    'leases.suspectSeconds': suspect,
    'leases.leaseSeconds': lease,
    'leases.offlineSeconds': offline,
  };
}

export interface AgentProcess extends RunningCli {
  readonly id: string;
  readonly stateDir: string;
  readonly healthUrl: string;
}

/** Disposing of it kills every process it started and removes its directory. */
export interface Farm extends AsyncDisposable {
  readonly home: string;
  readonly url: string;
  readonly token: string;
  /** An operator's connections (admin). */
  readonly client: LoadClient;
  /** The running control plane. */
  control(): RunningCli;
  /** Starts the control plane (again); resolves when `/health` answers. */
  startControl(): Promise<RunningCli>;
  /** One more control plane of this farm, whose database and objects must be for several. */
  startReplica(): Promise<RunningCli & { readonly url: string }>;
  /** Creates (or, known already, re-uses) a node and starts its agent; resolves when its health answers. */
  startAgent(id: string, env?: Record<string, string>): Promise<AgentProcess>;
  /** Writes a template into the farm; files by name. */
  pushTemplate(files: Record<string, string | Buffer>): Promise<void>;
  /** Runs a command with this farm's URL and token and parses its --json answer. */
  run<T>(args: string[]): Promise<T>;
}

/** `control init` and `control run` in a new directory. */
export async function startFarm(options: FarmOptions = {}): Promise<Farm> {
  const home = await mkdtemp(join(tmpdir(), 'flatrender-farm-'));
  const cli = { home, ...(options.mode === undefined ? {} : { mode: options.mode }) };
  const port = await freePort();
  const init = await runCliJson<{ token?: string }>(
    ['control', 'init', '--yes', '--port', String(port)],
    // The first token is written into the store.
    { ...cli, env: { FLATRENDER_STORE: options.settings?.store as string | undefined } },
  );
  const { token } = init.json;
  if (init.exitCode !== 0 || token === undefined)
    throw new Error(`control init failed: ${init.stdout}${init.stderr}`);
  if (options.settings !== undefined)
    await changeSettings(join(home, '.flatrender', 'flatrender.yaml'), options.settings);

  const url = `http://127.0.0.1:${port}`;
  const client = new LoadClient(url, token, 32);
  const started: RunningCli[] = [];
  const secrets = new Map<string, string>();
  let control: RunningCli | undefined;

  const farm: Farm = {
    home,
    url,
    token,
    client,
    control() {
      if (control === undefined) throw new Error('the control plane was not started');
      return control;
    },
    async startControl() {
      control = await startCli(['control', 'run'], cli);
      started.push(control);
      await waitForHealth(`${url}/health`, control);
      return control;
    },
    async startReplica() {
      const own = join(home, `replica-${started.length}`);
      await mkdir(join(own, '.flatrender'), { recursive: true, mode: 0o700 });
      for (const file of ['farm.secret', 'flatrender.yaml'])
        await copyFile(join(home, '.flatrender', file), join(own, '.flatrender', file));
      const ownPort = await freePort();
      const env = { FLATRENDER_GATEWAY_PORT: String(ownPort) };
      const replica = await startCli(['control', 'run'], { ...cli, home: own, env });
      started.push(replica);
      const ownUrl = `http://127.0.0.1:${ownPort}`;
      await waitForHealth(`${ownUrl}/health`, replica);
      return Object.assign(replica, { url: ownUrl });
    },
    async startAgent(id, env = {}) {
      let secret = secrets.get(id);
      if (secret === undefined) {
        const created = await client.call('POST', '/v1/nodes', { id });
        secret = String(created.body?.secret);
        secrets.set(id, secret);
      }
      const healthPort = await freePort();
      const stateDir = join(home, `agent-${id}`);
      const agent = await startCli(['agent', 'run'], {
        ...cli,
        env: {
          NODE_ID: id,
          NODE_HMAC_SECRET: secret,
          ORCHESTRATOR_URL: url,
          STATE_DIR: stateDir,
          HEALTH_PORT: String(healthPort),
          ...env,
        },
      });
      started.push(agent);
      const healthUrl = `http://127.0.0.1:${healthPort}/health`;
      await waitForHealth(healthUrl, agent);
      return Object.assign(agent, { id, stateDir, healthUrl });
    },
    async pushTemplate(files) {
      const dir = await mkdtemp(join(home, 'template-'));
      for (const [name, content] of Object.entries(files)) await writeFile(join(dir, name), content);
      await farm.run(['template', 'push', dir]);
      await rm(dir, { recursive: true, force: true });
    },
    async run<T>(args: string[]) {
      const done = await runCliJson<T>([...args, '--url', url, '--token', token], cli);
      if (done.exitCode !== 0) throw new Error(`flatrender ${args.join(' ')}: ${done.stdout}${done.stderr}`);
      return done.json;
    },
    async [Symbol.asyncDispose]() {
      await client.close();
      for (const running of started.reverse()) await running[Symbol.asyncDispose]();
      await rm(home, { recursive: true, force: true, maxRetries: 5 });
    },
  };
  await farm.startControl();
  return farm;
}

/** A template of the mock engine that takes about `seconds` at 10 frames per second. */
export function mockTemplate(name: string, seconds: number): Record<string, string> {
  const frames = Math.max(10, Math.round(seconds * 10));
  return {
    'template.yaml': `schema: 1
name: ${name}
version: 1.0.0
composition: { width: 64, height: 64, fps: 10, duration: ${frames / 10} }
inputs:
  title: { type: text, default: hello, maxLength: 2000 }
engines:
  mock: { frameMs: ${seconds === 0 ? 0 : 100} }
outputs:
  - { name: main, container: mp4 }
`,
  };
}

async function waitForHealth(url: string, running: RunningCli): Promise<void> {
  let ended: string | undefined;
  running.ended.then(
    (end) => {
      ended = `exit ${end.exitCode ?? end.signal}\n${end.stdout}\n${end.stderr}`;
    },
    (error) => {
      ended = String(error);
    },
  );
  for (let tries = 0; tries < 1200; tries += 1) {
    if (ended !== undefined) throw new Error(`${url}: the program ended: ${ended}`);
    const ok = await fetch(url).then(
      (answer) => answer.ok,
      () => false,
    );
    if (ok) return;
    await new Promise((resolve) => setTimeout(resolve, 25));
  }
  throw new Error(`${url} does not answer: ${running.output().stderr}`);
}

async function changeSettings(file: string, settings: Readonly<Record<string, unknown>>): Promise<void> {
  const { parseDocument } = await import('yaml');
  const document = parseDocument(await readFile(file, 'utf8'));
  for (const [key, value] of Object.entries(settings)) document.setIn(key.split('.'), value);
  await writeFile(file, document.toString());
}
