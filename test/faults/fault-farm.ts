/** A farm of real processes that can be killed, stopped, moved to a full disk or behind a bad line, one by one. */
import { rmSync } from 'node:fs';
import { copyFile, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { variableOf } from '../../src/config/control-config.ts';
import type { EngineName } from '../../src/protocol/names.ts';
import { type RunningCli, runCliJson, startCli } from '../helpers/cli.ts';
import { mockTemplate } from '../helpers/farm.ts';
import { freePort } from '../helpers/free-port.ts';
import type { NodeKey } from '../helpers/load-node.ts';
import { registration } from '../helpers/registration.ts';
import { type BackendKinds, type Backends, startBackends } from './backends.ts';
import { FaultClient } from './fault-client.ts';
import { atExit } from './leave-nothing.ts';

export interface FaultFarmOptions extends BackendKinds {
  /** Options of flatrender.yaml by dotted path, given to every control plane in its environment. */
  readonly settings?: Readonly<Record<string, string | number | boolean>>;
  /** Default: 1. */
  readonly replicas?: number;
  /** Where clients and nodes reach the farm, once the replicas run; default: the first of them. */
  readonly front?: (targets: readonly string[]) => Promise<{ readonly url: string } & AsyncDisposable>;
  /** More environment of the control planes. */
  readonly env?: Readonly<Record<string, string>>;
  /** The same for each, by its home. */
  readonly perReplica?: (home: string) => Readonly<Record<string, string>>;
  /** Where the control planes write their log; default: it is kept in memory. */
  readonly logFile?: string;
}

/** One process that can be ended and started again. */
export class Process {
  readonly name: string;
  readonly #start: (env: Readonly<Record<string, string>>) => Promise<RunningCli>;
  readonly #ready: () => Promise<boolean>;
  #running: RunningCli | null = null;
  #log = '';

  constructor(
    name: string,
    start: (env: Readonly<Record<string, string>>) => Promise<RunningCli>,
    ready: () => Promise<boolean>,
  ) {
    this.name = name;
    this.#start = start;
    this.#ready = ready;
  }

  get pid(): number {
    const pid = this.#running?.child.pid;
    if (pid === undefined) throw new Error(`${this.name} does not run`);
    return pid;
  }

  get isRunning(): boolean {
    const child = this.#running?.child;
    return child !== undefined && child.exitCode === null && child.signalCode === null;
  }

  /** Everything it and those before it have written to standard error. */
  log(): string {
    return this.#log + (this.#running?.output().stderr ?? '');
  }

  /** Starts it without waiting for anything. */
  async launch(env: Readonly<Record<string, string>> = {}): Promise<void> {
    if (this.isRunning) throw new Error(`${this.name} runs already`);
    this.#log = this.log().slice(-1_000_000);
    const { child, ended } = await this.#start(env).then((running) => {
      this.#running = running;
      return running;
    });
    const forget = atExit(() => child.kill('SIGKILL'));
    ended.then(forget, forget);
  }

  /** Starts it and waits until it answers; one that ends by itself is an error with its last words. */
  async start(env: Readonly<Record<string, string>> = {}): Promise<void> {
    await this.launch(env);
    await this.ready();
  }

  async ready(timeoutMs = 60_000): Promise<void> {
    const giveUpAt = performance.now() + timeoutMs;
    while (!(await this.#ready())) {
      const last = this.log().slice(-3000);
      if (!this.isRunning) throw new Error(`${this.name} ended while it started:\n${last}`);
      if (performance.now() > giveUpAt) throw new Error(`${this.name} does not answer:\n${last}`);
      await delay(10);
    }
  }

  /** Sends the signal and waits for the end. */
  async stop(signal: NodeJS.Signals = 'SIGTERM'): Promise<void> {
    await this.#running?.stop(signal);
  }

  /** Waits until it has ended by itself. */
  async ended(): Promise<void> {
    await this.#running?.ended;
  }

  /** SIGSTOP and SIGCONT: it stands still, as a machine does that swaps or sleeps. */
  pause(): void {
    process.kill(this.pid, 'SIGSTOP');
  }

  resume(): void {
    process.kill(this.pid, 'SIGCONT');
  }

  async dispose(): Promise<void> {
    await this.#running?.[Symbol.asyncDispose]();
  }
}

export interface AgentProcess {
  readonly id: string;
  readonly stateDir: string;
  readonly process: Process;
}

/** Disposing of it ends every process and removes its directories. */
export interface FaultFarm extends AsyncDisposable {
  /** Below it is all that the farm has on disk. */
  readonly root: string;
  readonly url: string;
  readonly token: string;
  readonly client: FaultClient;
  readonly backends: Backends;
  /** Where each control plane has its state directory. */
  readonly homes: readonly string[];
  readonly control: Process;
  readonly replicas: readonly Process[];
  /** The URL of each replica. */
  readonly addresses: readonly string[];
  /** Creates and registers a node that a test plays itself. */
  addNode(id: string, tags: readonly string[], engine?: EngineName): Promise<NodeKey>;
  /** Starts a real agent with a node of its own. */
  startAgent(id: string, env?: Readonly<Record<string, string>>): Promise<AgentProcess>;
}

export async function startFaultFarm(options: FaultFarmOptions): Promise<FaultFarm> {
  await using undo = new AsyncDisposableStack();
  const backends = undo.use(await startBackends(options));
  const root = await mkdtemp(join(tmpdir(), 'flatrender-faults-'));
  const forget = atExit(() => rmSync(root, { recursive: true, force: true, maxRetries: 5 }));
  undo.defer(async () => {
    forget();
    await rm(root, { recursive: true, force: true, maxRetries: 5 });
  });
  const settings = { 'objects.path': join(root, 'objects'), ...backends.settings, ...options.settings };
  const env: Record<string, string> = { ...options.env };
  for (const [path, value] of Object.entries(settings)) env[nameOf(path)] = String(value);

  const count = options.replicas ?? 1;
  const homes = Array.from({ length: count }, (_, n) => join(root, `control-${n + 1}`));
  const ports: number[] = [];
  while (ports.length < count) {
    const port = await freePort();
    if (!ports.includes(port)) ports.push(port);
  }
  const first = homes[0] ?? root;
  for (const home of homes) await mkdir(home, { recursive: true });
  const init = await runCliJson<{ token?: string }>(['control', 'init', '--yes'], { home: first, env });
  const { token } = init.json;
  if (init.exitCode !== 0 || token === undefined)
    throw new Error(`control init: ${init.stdout}${init.stderr}`);
  for (const home of homes.slice(1)) {
    await mkdir(join(home, '.flatrender'), { mode: 0o700 });
    for (const file of ['farm.secret', 'flatrender.yaml'])
      await copyFile(join(first, '.flatrender', file), join(home, '.flatrender', file));
  }
  const addresses = ports.map((port) => `http://127.0.0.1:${port}`);
  const replicas = homes.map((home, n) => {
    const own = { ...env, ...options.perReplica?.(home), FLATRENDER_GATEWAY_PORT: String(ports[n]) };
    const logFile = options.logFile === undefined ? {} : { stderrFile: options.logFile };
    return new Process(
      `control plane ${n + 1}`,
      (more) => startCli(['control', 'run'], { home, env: { ...own, ...more }, ...logFile }),
      () => answers(`${addresses[n]}/health`),
    );
  });
  for (const replica of replicas) {
    undo.defer(() => replica.dispose());
    await replica.start();
  }
  const front = await options.front?.(addresses);
  if (front) undo.use(front);
  const url = front?.url ?? addresses[0] ?? '';
  const client = new FaultClient(url, token);
  undo.defer(() => client.close());
  await pushTemplates(root, url, token);
  const [control] = replicas;
  if (control === undefined) throw new Error('a farm without a control plane');
  const agents: AgentProcess[] = [];
  const running = undo.move();

  return {
    root,
    url,
    token,
    client,
    backends,
    homes,
    control,
    replicas,
    addresses,
    async addNode(id, tags, engine = 'mock') {
      let created = await client.call('POST', '/v1/nodes', { id });
      // Ten thousand at once are more than a token may ask for.
      for (; created.status === 429; created = await client.call('POST', '/v1/nodes', { id }))
        await delay(100);
      const node = { id, secret: String(created.body?.secret) };
      const answer = await client.asNode(
        node,
        '/v1/agent/register',
        registration(id, [engine], [...tags], 64),
      );
      if (answer.status >= 300) throw new Error(`register: ${JSON.stringify(answer.body)}`);
      return node;
    },
    async startAgent(id, more = {}) {
      const created = await client.call('POST', '/v1/nodes', { id });
      const stateDir = more.STATE_DIR ?? join(root, `agent-${id}`);
      const home = join(root, `home-${id}`);
      await mkdir(home);
      const own = {
        NODE_ID: id,
        NODE_HMAC_SECRET: String(created.body?.secret),
        ORCHESTRATOR_URL: url,
        STATE_DIR: stateDir,
        HEALTH_PORT: 'off',
        ...more,
      };
      const process = new Process(
        `agent ${id}`,
        (env) => startCli(['agent', 'run'], { home, env: { ...own, ...env } }),
        async () => {
          const { body } = await client.call('GET', `/v1/nodes/${id}`);
          return ['ready', 'busy'].includes(String(body?.status));
        },
      );
      const agent = { id, stateDir, process };
      agents.push(agent);
      await process.start();
      return agent;
    },
    async [Symbol.asyncDispose]() {
      await Promise.all(agents.map((agent) => agent.process.dispose()));
      await running.disposeAsync();
    },
  };
}

/** `quick` renders nothing, `short` a third of a second. */
async function pushTemplates(root: string, url: string, token: string): Promise<void> {
  for (const [name, seconds] of [
    ['quick', 0],
    ['short', 1],
  ] as const) {
    const directory = join(root, `template-${name}`);
    await mkdir(directory);
    for (const [file, text] of Object.entries(mockTemplate(name, seconds)))
      await writeFile(join(directory, file), text);
    const pushed = await runCliJson(['template', 'push', directory, '--url', url, '--token', token], {
      home: root,
    });
    if (pushed.exitCode !== 0) throw new Error(`template push: ${pushed.stdout}${pushed.stderr}`);
  }
}

/** The variable of an option; a secret has a name of its own, under which operators know it. */
function nameOf(path: string): string {
  if (path === 'objects.accessKey') return 'FLATRENDER_S3_ACCESS_KEY';
  return path === 'objects.secretKey' ? 'FLATRENDER_S3_SECRET_KEY' : variableOf(path);
}

async function answers(url: string): Promise<boolean> {
  try {
    const answer = await fetch(url, { signal: AbortSignal.timeout(1000) });
    await answer.arrayBuffer();
    return answer.ok;
  } catch {
    return false;
  }
}
