/** An agent of this process against a fake control plane, with its own directories; real engine hosts. */
import { mkdirSync } from 'node:fs';
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { type AgentOptions, type RunningAgent, startAgent } from '../../src/agent/agent.ts';
import { packBundle } from '../../src/bundle/pack.ts';
import type { AgentConfig } from '../../src/config/agent-config.ts';
import { createLogger, type Logger } from '../../src/lib/logger.ts';
import { type FakeControl, startFakeControl } from './fake-control.ts';

/** A fake control plane and a directory; both go away with the test. */
export async function setUp(t: TestContext): Promise<{ control: FakeControl; dir: string }> {
  const dir = await mkdtemp(join(tmpdir(), 'flatrender-agent-'));
  const control = await startFakeControl();
  t.after(async () => {
    await control[Symbol.asyncDispose]();
    await rm(dir, { recursive: true, force: true, maxRetries: 5 });
  });
  return { control, dir };
}

/** The zip of a template for the mock engine. */
export async function mockBundle(
  mock: Record<string, unknown> = {},
  extra: Record<string, string> = {},
): Promise<Buffer> {
  const root = await mkdtemp(join(tmpdir(), 'flatrender-bundle-'));
  try {
    const dir = join(root, 'template');
    mkdirSync(dir);
    const { inputs = '{}', ...files } = extra;
    const manifest = [
      'schema: 1',
      'name: test-card',
      'version: 1.0.0',
      'composition: { width: 64, height: 36, fps: 10, duration: 1 }',
      `inputs: ${inputs}`,
      `engines: { mock: ${JSON.stringify(mock)} }`,
      'outputs: [original]',
    ].join('\n');
    await writeFile(join(dir, 'template.yaml'), manifest);
    for (const [name, text] of Object.entries(files)) await writeFile(join(dir, name), text);
    await packBundle(dir, join(root, 'bundle.zip'));
    return await readFile(join(root, 'bundle.zip'));
  } finally {
    await rm(root, { recursive: true, force: true });
  }
}

/** A log that is kept instead of shown. */
export interface KeptLog {
  readonly logger: Logger;
  /** Lines as JSON. */
  readonly lines: Record<string, unknown>[];
  events(): string[];
}

export function keptLog(): KeptLog {
  const lines: Record<string, unknown>[] = [];
  const stream = {
    write(text: string) {
      for (const line of text.trim().split('\n')) lines.push(JSON.parse(line) as Record<string, unknown>);
      return true;
    },
  };
  const logger = createLogger({
    level: 'debug',
    stream: stream as unknown as NodeJS.WritableStream,
    text: false,
  });
  return { logger, lines, events: () => lines.map((line) => String(line.event)) };
}

export interface AgentUnderTest extends AsyncDisposable, RunningAgent {
  readonly config: AgentConfig;
  readonly log: KeptLog;
  /** Names in the scratch directory. */
  leftovers(): Promise<string[]>;
}

/** A configuration with everything in one directory. */
export function testConfig(
  control: { readonly url: string; readonly nodeId: string; readonly secret: string },
  directory: string,
  changes: Partial<AgentConfig> = {},
): AgentConfig {
  return {
    nodeId: control.nodeId,
    secret: control.secret,
    url: control.url,
    aerender: {
      path: '',
      stateDir: join(directory, 'aerender'),
      slots: 1,
      mode: null,
      outputModules: { sequence: null, movie: null },
      mfrPercent: null,
      memoryPercent: null,
      reuse: false,
      close: 'DO_NOT_SAVE_CHANGES',
      killStale: 'own',
      limits: { launch: 60, bind: 60, firstFrame: 60, frame: 60, encode: 60 },
    },
    roles: ['render'],
    hostIp: null,
    machineId: 'desktop',
    maxConcurrentJobs: 1,
    tags: [],
    stateDir: directory,
    tempDir: join(directory, 'work'),
    cacheMaxBytes: 1e9,
    minFreeBytes: 0,
    healthPort: 0,
    healthHost: '127.0.0.1',
    ffmpegPath: '',
    encoderThreads: 1,
    logLevel: 'debug',
    tracingEndpoint: null,
    ...changes,
  };
}

/** Starts an agent; disposing of it aborts what runs and waits for its end. The directory is the caller's. */
export function startTestAgent(
  control: FakeControl,
  directory: string,
  changes: Partial<AgentConfig> = {},
  options: Partial<AgentOptions> = {},
): AgentUnderTest {
  const config = testConfig(control, directory, changes);
  const log = keptLog();
  const agent = startAgent({ config, logger: log.logger, version: '0.0.0-test', ...options });
  return {
    ...agent,
    config,
    log,
    leftovers: () => readdir(config.tempDir),
    async [Symbol.asyncDispose]() {
      agent.shutdown();
      agent.shutdown();
      await agent.done.catch(() => undefined);
    },
  };
}
