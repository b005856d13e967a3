import assert from 'node:assert/strict';
import { copyFileSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { readManifest } from '../../src/bundle/read-manifest.ts';
import type { EngineInput } from '../../src/engines/engine.ts';
import { ffmpegEngine } from '../../src/engines/ffmpeg/ffmpeg-engine.ts';
import { FlatrenderError } from '../../src/lib/errors.ts';
import { run } from '../../src/lib/exec.ts';
import { membersOfTree, readProc } from '../../src/lib/process-list.ts';
import { findFfmpeg } from '../../src/media/ffmpeg.ts';
import { probeMedia } from '../../src/media/probe.ts';
import { failureOf } from '../helpers/failure-of.ts';
import { recordingContext, renderRequest, temporaryDirectory } from '../helpers/render-request.ts';

const template = join(import.meta.dirname, '../../templates/video/audio-visualiser');
const tools = await findFfmpeg('');
const skip = tools ? false : 'needs ffmpeg and ffprobe: apt-get install ffmpeg';
const none = { ffmpegPath: '' };

test('every container gets exactly the frames asked for, with sound where there can be', {
  skip,
}, async (context) => {
  const bundleDir = temporaryDirectory(context);
  await makeSound(join(bundleDir, 'tone.wav'), 3);
  const manifest = {
    engines: {
      ffmpeg: {
        sources: [{ file: 'tone.wav' }, { generate: 'testsrc=s={width}x{height}:r={fps}' }],
        graph: '[1:v]hue=h=t*30[video]',
        audio: '0:a',
      },
    },
    outputs: ['mp4', 'mov', 'webm', 'gif', 'png'].map((container) => ({
      name: container,
      container,
      fps: container === 'webm' ? 29.97 : 20,
    })),
  };
  const expected = { mp4: 20, mov: 20, webm: 30, gif: 20, png: 1 };
  for (const [container, frames] of Object.entries(expected)) {
    const { context: told, progress } = recordingContext();
    const workspace = join(bundleDir, container);
    const result = await ffmpegEngine.render(
      renderRequest({ engine: 'ffmpeg', bundleDir, workspace, manifest, output: container }),
      told,
    );
    const found = await probeMedia(result.path, none);
    const sound = container !== 'gif' && container !== 'png';
    assert.deepEqual(
      [found.container, found.frames, found.hasAudio, found.width, found.height, result.frames],
      [container, frames, sound, 320, 180, frames],
    );
    assert.equal(progress.at(-1)?.phase, 'verify');
    assert.deepEqual(
      readdirSync(workspace).filter((name) => name !== 'texts'),
      [`output.${container}`],
    );
  }
});

test('any text and any directory name reach ffmpeg as they are', { skip }, async (context) => {
  const bundleDir = join(temporaryDirectory(context), `it's [a]; "b": 100%, %{n} = c`);
  const workspace = join(bundleDir, `w'o:r,k %d`);
  mkdirSync(join(bundleDir, 'fonts'), { recursive: true });
  copyFileSync(join(template, 'fonts/Inter-Medium.otf'), join(bundleDir, "fonts/it's a font.otf"));
  const manifest = {
    inputs: { title: { type: 'text' } },
    engines: {
      ffmpeg: {
        sources: [{ generate: 'color=black:s={width}x{height}:r={fps}' }],
        graph:
          "[0:v]drawtext=fontfile={font:fonts/it's a font.otf}:textfile={file.title}:expansion=none:fontcolor=white:fontsize=30:x=10:y=70[video]",
      },
    },
  };
  const picture = async (value: string, atSeconds: number): Promise<string> => {
    const outputs = [{ name: 'still', container: 'png', atSeconds }];
    const inputs = { title: { type: 'text', value } } as const;
    const request = renderRequest({
      engine: 'ffmpeg',
      bundleDir,
      workspace,
      manifest: { ...manifest, outputs },
      output: 'still',
      inputs,
    });
    return readFileSync((await ffmpegEngine.render(request, recordingContext().context)).path, 'hex');
  };
  const empty = await picture('', 0);
  const nasty = `%{n} it's "x" \\ : , ; [in] {y}`;
  assert.notEqual(await picture(nasty, 0), empty, 'it is drawn');
  assert.equal(await picture(nasty, 0), await picture(nasty, 0.8), '%{n} is not expanded');
  assert.notEqual(await picture(nasty, 0), await picture(nasty.replace("'", ''), 0), 'quotes are drawn');
});

test('the length follows the sound, to the frame', { skip }, async (context) => {
  const bundleDir = temporaryDirectory(context);
  await makeSound(join(bundleDir, 'in.flac'), 1.73);
  const result = await ffmpegEngine.render(
    soundRequest(bundleDir, join(bundleDir, 'in.flac')),
    recordingContext().context,
  );
  assert.equal(result.frames, Math.round(1.73 * 25));
});

test('a damaged or wrong file is refused by the name of its input', { skip }, async (context) => {
  const bundleDir = temporaryDirectory(context);
  const file = (name: string, content: string | Uint8Array): string => {
    writeFileSync(join(bundleDir, name), content);
    return join(bundleDir, name);
  };
  await makeSound(join(bundleDir, 'good.mp3'), 2);
  const mp3 = readFileSync(join(bundleDir, 'good.mp3'));
  const holed = Uint8Array.from(mp3);
  holed.fill(0x55, mp3.length / 2, mp3.length / 2 + 2000);
  const png = readFileSync(join(template, 'media/cover.png'));
  const cases: [string, RegExp][] = [
    [file('holed.mp3', holed), /input "audio" \(holed\.mp3\) cannot be read as a sound: /],
    [
      file('cut.mp3', mp3.subarray(0, mp3.length / 3)),
      /input "audio" \(cut\.mp3\) is cut off: it holds 0\.\d of 2\.\d s/,
    ],
    [file('text.mp3', 'this is not music'), /input "audio" \(text\.mp3\) cannot be read as a sound: /],
    [file('picture.mp3', png), /input "audio" \(picture\.mp3\) is an image \(png\)/],
    // A playlist would have ffmpeg open what it names.
    [file('list.mp3', `#EXTM3U\n#EXTINF:2,\n${join(bundleDir, 'good.mp3')}\n`), /cannot be read as a sound/],
    [file('list.wav', `ffconcat version 1.0\nfile good.mp3\n`), /cannot be read as a sound/],
    [file('empty.mp3', ''), /cannot be read as a sound/],
  ];
  for (const [path, message] of cases) {
    const error = await failureOf(
      ffmpegEngine.render(soundRequest(bundleDir, path), recordingContext().context),
    );
    assert.equal(error.code, 'MEDIA_INVALID', path);
    assert.match(error.message, message);
    assert.ok(error.hint);
  }
  const images: [string, RegExp][] = [
    [file('a.png', 'no picture'), /input "cover" \(a\.png\) is not a PNG, JPEG/],
    [file('b.png', png.subarray(0, 400)), /input "cover" \(b\.png\) cannot be read as an image/],
  ];
  for (const [path, message] of images) {
    const error = await failureOf(
      ffmpegEngine.render(imageRequest(bundleDir, path), recordingContext().context),
    );
    assert.equal(error.code, 'MEDIA_INVALID', path);
    assert.match(error.message, message);
  }
  // Its name does not matter.
  const misnamed = imageRequest(bundleDir, file('c%03d.jpg', png));
  assert.equal((await ffmpegEngine.render(misnamed, recordingContext().context)).frames, 25);
});

test('a sound longer than its input allows is refused', { skip }, async (context) => {
  const bundleDir = temporaryDirectory(context);
  await makeSound(join(bundleDir, 'in.wav'), 4);
  const request = soundRequest(bundleDir, join(bundleDir, 'in.wav'), { maxSeconds: 2 });
  const error = await failureOf(ffmpegEngine.render(request, recordingContext().context));
  assert.match(error.message, /input "audio" lasts 4 s; at most 2 s/);
});

test('a graph that ends early is no success, and leaves no file', { skip }, async (context) => {
  const bundleDir = temporaryDirectory(context);
  const request = graphRequest(bundleDir, 'testsrc=s=320x180:r=25:d=0.6', '[0:v]null[video]');
  const error = await failureOf(ffmpegEngine.render(request, recordingContext().context));
  assert.equal(error.code, 'OUTPUT_INVALID');
  assert.match(error.message, /frames: expected 25, found 17/);
  assert.deepEqual(readdirSync(request.workspace), []);
});

test('a graph that ffmpeg refuses fails with its reason', { skip }, async (context) => {
  const request = graphRequest(temporaryDirectory(context), 'testsrc', '[0:v]nosuchfilter[video]');
  const error = await failureOf(ffmpegEngine.render(request, recordingContext().context));
  assert.equal(error.code, 'FFMPEG_FAILED');
  assert.match(error.message, /No such filter: 'nosuchfilter'/);
});

test('an abort ends ffmpeg within 5 s and leaves nothing', { skip }, async (context) => {
  const bundleDir = temporaryDirectory(context);
  const request = graphRequest(
    bundleDir,
    'testsrc=s={width}x{height}:r={fps}',
    '[0:v]gblur=sigma=40[video]',
    600,
  );
  const controller = new AbortController();
  const { context: told, started, previews, progress } = recordingContext(controller.signal);
  const rendering = failureOf(ffmpegEngine.render(request, told));
  await started;
  const children = (): number[] =>
    process.platform === 'linux' ? membersOfTree(process.pid, readProc(), process.pid) : [];
  const before = children();
  const reason = new FlatrenderError('JOB_CANCELLED', 'cancelled by its owner');
  const at = performance.now();
  controller.abort(reason);
  assert.equal(await rendering, reason);
  assert.ok(performance.now() - at < 3000);
  assert.equal(children().filter((pid) => before.includes(pid)).length, 0);
  assert.deepEqual(readdirSync(request.workspace), []);
  assert.equal(progress.at(-1)?.frames, 600 * 25);
  assert.ok(previews.every((jpeg) => jpeg[0] === 0xff && jpeg[1] === 0xd8));
});

test('a video without sound is no error where its sound is wanted', { skip }, async (context) => {
  const bundleDir = temporaryDirectory(context);
  const video = join(bundleDir, 'silent.mp4');
  await run(tools?.ffmpeg ?? '', ['-v', 'error', '-f', 'lavfi', '-i', 'testsrc=s=64x64:d=2', video]);
  const request = renderRequest({
    engine: 'ffmpeg',
    bundleDir,
    manifest: {
      composition: { width: 320, height: 180, fps: 25, duration: { input: 'clip' } },
      inputs: { clip: { type: 'video' } },
      engines: { ffmpeg: { sources: [{ input: 'clip' }], graph: '[0:v]negate[video]', audio: '0:a' } },
    },
    inputs: { clip: { type: 'video', path: video } },
  });
  const result = await ffmpegEngine.render(request, recordingContext().context);
  assert.deepEqual([result.frames, result.width, result.height], [50, 320, 180]);
  assert.equal((await probeMedia(result.path, none)).hasAudio, false);
});

test('without ffmpeg the engine says what to do', async (context) => {
  const path = process.env.PATH;
  context.after(() => {
    process.env.PATH = path;
  });
  process.env.PATH = temporaryDirectory(context);
  const info = await ffmpegEngine.probe({ ffmpegPath: '', previewMs: 500, threads: 0 });
  assert.equal(info.available, false);
  assert.match(`${info.reason} ${info.hint}`, /no ffmpeg on the PATH .*(install|winget).*FFMPEG_PATH/);
});

test('the audio visualiser renders with its defaults, and every input changes the picture', {
  skip,
}, async (context) => {
  const { readManifest } = await import('../../src/bundle/read-manifest.ts');
  const { engineInputs } = await import('../../src/bundle/engine-inputs.ts');
  const { resolveOutput } = await import('../../src/bundle/resolve-output.ts');
  const manifest = await readManifest(template);
  const defaults = engineInputs({ manifest, values: {}, assetPath: () => undefined, bundleDir: template });
  const directory = temporaryDirectory(context);
  const render = async (output: string, inputs: Record<string, EngineInput>) => {
    const base = renderRequest({
      engine: 'ffmpeg',
      bundleDir: template,
      workspace: directory,
      manifest: {
        engines: { mock: {} },
      },
    });
    const spec = { ...resolveOutput(manifest, output), width: 480, height: 270 };
    const request = { ...base, manifest, inputs: { ...defaults, ...inputs }, output: spec };
    return ffmpegEngine.render(request, recordingContext().context);
  };
  const video = await render('youtube-1080p', {});
  assert.deepEqual([video.frames, video.codec], [240, 'h264']);
  const cover = join(directory, 'cover.png');
  await run(tools?.ffmpeg ?? '', [
    '-v',
    'error',
    '-f',
    'lavfi',
    '-i',
    'color=green:s=300x200',
    '-frames:v',
    '1',
    cover,
  ]);
  const still = async (inputs: Record<string, EngineInput>): Promise<string> =>
    readFileSync((await render('png-still', inputs)).path, 'hex');
  const plain = await still({});
  const changes: Record<string, EngineInput> = {
    title: { type: 'text', value: 'A title that is far too long for one line, but fits' },
    subtitle: { type: 'text', value: '' },
    accent: { type: 'color', value: '#00ff88' },
    cover: { type: 'image', path: cover },
  };
  const pictures = new Set([plain]);
  for (const [name, input] of Object.entries(changes)) pictures.add(await still({ [name]: input }));
  assert.equal(pictures.size, 5, 'each input shows');
});

async function makeSound(path: string, seconds: number): Promise<void> {
  const args = ['-v', 'error', '-y', '-f', 'lavfi', '-i', `sine=f=440:r=44100:d=${seconds}`, path];
  await run(tools?.ffmpeg ?? '', args);
}

function soundRequest(bundleDir: string, path: string, definition: Record<string, unknown> = {}) {
  return renderRequest({
    engine: 'ffmpeg',
    bundleDir,
    manifest: {
      composition: { width: 320, height: 180, fps: 25, duration: { input: 'audio' } },
      inputs: { audio: { type: 'audio', ...definition } },
      engines: {
        ffmpeg: {
          sources: [{ input: 'audio' }],
          graph: '[0:a]showwaves=s={width}x{height}:r={fps}[video]',
          audio: '0:a',
        },
      },
    },
    inputs: { audio: { type: 'audio', path } },
  });
}

function imageRequest(bundleDir: string, path: string) {
  return renderRequest({
    engine: 'ffmpeg',
    bundleDir,
    manifest: {
      inputs: { cover: { type: 'image' } },
      engines: { ffmpeg: { sources: [{ input: 'cover', loop: true }], graph: '[0:v]null[video]' } },
    },
    inputs: { cover: { type: 'image', path } },
  });
}

function graphRequest(bundleDir: string, generate: string, graph: string, duration = 1) {
  return renderRequest({
    engine: 'ffmpeg',
    bundleDir,
    manifest: {
      composition: { width: 320, height: 180, fps: 25, duration },
      engines: { ffmpeg: { sources: [{ generate }], graph } },
    },
  });
}

test('a text that the font of its drawtext cannot draw is refused by input, font and character', {
  skip,
}, async (context) => {
  const workspace = temporaryDirectory(context);
  const manifest = await readManifest(template);
  const render = (value: string) => {
    const base = renderRequest({
      engine: 'ffmpeg',
      bundleDir: template,
      workspace,
      manifest: { engines: { mock: {} } },
    });
    const inputs = { title: { type: 'text', value } } as const;
    return ffmpegEngine.render({ ...base, manifest, inputs }, recordingContext().context);
  };
  await assert.rejects(render('Hi 日 🎉'), {
    code: 'GLYPH_MISSING',
    message: /input "title".*fonts\/InterDisplay-Bold\.otf.*"日" \(U\+65E5\), "🎉" \(U\+1F389\)/,
  });
  await assert.rejects(
    render('Žluťoučký kůň · Ελλάδα'),
    { code: 'INPUT_INVALID' },
    'the sound is missing next',
  );
});
