/** flatrender.exe as it is handed out, unpacked on a Windows of a test. */
import { execFile } from 'node:child_process';
import { cp, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { buildWindows, NODE_FOR_WINDOWS } from '../../bin/build-windows.ts';
import { lockedPackage, packageFiles } from '../../bin/npm-package.ts';
import { releaseWindows } from '../../bin/release.ts';
import { setEnvLines } from '../../src/config/agent-env.ts';
import { buildExe } from '../after-effects/exe/build-exe.ts';
import { installSimulator } from '../after-effects/install-simulator.ts';
import type { Farm } from './farm.ts';
import type { Wine, WineRun } from './wine.ts';

export const SERVICE = 'FlatRenderNodeAgent';

const sources = join(import.meta.dirname, '..', 'after-effects');

export interface WindowsNode {
  /** Where the archive was unpacked, as this machine sees it: a directory with spaces in its name. */
  readonly directory: string;
  readonly healthUrl: string;
  /** Runs flatrender.exe in its directory. */
  flatrender(args: readonly string[], timeoutMs?: number): Promise<WineRun>;
  /** State of the service as `sc query` names it: RUNNING, STOPPED, …; null when there is none. */
  serviceState(): Promise<string | null>;
  /** Lines of logs\agent.log. */
  log(): Promise<Record<string, unknown>[]>;
  logText(): Promise<string>;
  /** Waits until the service is in a state and, if RUNNING, its health answers. */
  untilService(state: string | null, timeoutMs?: number): Promise<void>;
}

/** Builds the archive and unpacks it below "Program Files". */
export async function unpackRelease(wine: Wine, folder: string, healthPort: number): Promise<WindowsNode> {
  const scratch = await mkdtemp(join(tmpdir(), 'flatrender-release-'));
  const directory = join(wine.driveC, 'Program Files', folder);
  try {
    const archive = await releaseWindows(scratch);
    await promisify(execFile)('unzip', ['-q', archive, '-d', scratch]);
    await mkdir(join(directory, '..'), { recursive: true });
    await cp(archive.replace(/\.zip$/, ''), directory, { recursive: true });
  } finally {
    await rm(scratch, { recursive: true });
  }
  const healthUrl = `http://127.0.0.1:${healthPort}/health`;
  const serviceState = async (): Promise<string | null> =>
    /STATE\s*: \d+\s+(\w+)/.exec((await wine.run('sc', ['query', SERVICE])).stdout)?.[1] ?? null;
  const logText = (): Promise<string> =>
    readFile(join(directory, 'logs', 'agent.log'), 'utf8').catch(() => '');
  return {
    directory,
    healthUrl,
    flatrender: (args, timeoutMs = 60_000) =>
      wine.run(wine.windowsPath(join(directory, 'flatrender.exe')), args, { cwd: directory, timeoutMs }),
    serviceState,
    log: async () =>
      (await logText())
        .trim()
        .split('\n')
        .map((line) => JSON.parse(line)),
    logText,
    async untilService(state, timeoutMs = 20_000) {
      const giveUpAt = performance.now() + timeoutMs;
      for (;;) {
        const found = await serviceState();
        const answers = state !== 'RUNNING' || (await answersAt(healthUrl));
        if (found === state && answers) return;
        if (performance.now() > giveUpAt) {
          throw new Error(`the service is ${found}, not ${state}, after ${timeoutMs} ms\n${await logText()}`);
        }
        await new Promise((resolve) => setTimeout(resolve, 100));
      }
    },
  };
}

/** Builds flatrender.exe as another version and puts it on drive C:; returns its path there. */
export async function otherVersion(wine: Wine, version: string): Promise<string> {
  const directory = await mkdtemp(join(tmpdir(), 'flatrender-other-'));
  try {
    await buildWindows({ directory, version });
    await cp(join(directory, 'flatrender.exe'), join(wine.driveC, 'downloads', 'flatrender.exe'));
  } finally {
    await rm(directory, { recursive: true });
  }
  return 'C:\\downloads\\flatrender.exe';
}

/** Puts the encoder beside the program, as `npm run build:windows -- --with-encoder` does. */
export async function addEncoder({ directory }: WindowsNode): Promise<void> {
  const files = await packageFiles(await lockedPackage('@seydx/node-av-win32-x64-msvc'));
  await cp(join(files, 'node-av.node'), join(directory, 'node-av.node'));
}

/** Creates the node on the farm and writes its agent.env. */
export async function writeSettings(
  farm: Farm,
  { directory, healthUrl }: WindowsNode,
  id: string,
  more: Readonly<Record<string, string>> = {},
): Promise<void> {
  const created = await farm.client.call('POST', '/v1/nodes', { id });
  const example = await readFile(join(directory, 'agent.env.example'), 'utf8');
  const values = {
    NODE_ID: id,
    NODE_HMAC_SECRET: String(created.body?.secret),
    ORCHESTRATOR_URL: farm.url,
    HEALTH_PORT: new URL(healthUrl).port,
    ...more,
  };
  await writeFile(join(directory, 'agent.env'), setEnvLines(example, values));
}

/** Installs the stand-ins for After Effects as programs for Windows, with one font. */
export async function installAfterEffects(wine: Wine, fontFile: string, fontName: string): Promise<void> {
  const adobe = join(wine.driveC, 'Program Files', 'Adobe');
  const font = join(adobe, 'font.otf');
  await mkdir(adobe, { recursive: true });
  await cp(fontFile, font);
  const { directory } = installSimulator(adobe, {
    fonts: [{ postScriptName: fontName, file: wine.windowsPath(font) }],
  });
  const node = join(await packageFiles(NODE_FOR_WINDOWS), 'bin', 'node.exe');
  await buildExe({ entry: join(sources, 'aerender-main.ts'), file: join(directory, 'aerender.exe'), node });
  await buildExe({
    entry: join(sources, 'exe', 'afterfx-exe.ts'),
    file: join(directory, 'AfterFX.exe'),
    node,
  });
}

async function answersAt(url: string): Promise<boolean> {
  return await fetch(url).then(
    (answer) => answer.ok,
    () => false,
  );
}
