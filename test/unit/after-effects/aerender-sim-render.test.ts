import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { loadCanvasKit } from '../../../src/engines/lottie/canvaskit.ts';
import { probeMedia } from '../../../src/media/probe.ts';
import {
  sampleComp,
  sampleFootage,
  sampleLayer,
  sampleProject,
  sampleText,
} from '../../after-effects/aerender-samples.ts';
import type { SimProject } from '../../after-effects/sim-project.ts';
import { colorAt, decodeFrames } from '../../helpers/decode-frames.ts';

const PROGRAM = join(import.meta.dirname, 'aerender-sim-process.ts');

interface Ended {
  readonly code: number | null;
  readonly signal: string | null;
  readonly lines: string[];
}

/** A directory with a project and an installation. */
function place(t: TestContext, project: SimProject, config: Record<string, unknown> = {}) {
  const dir = mkdtempSync(join(tmpdir(), 'aerender-sim-'));
  t.after(() => rmSync(dir, { recursive: true }));
  writeFileSync(join(dir, 'project.json'), JSON.stringify(project));
  writeFileSync(join(dir, 'simulator.json'), JSON.stringify(config));
  const args = (output: string, module: string, ...more: string[]) => [
    ...['-project', join(dir, 'project.json'), '-comp', 'main', '-output', join(dir, output)],
    ...['-OMtemplate', module, ...more],
  ];
  return { dir, args };
}

function launch(dir: string, args: readonly string[], fault = '') {
  return spawn(process.execPath, [PROGRAM, ...args], {
    env: { ...process.env, AE_SIM_INSTALL: dir, AE_SIM_FAULT: fault },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
}

async function run(dir: string, args: readonly string[], fault = ''): Promise<Ended> {
  const child = launch(dir, args, fault);
  let text = '';
  child.stdout.setEncoding('utf8').on('data', (part: string) => {
    text += part;
  });
  const [code, signal] = (await once(child, 'close')) as [number | null, string | null];
  return { code, signal, lines: text.split('\n').slice(0, -1) };
}

/** A white solid that crosses the picture, under a text. */
function movingProject(): SimProject {
  const solid = sampleFootage(2, { kind: 'solid', color: [1, 1, 1] }, { width: 16, height: 48 });
  const moves = {
    keyframes: [
      { time: 0, value: [0, 0] },
      { time: 0.36, value: [48, 0] },
    ],
  };
  const text = sampleLayer(
    'text',
    { properties: [sampleText('W', { fillColor: [1, 0, 0], fontSize: 40 })] },
    { Position: { value: [10, 40] } },
  );
  const comp = sampleComp({
    background: [0, 0, 1],
    layers: [text, sampleLayer('solid', { sourceId: 2 }, { Position: moves })],
  });
  return sampleProject(comp, solid);
}

async function pngPixel(path: string, x: number, y: number): Promise<number[]> {
  const kit = await loadCanvasKit();
  const image = kit.MakeImageFromEncoded(new Uint8Array(readFileSync(path)));
  assert.ok(image, `${path} is no picture`);
  const pixels = image.readPixels(x, y, {
    width: 1,
    height: 1,
    colorType: kit.ColorType.RGBA_8888,
    alphaType: kit.AlphaType.Unpremul,
    colorSpace: kit.ColorSpace.SRGB,
  });
  return [...(pixels ?? [])];
}

test('a sequence has a file per frame, numbered as the composition displays them', async (t) => {
  const project = movingProject();
  const [comp] = project.items;
  assert.ok(comp?.type === 'comp');
  comp.displayStartFrame = 100;
  const { dir, args } = place(t, project, { outputModules: ['PNG Sequence'] });
  const { code, lines } = await run(dir, args('f_[#####].png', 'PNG Sequence'));
  assert.equal(code, 0, lines.join('\n'));
  const files = readdirSync(dir).filter((name) => name.startsWith('f_'));
  assert.deepEqual(
    files,
    Array.from({ length: 10 }, (_, index) => `f_00${100 + index}.png`),
  );
  assert.deepEqual(await pngPixel(join(dir, 'f_00100.png'), 4, 2), [255, 255, 255, 255]);
  assert.deepEqual(await pngPixel(join(dir, 'f_00109.png'), 4, 2), [0, 0, 255, 255]);
  assert.deepEqual(await pngPixel(join(dir, 'f_00109.png'), 60, 2), [255, 255, 255, 255]);
  assert.equal(lines.filter((line) => /\(\d+\): 0 Seconds$/.test(line)).length, 10);
  assert.ok(lines.includes('PROGRESS:  0:00:04:00 (1): 0 Seconds'));
});

for (const [module, file] of [
  ['Lossless', 'out.avi'],
  ['Lossless', 'out.mov'],
  ['H.264 - Match Render Settings - 15 Mbps', 'out.mp4'],
] as const)
  test(`${module} writes ${file}`, async (t) => {
    const { dir, args } = place(t, movingProject());
    const { code, lines } = await run(dir, args(file, module));
    assert.equal(code, 0, lines.join('\n'));
    const info = await probeMedia(join(dir, file), { ffmpegPath: '' });
    assert.deepEqual([info.frames, info.width, info.height, info.damage], [10, 64, 48, []]);
    const [first, last] = await decodeFrames(join(dir, file), [0, 9]);
    assert.ok(first && last);
    assert.ok(colorAt(first, 0.06, 0.05)[0] > 200);
    assert.ok(colorAt(last, 0.06, 0.05)[0] < 50);
    assert.ok(colorAt(last, 0.06, 0.05)[2] > 200);
    assert.match(lines.at(-1) ?? '', /^PROGRESS: {2}Total Time Elapsed: \d+ Seconds$/);
  });
