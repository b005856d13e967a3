/** The Lottie engine with the starter template: what is in the picture, and what is left behind. */
import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { engineInputs } from '../../src/bundle/engine-inputs.ts';
import { readManifest } from '../../src/bundle/read-manifest.ts';
import { resolveOutput } from '../../src/bundle/resolve-output.ts';
import type { EngineInput, RenderRequest } from '../../src/engines/engine.ts';
import { loadCanvasKit } from '../../src/engines/lottie/canvaskit.ts';
import { lottieEngine } from '../../src/engines/lottie/lottie-engine.ts';
import { packageRoot } from '../../src/lib/paths.ts';
import { readProc } from '../../src/lib/process-list.ts';
import { loadNodeAv } from '../../src/media/node-av.ts';
import type { OutputSpec } from '../../src/protocol/jobs.ts';
import { toneWav } from '../conformance/encoder.ts';
import { colorAt, decodeFrames, difference } from '../helpers/decode-frames.ts';
import {
  sampleFill,
  sampleFonts,
  sampleLayer,
  sampleLottie,
  sampleShape,
  sampleText,
} from '../helpers/lottie-sample.ts';
import { recordingContext, renderRequest, temporaryDirectory } from '../helpers/render-request.ts';

const bundleDir = join(packageRoot(), 'templates', 'video', 'title-card');
const manifest = await readManifest(bundleDir);
const defaults = engineInputs({ manifest, values: {}, bundleDir, assetPath: () => undefined });
const decoding = (await loadNodeAv())
  ? undefined
  : 'frames are decoded with node-av, which has no build for this machine';

/** A request for the starter template: small, two frames a second. */
function card(
  t: TestContext,
  inputs: Record<string, EngineInput> = {},
  output: Partial<OutputSpec> = {},
): RenderRequest {
  return {
    taskId: 'j1.0',
    engine: 'lottie',
    bundleDir,
    manifest,
    inputs: { ...defaults, ...inputs },
    output: { ...resolveOutput(manifest, 'youtube-1080p'), width: 480, height: 270, fps: 2, ...output },
    workspace: temporaryDirectory(t),
    settings: { ffmpegPath: '', previewMs: 0, threads: 0 },
  };
}

const render = async (request: RenderRequest) => {
  const recorded = recordingContext();
  return { ...recorded, result: await lottieEngine.render(request, recorded.context) };
};

/** The last frame of a card, when everything has arrived. */
async function lastFrame(t: TestContext, inputs: Record<string, EngineInput> = {}) {
  const { result } = await render(card(t, inputs));
  const [frame] = await decodeFrames(result.path, [9]);
  assert.ok(frame);
  return frame;
}

const TITLE = { left: 0.2, top: 0.4, right: 0.8, bottom: 0.57 };
const SUBTITLE = { left: 0.2, top: 0.63, right: 0.8, bottom: 0.75 };
const LOGO = { left: 0.42, top: 0.18, right: 0.58, bottom: 0.37 };

test('the card with its defaults is what was asked for', async (t) => {
  const request = card(t);
  const { result, progress } = await render(request);
  assert.deepEqual(
    { ...result, path: '', sizeBytes: 0 },
    { path: '', frames: 10, durationMs: 5000, width: 480, height: 270, codec: 'h264', sizeBytes: 0 },
  );
  assert.equal(result.sizeBytes, readFileSync(result.path).length);
  assert.deepEqual(readdirSync(request.workspace), ['output.mp4']);
  assert.deepEqual(
    [...new Set(progress.map(({ phase }) => phase))],
    ['prepare', 'render', 'encode', 'verify'],
  );
  assert.deepEqual(progress.findLast(({ phase }) => phase === 'render')?.frame, 10);
});

for (const [name, input, changed, same] of [
  ['title', { type: 'text', value: 'Something else' }, TITLE, SUBTITLE],
  ['subtitle', { type: 'text', value: 'Quite another line' }, SUBTITLE, TITLE],
  ['textColor', { type: 'color', value: '#3366ff' }, TITLE, LOGO],
] as const) {
  test(`the input ${name} changes its part of the picture, and only that`, { skip: decoding }, async (t) => {
    const [before, after] = [await lastFrame(t), await lastFrame(t, { [name]: input })];
    const [there, elsewhere] = [difference(before, after, changed), difference(before, after, same)];
    assert.ok(there > 0.03, `only ${there} of its part differs`);
    assert.ok(elsewhere < 0.005, `${elsewhere} of another part differs`);
  });
}

test('the background fills the frame in its exact colour, in an upright format to its ends', {
  skip: decoding,
}, async (t) => {
  const background: EngineInput = { type: 'color', value: '#f0e4c8' };
  const { result } = await render(card(t, { background }, { width: 108, height: 192 }));
  const [frame] = await decodeFrames(result.path, [9]);
  assert.ok(frame);
  for (const y of [0.02, 0.36, 0.98]) {
    const found = colorAt(frame, 0.5, y);
    assert.ok(
      [0xf0, 0xe4, 0xc8].every((value, part) => Math.abs(value - (found[part] ?? 0)) <= 4),
      `${found} at ${y}`,
    );
  }
});

test('a logo of another shape is shown whole and not distorted', { skip: decoding }, async (t) => {
  const kit = await loadCanvasKit();
  const surface = kit.MakeSurface(100, 300);
  assert.ok(surface);
  surface.getCanvas().clear(kit.Color(0, 255, 0));
  const path = join(temporaryDirectory(t), 'tall.png');
  writeFileSync(path, surface.makeImageSnapshot().encodeToBytes() ?? '');
  surface.dispose();
  const frame = await lastFrame(t, { logo: { type: 'image', path } });
  const isGreen = (x: number) => (colorAt(frame, x, 0.275)[1] ?? 0) > 180;
  assert.ok(isGreen(0.5), 'the logo is there');
  // 100 × 300 in 480 × 180 is 60 px of 1920 wide.
  assert.ok(!isGreen(0.53) && !isGreen(0.47), 'and as narrow as it is');
});

test('two renders of the same are the same', async (t) => {
  const still = async () => {
    const { result } = await render(card(t, {}, { container: 'png', atSeconds: 1.2 }));
    return readFileSync(result.path);
  };
  assert.ok((await still()).equals(await still()));
});

test('every output of the manifest renders', async (t) => {
  for (const name of ['youtube-1080p', 'square-1080', 'story-1080x1920', 'gif-preview', 'png-still']) {
    const spec = resolveOutput(manifest, name);
    const small = {
      width: Math.round(spec.width / 6),
      height: Math.round(spec.height / 6),
      durationSeconds: 1,
    };
    const { result } = await render(card(t, {}, { ...spec, ...small }));
    assert.equal(result.frames, spec.container === 'png' ? 1 : spec.fps, name);
    assert.ok(Math.abs(result.width - small.width) <= 1, name);
  }
});

test('a still is a PNG of the instant asked for', async (t) => {
  const at = async (atSeconds: number | null) => {
    const { result } = await render(card(t, {}, { container: 'png', atSeconds }));
    assert.deepEqual([result.frames, result.durationMs, result.codec], [1, 0, 'png']);
    return readFileSync(result.path);
  };
  const [start, middle, half] = [await at(0), await at(null), await at(2.5)];
  assert.ok(middle.equals(half));
  assert.ok(!middle.equals(start));
});

test('previews are JPEG files, as often as the node wants', async (t) => {
  const { previews } = await render(card(t));
  assert.equal(previews.length, 10);
  for (const preview of previews) {
    assert.ok(preview.length < 512 * 1024);
    assert.deepEqual([...preview.subarray(0, 3)], [0xff, 0xd8, 0xff]);
  }
  const request = card(t);
  const seldom = await render({ ...request, settings: { ...request.settings, previewMs: 3_600_000 } });
  assert.equal(seldom.previews.length, 1);
});

test('an output longer than the animation holds its last frame', { skip: decoding }, async (t) => {
  const { result } = await render(card(t, {}, { durationSeconds: 7 }));
  assert.equal(result.frames, 14);
  const [last, held] = await decodeFrames(result.path, [10, 13]);
  assert.ok(last && held);
  assert.ok(difference(last, held, { left: 0, top: 0, right: 1, bottom: 1 }) < 0.001);
  assert.ok(Math.max(...colorAt(held, 0.5, 0.275)) > 200, 'the logo is still there');
});

const children = (): number =>
  readProc().filter(({ parent, isZombie }) => parent === process.pid && !isZombie).length;

test('abort ends a render within a second and leaves nothing', async (t) => {
  const request = card(t, {}, { width: 1920, height: 1080, fps: 30, durationSeconds: 600 });
  const stop = new AbortController();
  const recorded = recordingContext(stop.signal);
  const before = process.platform === 'linux' ? children() : 0;
  const done = lottieEngine.render(request, recorded.context);
  await recorded.started;
  const started = performance.now();
  stop.abort(new Error('not wanted any more'));
  await assert.rejects(done, { code: 'ABORTED' });
  assert.ok(performance.now() - started < 1000, `${performance.now() - started} ms`);
  assert.deepEqual(readdirSync(request.workspace), []);
  if (process.platform === 'linux') assert.equal(children(), before);
});

test('a render that is aborted before it starts does nothing', async (t) => {
  const request = card(t);
  await assert.rejects(lottieEngine.render(request, recordingContext(AbortSignal.abort()).context), {
    code: 'ABORTED',
  });
  assert.deepEqual(readdirSync(request.workspace), []);
});

test('text with characters that the font lacks is refused before rendering', async (t) => {
  const request = card(t, { title: { type: 'text', value: 'Grüße 世界' } });
  const recorded = recordingContext();
  await assert.rejects(lottieEngine.render(request, recorded.context), {
    code: 'GLYPH_MISSING',
    message: /InterDisplay-Bold .* has no "世" \(U\+4E16\), "界" \(U\+754C\)/,
  });
  assert.deepEqual(
    recorded.progress.map(({ phase }) => phase),
    ['prepare'],
  );
});

for (const [what, content] of [
  ['no picture', 'not a picture'],
  ['cut off', readFileSync(join(bundleDir, 'images', 'logo.png')).subarray(0, 9000)],
] as const) {
  test(`a logo that is ${what} is refused`, async (t) => {
    const path = join(temporaryDirectory(t), 'logo.png');
    writeFileSync(path, content);
    await assert.rejects(render(card(t, { logo: { type: 'image', path } })), {
      code: 'MEDIA_INVALID',
      message: /the input logo is/,
    });
  });
}

test('each text gets the font it names, also of one family', { skip: decoding }, async (t) => {
  const fonts = join(bundleDir, 'fonts');
  const frame = async (
    order: readonly ['InterDisplay-Bold' | 'Inter-Medium', 'InterDisplay-Bold' | 'Inter-Medium'],
  ) => {
    const directory = temporaryDirectory(t);
    for (const name of ['InterDisplay-Bold', 'Inter-Medium'])
      writeFileSync(join(directory, `${name}.otf`), readFileSync(join(fonts, `${name}.otf`)));
    const layers = [
      sampleText('A', [{ t: 'HHHHH', s: 60, f: 'Upper' }], at(200, 80)),
      sampleText('B', [{ t: 'HHHHH', s: 60, f: 'Lower' }], at(200, 180)),
    ];
    const lottie = sampleLottie({
      layers,
      fonts: { list: sampleFonts('Upper', 'Lower').list?.map((font) => ({ ...font, fFamily: 'Same' })) },
    });
    writeFileSync(join(directory, 'sample.json'), JSON.stringify(lottie));
    const section = {
      file: 'sample.json',
      fonts: [
        { file: `${order[0]}.otf`, names: ['Upper'] },
        { file: `${order[1]}.otf`, names: ['Lower'] },
      ],
    };
    const { result } = await render(sampleRequest(directory, { lottie: section }));
    const [pixels] = await decodeFrames(result.path, [0]);
    assert.ok(pixels);
    return [ink(pixels, 0, 0.45), ink(pixels, 0.5, 1)] as const;
  };
  const [bold, medium] = await frame(['InterDisplay-Bold', 'Inter-Medium']);
  assert.ok(bold > medium * 1.1, `${bold} against ${medium}`);
  const [upper, lower] = await frame(['Inter-Medium', 'InterDisplay-Bold']);
  assert.ok(lower > upper * 1.1, `${lower} against ${upper}`);
});

test('the sound track of an input gives the length and is in the file', async (t) => {
  const directory = temporaryDirectory(t);
  writeFileSync(join(directory, 'tone.wav'), toneWav(1.52));
  writeFileSync(
    join(directory, 'sample.json'),
    JSON.stringify(sampleLottie({ layers: [sampleShape('Bar', [sampleFill('Fill', [1, 0, 0, 1])])] })),
  );
  const request = sampleRequest(
    directory,
    { lottie: { file: 'sample.json', audio: { input: 'music' } } },
    { music: { type: 'audio', path: join(directory, 'tone.wav') } },
  );
  const output = { ...request.output, durationSeconds: null, durationFrom: 'music' };
  const { result } = await render({ ...request, output });
  assert.deepEqual([result.frames, result.durationMs], [38, 1520]);
  const quiet = { ...request, output, inputs: {} };
  await assert.rejects(render(quiet), {
    code: 'INPUT_INVALID',
    message: /follows the input music, which is not given/,
  });
});

test('a picture that is embedded in the file or lies beside it is drawn; without it the template is refused', {
  skip: decoding,
}, async (t) => {
  const png = readFileSync(join(bundleDir, 'images', 'logo.png'));
  const frame = async (asset: { p: string; u: string }, file?: string) => {
    const directory = temporaryDirectory(t);
    if (file !== undefined) writeFileSync(join(directory, file), png);
    const layers = [sampleLayer(2, 'Logo', { refId: 'i', ks: { a: { a: 0, k: [50, 50, 0] } } })];
    writeFileSync(
      join(directory, 'sample.json'),
      JSON.stringify(sampleLottie({ layers, assets: [{ id: 'i', w: 100, h: 100, e: 0, ...asset }] })),
    );
    const { result } = await render(sampleRequest(directory, { lottie: { file: 'sample.json' } }));
    const [pixels] = await decodeFrames(result.path, [0]);
    assert.ok(pixels);
    return ink(pixels, 0, 1);
  };
  assert.ok((await frame({ u: '', p: 'a.png' }, 'a.png')) > 0.05);
  assert.ok((await frame({ u: '', p: `data:image/png;base64,${png.toString('base64')}` })) > 0.05);
  await assert.rejects(frame({ u: '', p: 'a.png' }), {
    code: 'TEMPLATE_INVALID',
    message: /no a\.png, which the image i shows/,
  });
});

test('rendering again and again does not let the memory of the renderer grow', async (t) => {
  const kit = (await loadCanvasKit()) as unknown as { HEAPU8: Uint8Array };
  const once = () => render(card(t, {}, { durationSeconds: 0.5 }));
  for (let round = 0; round < 3; round += 1) await once();
  const before = kit.HEAPU8.length;
  for (let round = 0; round < 15; round += 1) await once();
  assert.equal(kit.HEAPU8.length, before);
});

test('probe says what it is, or what to do about it', async () => {
  const settings = { ffmpegPath: '', previewMs: 0, threads: 0 };
  assert.deepEqual(await lottieEngine.probe(settings), {
    name: 'lottie',
    available: true,
    version: '0.42.0',
  });
  const missing = await lottieEngine.probe({ ...settings, ffmpegPath: '/no/such/ffmpeg' });
  assert.equal(missing.available, false);
  assert.match(missing.reason ?? '', /\/no\/such\/ffmpeg/);
  assert.ok(existsSync(bundleDir));
});

function at(x: number, y: number) {
  return { ks: { p: { a: 0, k: [x, y, 0] } } };
}

function sampleRequest(
  directory: string,
  engines: Record<string, unknown>,
  inputs: Record<string, EngineInput> = {},
): RenderRequest {
  return renderRequest({
    engine: 'lottie',
    bundleDir: directory,
    manifest: {
      composition: { width: 400, height: 200, fps: 25, duration: 0.2 },
      inputs: { music: { type: 'audio' } },
      engines,
    },
    inputs,
  });
}

/** Share of pixels between two heights that are not black. */
function ink(
  { width, height, data }: { width: number; height: number; data: Buffer },
  top: number,
  bottom: number,
): number {
  const [from, to] = [Math.floor(top * height), Math.floor(bottom * height)];
  let count = 0;
  for (let at = from * width * 3; at < to * width * 3; at += 3) if ((data[at] ?? 0) > 128) count += 1;
  return count / ((to - from) * width);
}
