/** Runs the stand-in for aerender in tests of itself. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { loadCanvasKit } from '../../src/engines/lottie/canvaskit.ts';
import { writeProject } from './project-file.ts';
import type { SimProject } from './sim-project.ts';

const PROGRAM = join(import.meta.dirname, 'aerender-main.ts');

export interface Ended {
  readonly code: number | null;
  readonly signal: string | null;
  readonly lines: string[];
}

/** A directory with a project, a configuration and what aerender writes; removed after the test. */
export function place(t: TestContext, project: SimProject, config: Record<string, unknown> = {}) {
  const dir = mkdtempSync(join(tmpdir(), 'aerender-sim-'));
  t.after(() => rmSync(dir, { recursive: true }));
  writeProject(join(dir, 'project.aep'), project);
  const outputModules = [
    'Lossless',
    'PNG Sequence',
    'TIFF Sequence with Alpha',
    '_HIDDEN X-Factor 8 Premul',
    'AIFF 48kHz',
    'WAV',
    'H.264',
  ];
  writeFileSync(join(dir, 'simulator.json'), JSON.stringify({ outputModules, ...config }));
  const args = (output: string, module: string, ...more: string[]): string[] => [
    ...['-project', join(dir, 'project.aep'), '-comp', 'main', '-output', join(dir, output)],
    ...['-OMtemplate', module, ...more],
  ];
  return { dir, args };
}

/** Starts it; the caller ends it. */
export function launch(dir: string, args: readonly string[], fault = '', env: NodeJS.ProcessEnv = {}) {
  return spawn(process.execPath, [PROGRAM, ...args], {
    env: { ...process.env, AE_SIM_INSTALL: dir, AE_SIM_FAULT: fault, ...env },
    stdio: ['ignore', 'pipe', 'ignore'],
    detached: true, // a group of its own, to end it with what it started
  });
}

/** Runs it to its end. */
export async function run(
  dir: string,
  args: readonly string[],
  fault = '',
  env: NodeJS.ProcessEnv = {},
): Promise<Ended> {
  const child = launch(dir, args, fault, env);
  const text = child.stdout.setEncoding('utf8').toArray();
  const [code, signal] = (await once(child, 'close')) as [number | null, string | null];
  return { code, signal, lines: (await text).join('').split('\n').slice(0, -1) };
}

/**
 * Runs it until a line comes that matches, kills it, and returns what was said until then, and whether it left no
 * process behind (which is ended as well).
 */
export async function runUntil(
  dir: string,
  args: readonly string[],
  fault: string,
  last: RegExp,
): Promise<Ended & { readonly isAlone: boolean }> {
  const child = launch(dir, args, fault);
  let text = '';
  child.stdout.setEncoding('utf8').on('data', (part: string) => {
    text += part;
    if (last.test(text)) child.kill('SIGTERM');
  });
  const [code, signal] = (await once(child, 'close')) as [number | null, string | null];
  const isAlone = !endGroup(child.pid ?? 0);
  return { code, signal, lines: text.split('\n').slice(0, -1), isAlone };
}

function endGroup(pid: number): boolean {
  try {
    return process.kill(-pid, 'SIGKILL');
  } catch {
    return false;
  }
}

/** A pixel of a PNG file: red, green, blue, alpha. */
export async function pngPixel(path: string, x: number, y: number): Promise<number[]> {
  const kit = await loadCanvasKit();
  const image = kit.MakeImageFromEncoded(new Uint8Array(readFileSync(path)));
  if (!image) throw new Error(`${path} is no picture`);
  const pixels = image.readPixels(x, y, {
    width: 1,
    height: 1,
    colorType: kit.ColorType.RGBA_8888,
    alphaType: kit.AlphaType.Unpremul,
    colorSpace: kit.ColorSpace.SRGB,
  });
  return [...(pixels ?? [])];
}
