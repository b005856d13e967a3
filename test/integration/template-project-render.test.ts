import assert from 'node:assert/strict';
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { checkInputs } from '../../src/bundle/inputs.ts';
import type { Manifest } from '../../src/bundle/manifest.ts';
import { readManifest } from '../../src/bundle/read-manifest.ts';
import { resolveOutput } from '../../src/bundle/resolve-output.ts';
import { initFromProject } from '../../src/cli/project-init.ts';
import { aerenderEngine } from '../../src/engines/aerender/aerender-engine.ts';
import type { EngineInput } from '../../src/engines/engine.ts';
import {
  compLayer,
  fillEffect,
  footageLayer,
  ProjectBuilder,
  rectangle,
  shapeLayer,
  textLayer,
} from '../after-effects/project-builder.ts';
import { writeProject } from '../after-effects/project-file.ts';
import { type Studio, studio } from '../helpers/after-effects.ts';
import { colorAt, decodeFrames, difference, type Pixels } from '../helpers/decode-frames.ts';
import { pngOf } from '../helpers/picture-files.ts';
import { recordingContext } from '../helpers/render-request.ts';

const TITLE = { left: 0, top: 0, right: 1, bottom: 0.4 };

/**
 * 160 × 90: a title in a precomposition above, a picture beside the project at the lower right, a bar with a Fill
 * effect at the left edge, a background of a solid.
 */
function writeStudioProject(folder: string): string {
  const size = { width: 160, height: 90 };
  mkdirSync(join(folder, 'media'), { recursive: true });
  const file = join(folder, 'spot.aep');
  writeFileSync(join(folder, 'media', 'logo.png'), pngOf(40, 30, [20, 20, 20]));
  const build = new ProjectBuilder({ savedAs: file });
  const logo = build.file('logo.png', join(folder, 'media', 'logo.png'), { width: 40, height: 30 });
  const background = build.solid('Background', [0.1, 0.2, 0.4], size);
  const font = { font: 'Inter-Medium', fontFamily: 'Inter', fontStyle: 'Medium', fontSize: 28 };
  const headline = build.comp('Headline', {
    ...size,
    fps: 24,
    duration: 0.5,
    layers: [textLayer('Title', 'Hello', font, { position: [10, 30, 0] })],
  });
  build.comp('Main', {
    ...size,
    fps: 24,
    duration: 0.5,
    layers: [
      compLayer(headline),
      footageLayer(logo, { position: [120, 68, 0] }),
      shapeLayer('Accent bar', [rectangle('Bar', { size: [20, 40], fill: [1, 1, 1] })], {
        position: [10, 68, 0],
        effects: [fillEffect([1, 1, 0])],
      }),
      footageLayer(background),
    ],
  });
  writeProject(file, build.project);
  return file;
}

async function frameOf(place: Studio, made: string, inputs: Record<string, EngineInput>): Promise<Pixels> {
  const manifest: Manifest = await readManifest(made);
  const { context, lines } = recordingContext();
  const request = {
    ...place.request(),
    bundleDir: made,
    manifest,
    inputs,
    output: resolveOutput(manifest, 'original'),
  };
  const result = await aerenderEngine.render(request, context).catch((error: unknown) => {
    throw new Error(lines.join('\n'), { cause: error });
  });
  assert.equal(result.frames, 12);
  const [frame] = await decodeFrames(result.path, [5]);
  assert.ok(frame);
  return frame;
}

test('the template that init makes of a project renders with the inputs it proposes', async (context) => {
  const place = await studio(context);
  const folder = join(place.root, 'author');
  const project = writeStudioProject(folder);
  const { signal } = new AbortController();
  const options = { directory: join(place.root, 'made'), allColors: false, force: false, signal };
  const made = await initFromProject(project, options);
  assert.deepEqual(made.missing.footage, []);
  assert.deepEqual(
    made.inputs.map(({ name, type }) => `${name}: ${type}`),
    ['logo: image', 'accentBar: color', 'background: color', 'title: text'],
  );
  assert.deepEqual(
    made.findings.filter(({ severity }) => severity === 'error'),
    [],
  );
  // What a node gets is the bundle alone.
  rmSync(folder, { recursive: true });
  const plain = await frameOf(place, made.directory, {});
  assert.ok(
    near(colorAt(plain, 0.75, 0.755), [20, 20, 20]),
    'the picture of the project is found in the bundle',
  );
  assert.ok(near(colorAt(plain, 0.05, 0.755), [255, 255, 0]));

  const values = checkInputs(await readManifest(made.directory), { title: 'W', background: '#cc2200' });
  assert.deepEqual(values, { title: 'W', background: '#cc2200' });
  const green = join(place.root, 'green.png');
  writeFileSync(green, pngOf(30, 30, [0, 220, 0]));
  const bound = await frameOf(place, made.directory, {
    title: { type: 'text', value: 'W' },
    background: { type: 'color', value: '#cc2200' },
    accentBar: { type: 'color', value: '#0000ff' },
    logo: { type: 'image', path: green },
  });
  assert.ok(near(colorAt(bound, 0.5, 0.95), [204, 34, 0]), 'the solid');
  assert.ok(near(colorAt(bound, 0.05, 0.755), [0, 0, 255]), 'the Fill effect');
  assert.ok(near(colorAt(bound, 0.75, 0.755), [0, 220, 0]), 'the picture');
  assert.ok(difference(plain, bound, TITLE) > 0.02, 'the text');
});

function near(found: readonly number[], wanted: readonly number[]): boolean {
  return wanted.every((value, index) => Math.abs(value - (found[index] ?? -1)) < 20);
}
