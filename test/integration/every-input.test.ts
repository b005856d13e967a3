/** Each type of input and each kind of binding, from `job submit` to the pixels, through a farm. */
import assert from 'node:assert/strict';
import { copyFile, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import type { Lottie } from '../../src/engines/lottie/lottie-json.ts';
import { run } from '../../src/lib/exec.ts';
import { findFfmpeg } from '../../src/media/ffmpeg.ts';
import { probeMedia } from '../../src/media/probe.ts';
import type { JobView } from '../../src/protocol/jobs.ts';
import { toneWav } from '../conformance/encoder.ts';
import { runCliJson } from '../helpers/cli.ts';
import { type LiveFarm, startLiveFarm } from '../helpers/live-farm.ts';
import {
  sampleFill,
  sampleFonts,
  sampleLayer,
  sampleLottie,
  sampleShape,
  sampleText,
} from '../helpers/lottie-sample.ts';

const starter = join(import.meta.dirname, '../../templates/video/title-card');
const tools = await findFfmpeg('');
const skip = tools ? false : 'needs ffmpeg and ffprobe: apt-get install ffmpeg';

let farm: LiveFarm;
let dir: string;

before(async () => {
  farm = await startLiveFarm();
  dir = await mkdtemp(join(tmpdir(), 'flatrender-inputs-'));
  await farm.startAgent('node-a');
});
after(async () => {
  await farm?.[Symbol.asyncDispose]();
  if (dir) await rm(dir, { recursive: true, force: true });
});

type Values = Record<string, string | number | boolean>;

const at = (x: number, y: number) => ({ ks: { p: { a: 0, k: [x, y, 0] } } });

/** Everything a template can bind, each in a place of its own. */
function everything(): Lottie {
  const bar = (nm: string, x: number, y: number) => {
    const layer = sampleShape(nm, [sampleFill('Fill', [0, 0, 1, 1])], [40, 20]);
    return { ...layer, ks: { ...layer.ks, p: { a: 0, k: [x, y, 0] } } };
  };
  const slotted = bar('Slotted', 200, 100);
  const fill = slotted.shapes?.[0]?.it?.[1];
  if (fill) fill.c = { a: 0, k: [0, 0, 1, 1], sid: 'brand' };
  const line = sampleText('Line', [{ t: 'slot', f: 'Sans' }], at(320, 100));
  if (line.t) line.t.d.sid = 'headline';
  const faded = bar('Turned', 320, 150);
  faded.ks = { ...faded.ks, r: { a: 0, k: 0, sid: 'angle' } };
  return sampleLottie({
    fonts: sampleFonts('Sans', 'Other'),
    layers: [
      sampleText('Title', [{ t: 'title', f: 'Sans' }], at(60, 40)),
      sampleText('Count', [{ t: '0', f: 'Sans' }], at(150, 40)),
      sampleText('Mood', [{ t: 'mood', f: 'Sans' }], at(240, 40)),
      sampleText('Faced', [{ t: 'Faced', f: 'Other' }], at(340, 40)),
      bar('Accent', 60, 100),
      bar('Shown', 120, 100),
      bar('Faded', 120, 150),
      slotted,
      line,
      faded,
      sampleLayer(2, 'Logo', { refId: 'logo', ...at(180, 130) }),
    ],
    assets: [{ id: 'logo', w: 60, h: 60, u: '', p: 'logo.png', e: 0 }],
    slots: {
      brand: { p: { a: 0, k: [0, 0, 1, 1] } },
      headline: { p: structuredClone(line.t?.d) },
      angle: { p: { a: 0, k: 0 } },
    },
  } as Partial<Lottie>);
}

const LOTTIE = `schema: 1
name: every-lottie
version: 1.0.0
composition: { width: 400, height: 200, fps: 25, duration: { input: music } }
inputs:
  title: { type: text, default: title }
  count: { type: number, default: 0 }
  mood: { type: choice, options: [calm, wild], default: calm }
  accent: { type: color, default: '#0000ff' }
  shown: { type: boolean, default: true }
  fade: { type: number, min: 0, max: 100, default: 100 }
  brand: { type: color, default: '#0000ff' }
  line: { type: text, default: slot }
  angle: { type: number, default: 0 }
  logo: { type: image, default: logo.png }
  face: { type: font, default: Inter-Medium.otf }
  backdrop: { type: color, default: '#202020' }
  music: { type: audio, default: tone.wav }
engines:
  lottie:
    file: animation.json
    audio: { input: music }
    background: { input: backdrop }
    fonts:
      - { file: Inter-Medium.otf, names: [Sans, Other] }
    bind:
      - { to: text, input: title, layer: Title }
      - { to: text, input: count, layer: Count }
      - { to: text, input: mood, layer: Mood }
      - { to: color, input: accent, layer: Accent }
      - { to: visible, input: shown, layer: Shown }
      - { to: opacity, input: fade, layer: Faded }
      - { to: slot, input: brand, slot: brand }
      - { to: slot, input: line, slot: headline }
      - { to: slot, input: angle, slot: angle }
      - { to: image, input: logo, asset: logo }
      - { to: font, input: face, font: Other }
outputs: [{ name: still, container: png, atSeconds: 0.2 }, { name: video, container: mp4 }]
`;

const FFMPEG = `schema: 1
name: every-ffmpeg
version: 1.0.0
composition: { width: 320, height: 180, fps: 25, duration: { input: clip } }
inputs:
  title: { type: text, default: '' }
  size: { type: number, min: 10, max: 80, default: 20 }
  accent: { type: color, default: '#ffffff' }
  inverted: { type: boolean, default: false }
  look: { type: choice, options: [none, vintage, negative], default: none }
  cover: { type: image }
  music: { type: audio }
  clip: { type: video, default: clip.mp4 }
engines:
  ffmpeg:
    sources:
      - { input: clip }
      - { input: cover, loop: true, otherwise: 'color=gray:s=64x64:r={fps}' }
      - { input: music, otherwise: 'anullsrc' }
    graph: >-
      [1:v]scale=64:64[cover];
      [0:v]scale={width}:{height},curves=preset={input.look},negate=enable={input.inverted},
      drawbox=w={input.size}:h=20:color={input.accent}:t=fill[back];
      [back][cover]overlay=x=200:y=100,
      drawtext=fontfile={font:Inter-Medium.otf}:textfile={file.title}:expansion=none:fontcolor=white:x=10:y=60[video]
    audio: '2:a'
outputs: [{ name: still, container: png, atSeconds: 0.2 }, { name: video, container: mp4 }]
`;

/** Writes and pushes a template of the given files, and the files that jobs hand in. */
async function push(name: string, files: Record<string, string | Buffer>): Promise<void> {
  const folder = join(dir, name);
  await mkdir(folder);
  await copyFile(join(starter, 'fonts/Inter-Medium.otf'), join(folder, 'Inter-Medium.otf'));
  for (const [file, content] of Object.entries(files)) await writeFile(join(folder, file), content);
  const { exitCode, stdout } = await runCliJson(['template', 'push', folder], { home: farm.home });
  assert.equal(exitCode, 0, stdout);
}

/** Renders one job per set of values, in one batch; the paths of the files in the same order. */
async function renderAll(template: string, output: string, jobs: readonly Values[]): Promise<string[]> {
  await writeFile(join(dir, `${template}.json`), JSON.stringify(jobs));
  const args = [
    'job',
    'submit',
    '-t',
    template,
    '--inputs',
    `${template}.json`,
    '-f',
    output,
    '-o',
    `${template}/`,
  ];
  const { json, exitCode, stdout, stderr } = await runCliJson<{
    jobs: JobView[];
    files: { path: string; job: string }[];
  }>([...args, '--force'], { home: farm.home, cwd: dir });
  assert.equal(exitCode, 0, `${stdout}${stderr}`);
  return json.jobs.map((job) => {
    const file = json.files.find((found) => found.job === job.id);
    assert.ok(file, `job ${job.id} gave no file`);
    return file.path;
  });
}

/** Each set changes the picture, each in another way; the last is the first again. */
async function eachShows(template: string, changes: Record<string, Values[string]>): Promise<void> {
  const jobs: Values[] = [{}, ...Object.entries(changes).map(([name, value]) => ({ [name]: value })), {}];
  const paths = await renderAll(template, 'still', jobs);
  const pictures = await Promise.all(paths.map((path) => readFile(path, 'hex')));
  assert.equal(pictures.pop(), pictures[0], 'the same inputs give the same picture');
  const same = Object.keys(changes).filter(
    (_, index) => pictures.indexOf(pictures[index + 1] ?? '') <= index,
  );
  assert.deepEqual(same, [], 'these inputs change nothing, or what another one changes');
}

test('every type of input and every binding reaches the picture of a Lottie template', {
  timeout: 120_000,
}, async () => {
  const logo = await readFile(join(starter, 'images/logo.png'));
  await push('every-lottie', {
    'template.yaml': LOTTIE,
    'animation.json': JSON.stringify(everything()),
    'logo.png': logo,
    'tone.wav': toneWav(0.4),
  });
  await writeFile(
    join(dir, 'other.png'),
    await readFile(join(starter, '../audio-visualiser/media/cover.png')),
  );
  await copyFile(join(starter, 'fonts/InterDisplay-Bold.otf'), join(dir, 'bold.otf'));
  await writeFile(join(dir, 'long.wav'), toneWav(1.2));
  await eachShows('every-lottie', {
    title: 'Äñ other',
    count: 42,
    mood: 'wild',
    accent: '#ff0000',
    shown: false,
    fade: 30,
    brand: '#00ff00',
    line: 'line',
    angle: 45,
    logo: '@other.png',
    face: '@bold.otf',
    backdrop: '#802020',
  });
  const [short = '', long = ''] = await renderAll('every-lottie', 'video', [{}, { music: '@long.wav' }]);
  const media = await Promise.all([short, long].map((path) => probeMedia(path, { ffmpegPath: '' })));
  assert.deepEqual(
    media.map(({ frames, hasAudio }) => [frames, hasAudio]),
    [
      [10, true],
      [30, true],
    ],
  );
});

test('every type of input reaches the picture of an FFmpeg template', {
  skip,
  timeout: 120_000,
}, async () => {
  const clip = async (source: string, seconds: number): Promise<Buffer> => {
    const path = join(dir, `${source}.mp4`);
    const input = ['-f', 'lavfi', '-i', `${source}=s=320x180:r=25:d=${seconds}`];
    await run(tools?.ffmpeg ?? '', ['-v', 'error', '-y', ...input, '-pix_fmt', 'yuv420p', path]);
    return readFile(path);
  };
  await push('every-ffmpeg', { 'template.yaml': FFMPEG, 'clip.mp4': await clip('testsrc', 0.4) });
  await clip('testsrc2', 1.2);
  await writeFile(join(dir, 'tone.wav'), toneWav(2));
  await copyFile(join(starter, '../audio-visualiser/media/cover.png'), join(dir, 'cover.png'));
  await eachShows('every-ffmpeg', {
    title: "it's 100 %: [a],b;c",
    size: 70,
    accent: '#ff8800',
    inverted: true,
    look: 'vintage',
    cover: '@cover.png',
    clip: '@testsrc2.mp4',
  });
  const jobs: Values[] = [{}, { clip: '@testsrc2.mp4', music: '@tone.wav' }];
  const [short = '', long = ''] = await renderAll('every-ffmpeg', 'video', jobs);
  const media = await Promise.all([short, long].map((path) => probeMedia(path, { ffmpegPath: '' })));
  assert.deepEqual(
    media.map(({ frames, hasAudio }) => [frames, hasAudio]),
    [
      [10, true],
      [30, true],
    ],
  );
});
