import assert from 'node:assert/strict';
import { copyFileSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { aerenderEngine } from '../../src/engines/aerender/aerender-engine.ts';
import { createEngineHosts } from '../../src/engines/host-pool.ts';
import { FlatrenderError } from '../../src/lib/errors.ts';
import { probeMedia } from '../../src/media/probe.ts';
import { footageLayer } from '../after-effects/project-builder.ts';
import {
  FONT,
  filesIn,
  GREETING,
  greetingManifest,
  greetingProject,
  type Studio,
  studio,
} from '../helpers/after-effects.ts';
import { colorAt, decodeFrames, difference, type Pixels } from '../helpers/decode-frames.ts';
import { failureOf } from '../helpers/failure-of.ts';
import { pngOf, wavOf } from '../helpers/picture-files.ts';
import { recordingContext, temporaryDirectory } from '../helpers/render-request.ts';

const none = { ffmpegPath: '' };
const TITLE = { left: 0, top: 0, right: 1, bottom: 0.5 };
const PHOTO = { left: 0.65, top: 0.6, right: 0.85, bottom: 0.9 };

for (const mode of ['sequence', 'movie'] as const) {
  test(`${mode} mode: text, picture and colour of the job are in the frames`, async (context) => {
    const place = studio(context);
    const manifest = greetingManifest({ engine: { mode } });
    const green = join(place.root, 'green ü "1".png');
    writeFileSync(green, pngOf(30, 30, [0, 220, 0]));
    const plain = await frameOf(place, { manifest });
    const bound = await frameOf(place, {
      manifest,
      inputs: {
        title: { type: 'text', value: 'Grüße “✓”' },
        photo: { type: 'image', path: green },
        accent: { type: 'color', value: '#cc2200' },
      },
    });
    assert.ok(near(colorAt(plain, 0.02, 0.95), [26, 51, 102]), 'the project’s own colour');
    assert.ok(near(colorAt(bound, 0.02, 0.95), [204, 34, 0]), String(colorAt(bound, 0.02, 0.95)));
    assert.ok(near(colorAt(bound, 0.75, 0.755), [0, 220, 0]), String(colorAt(bound, 0.75, 0.755)));
    // The text alone makes a difference as well.
    const other = await frameOf(place, { manifest, inputs: { title: { type: 'text', value: 'W' } } });
    assert.ok(difference(plain, other, TITLE) > 0.02, `${difference(plain, other, TITLE)}`);
    assert.equal(difference(plain, other, PHOTO), 0);
    const emptied = await frameOf(place, { manifest, inputs: { title: { type: 'text', value: '' } } });
    assert.ok(difference(plain, emptied, TITLE) > 0.02);
  });

  test(`${mode} mode: progress goes from 0 to all frames, with previews, and the whole log is a file`, async (context) => {
    const place = studio(context);
    const { context: told, progress, previews, lines } = recordingContext();
    const request = place.request({ manifest: greetingManifest({ engine: { mode } }) });
    await aerenderEngine.render(request, told);
    const rendered = progress.filter(({ phase }) => phase === 'render');
    assert.equal(rendered[0]?.frame, 0);
    assert.equal(rendered.at(-1)?.frame, GREETING.frames);
    assert.ok(rendered.every(({ frames }) => frames === GREETING.frames));
    assert.deepEqual(
      [...new Set(progress.map(({ phase }) => phase))],
      ['prepare', 'render', 'encode', 'verify'],
    );
    assert.ok(previews.length > 0);
    assert.ok(previews.every((jpeg) => jpeg[0] === 0xff && jpeg[1] === 0xd8));
    const log = readFileSync(join(request.workspace, 'logs', 'aerender.log'), 'utf8');
    assert.ok(lines.length > GREETING.frames);
    for (const line of lines) assert.ok(log.includes(line), line);
    assert.match(log, /AfterFX: .*bind\.jsx/);
  });

  test(`${mode} mode: the sound of the composition is in the output`, async (context) => {
    const place = studio(context, { project: (bundleDir) => withSound(bundleDir) });
    const request = place.request({ manifest: greetingManifest({ engine: { mode } }) });
    const result = await aerenderEngine.render(request, recordingContext().context);
    const found = await probeMedia(result.path, none);
    assert.deepEqual([found.hasAudio, found.frames], [true, GREETING.frames]);
    // A container without sound does not pay for it.
    const outputs = [{ name: 'main', container: 'gif' }];
    const { context: told, lines } = recordingContext();
    const gif = place.request({ manifest: greetingManifest({ engine: { mode }, outputs }) });
    assert.equal((await aerenderEngine.render(gif, told)).frames, GREETING.frames);
    assert.doesNotMatch(lines.join('\n'), /rendering the sound/);
  });
}

test('every container, size and frame rate gets what it asks for', async (context) => {
  const place = studio(context);
  const outputs = [
    { name: 'webm', container: 'webm', fps: 30, width: 120, height: 120, background: '#00ff00' },
    { name: 'mov', container: 'mov', fps: 12, width: 320, height: 180 },
    { name: 'short', container: 'mp4', durationSeconds: 0.5 },
    { name: 'gif', container: 'gif', fps: 8 },
  ];
  const expected = { webm: [120, 120, 30], mov: [320, 180, 12], short: [160, 90, 12], gif: [160, 90, 8] };
  for (const [output, [width, height, frames]] of Object.entries(expected)) {
    const request = place.request({ manifest: greetingManifest({ outputs }), output });
    const { context: told, lines } = recordingContext();
    const result = await aerenderEngine.render(request, told);
    assert.deepEqual([result.width, result.height, result.frames], [width, height, frames], output);
    if (output === 'short') assert.match(lines.join('\n'), /-s 0 -e 11 /);
    if (output !== 'webm') continue;
    const [frame] = await decodeFrames(result.path, [3]);
    assert.ok(frame);
    assert.ok(near(colorAt(frame, 0.5, 0.03), [0, 255, 0]), 'the background above the picture');
  }
});

test('what the composition leaves transparent has its own background colour, the bars that of the output', async (context) => {
  const project = (bundleDir: string) => {
    const greeting = greetingProject(bundleDir);
    const main = greeting.items.find((item) => item.type === 'comp');
    assert.ok(main?.type === 'comp');
    main.background = [1, 0, 0];
    main.layers = main.layers.filter(({ name }) => name !== 'background');
    return greeting;
  };
  const place = studio(context, { project });
  const { engines, ...manifest } = greetingManifest({
    outputs: [{ name: 'main', container: 'mp4', width: 160, height: 160, background: '#0000ff' }],
  }) as { engines: { aerender: { bind: { input: string }[] } } };
  const bind = engines.aerender.bind.filter(({ input }) => input !== 'accent');
  const changed = { ...manifest, engines: { aerender: { ...engines.aerender, bind } } };
  const frame = await frameOf(place, { manifest: changed }, 160);
  assert.ok(near(colorAt(frame, 0.02, 0.5), [255, 0, 0]), String(colorAt(frame, 0.02, 0.5)));
  assert.ok(near(colorAt(frame, 0.5, 0.02), [0, 0, 255]), String(colorAt(frame, 0.5, 0.02)));
});

for (const language of ['de', 'es'] as const) {
  test(`an After Effects that speaks ${language} renders with exact progress`, async (context) => {
    const place = studio(context, { simulator: { language } });
    const { context: told, progress } = recordingContext();
    const result = await aerenderEngine.render(place.request(), told);
    assert.equal(result.frames, GREETING.frames);
    const steps = progress.filter(({ phase }) => phase === 'render').map(({ frame }) => frame);
    assert.deepEqual([steps[0], steps.at(-1)], [0, GREETING.frames]);
    assert.ok(new Set(steps).size > GREETING.frames / 2, 'it moves frame by frame');
  });
}

test('a font of the bundle is there for the task, and gone afterwards', async (context) => {
  const home = temporaryDirectory(context);
  const before = process.env.XDG_DATA_HOME;
  process.env.XDG_DATA_HOME = home;
  context.after(() => {
    if (before === undefined) delete process.env.XDG_DATA_HOME;
    else process.env.XDG_DATA_HOME = before;
  });
  // This After Effects has no font of its own that the project asks for.
  const place = studio(context, { simulator: { fonts: [] } });
  const fails = await failureOf(aerenderEngine.render(place.request(), recordingContext().context));
  assert.equal(fails.code, 'AE_MISSING_FONT');
  assert.match(fails.message, /Inter-Medium/);
  copyFileSync(FONT, join(place.bundleDir, 'Inter.otf'));
  const fonts = [{ file: 'Inter.otf', names: ['Inter-Medium'] }];
  const request = place.request({ manifest: greetingManifest({ engine: { fonts } }) });
  const { context: told, lines } = recordingContext();
  assert.equal((await aerenderEngine.render(request, told)).frames, GREETING.frames);
  assert.match(lines.join('\n'), /font Inter-Medium: /);
  assert.deepEqual(filesIn(home), []);
});

test('a still is the frame at its instant, by the numbers that After Effects shows', async (context) => {
  const place = studio(context, {
    project: (bundleDir) =>
      greetingProject(bundleDir, (build) => {
        for (const item of build.project.items) if (item.type === 'comp') item.displayStartFrame = 100;
      }),
  });
  const outputs = [{ name: 'main', container: 'png', atSeconds: 0.5 }];
  const { context: told, lines } = recordingContext();
  const request = place.request({ manifest: greetingManifest({ outputs }) });
  const result = await aerenderEngine.render(request, told);
  assert.deepEqual([result.frames, result.durationMs, result.width, result.height], [1, 0, 160, 90]);
  assert.match(lines.join('\n'), /-s 112 -e 112 /);
  assert.equal(readFileSync(result.path).toString('latin1', 1, 4), 'PNG');
});

test('the composition lasts as long as the sound that the job brings', async (context) => {
  const place = studio(context, { project: (bundleDir) => withSound(bundleDir) });
  const song = join(place.root, 'song.wav');
  writeFileSync(song, wavOf(1.75));
  const manifest = greetingManifest({
    inputs: { song: { type: 'audio' } },
    bind: [{ to: 'footage', input: 'song', layer: 'tone', time: 'keep' }],
    composition: { duration: { input: 'song' } },
  });
  const inputs = { song: { type: 'audio', path: song } } as const;
  const result = await aerenderEngine.render(place.request({ manifest, inputs }), recordingContext().context);
  assert.equal(result.frames, 42);
  assert.equal((await probeMedia(result.path, none)).hasAudio, true);
  const error = await failureOf(
    aerenderEngine.render(place.request({ manifest }), recordingContext().context),
  );
  assert.equal(error.code, 'INPUT_INVALID');
  assert.match(error.message, /input "song", which is not given/);
});

test('an output with a length of its own is the beginning of the composition that follows the sound', async (context) => {
  const place = studio(context, { project: (bundleDir) => withSound(bundleDir) });
  const song = join(place.root, 'song.wav');
  writeFileSync(song, wavOf(1.75));
  const manifest = greetingManifest({
    inputs: { song: { type: 'audio' } },
    bind: [{ to: 'footage', input: 'song', layer: 'tone' }],
    composition: { duration: { input: 'song' } },
    // The composition is designed with 1 s.
    outputs: [{ name: 'main', container: 'mp4', durationSeconds: 1.5 }],
  });
  const inputs = { song: { type: 'audio', path: song } } as const;
  const result = await aerenderEngine.render(place.request({ manifest, inputs }), recordingContext().context);
  assert.equal(result.frames, 36);
});

test('an output longer than the composition is refused before anything is rendered', async (context) => {
  const place = studio(context);
  const manifest = greetingManifest({ composition: { duration: 2 } });
  const { context: told, lines } = recordingContext();
  const error = await failureOf(aerenderEngine.render(place.request({ manifest }), told));
  assert.equal(error.code, 'TEMPLATE_INVALID');
  assert.match(error.message, /composition "main" has 24 frames \(1 s\), but output "main" lasts 2 s/);
  assert.doesNotMatch(lines.join('\n'), /-project /);
});

test('an output module that this After Effects lacks is told with those that it has', async (context) => {
  const place = studio(context);
  const manifest = greetingManifest({ engine: { outputModule: 'Losless', mode: 'movie' } });
  const error = await failureOf(
    aerenderEngine.render(place.request({ manifest }), recordingContext().context),
  );
  assert.equal(error.code, 'AE_OUTPUT_MODULE_NOT_FOUND');
  assert.match(error.message, /no output module template "Losless"; there are: .*"TIFF Sequence with Alpha"/);
  assert.match(error.hint ?? '', /did you mean "Lossless"\?/);
  // The node's own wins over the template's.
  const settings = { outputModules: { sequence: null, movie: 'Lossless' } };
  const { context: told, lines } = recordingContext();
  await aerenderEngine.render(place.request({ manifest, settings }), told);
  assert.match(lines.join('\n'), /-OMtemplate Lossless /);
});

test('a movie is shown while it grows, where its format can be read so far', async (context) => {
  const duration = 3;
  const larger = (bundleDir: string) =>
    greetingProject(bundleDir, (build) => {
      for (const item of build.project.items) {
        if (item.type !== 'comp') continue;
        Object.assign(item, { width: 640, height: 360, duration, workArea: { start: 0, duration } });
        for (const layer of item.layers) layer.outPoint = duration;
      }
    });
  const place = studio(context, { project: larger });
  const { context: told, lines, previews } = recordingContext();
  let early = 0;
  const onPreview = (jpeg: Uint8Array): void => {
    told.onPreview(jpeg);
    if (!lines.some((line) => line.includes('Finished composition'))) early += 1;
  };
  const settings = { mode: 'movie' as const, outputModules: { sequence: null, movie: 'Lossless' } };
  const manifest = greetingManifest({ composition: { width: 640, height: 360, duration } });
  await aerenderEngine.render(place.request({ manifest, settings, previewMs: 100 }), { ...told, onPreview });
  assert.ok(early > 1, `${early} of ${previews.length} before the end`);
});

test('PNG is taken where there is a template for it; without one for sound there is no silent video', async (context) => {
  const outputModules = ['Lossless', 'PNG Sequence'];
  const place = studio(context, { simulator: { outputModules }, project: withSound });
  const gif = greetingManifest({ outputs: [{ name: 'main', container: 'gif' }] });
  const { context: told, lines } = recordingContext();
  assert.equal((await aerenderEngine.render(place.request({ manifest: gif }), told)).frames, GREETING.frames);
  assert.match(lines.join('\n'), /-OMtemplate 'PNG Sequence' /);
  const error = await failureOf(aerenderEngine.render(place.request(), recordingContext().context));
  assert.equal(error.code, 'AE_OUTPUT_MODULE_NOT_FOUND');
  assert.match(
    error.message,
    /writes the sound alone \(WAV or AIFF\); there are: "Lossless", "PNG Sequence"/,
  );
});

test('a crash during the sound costs none of the frames', async (context) => {
  const place = studio(context, { project: withSound });
  const { context: told, lines } = recordingContext();
  const onLog = (line: string): void => {
    if (/^rendering the sound/.test(line)) place.setFault('crash-at:50');
    if (/; once more$/.test(line)) place.setFault(null);
    told.onLog(line);
  };
  const result = await aerenderEngine.render(place.request(), { ...told, onLog });
  assert.equal((await probeMedia(result.path, none)).hasAudio, true);
  assert.match(lines.join('\n'), /AE_CRASHED: .*; once more/);
  const launches = lines.flatMap((line) => /-OMtemplate '([^']*)'/.exec(line)?.[1] ?? []);
  assert.deepEqual(launches, ['TIFF Sequence with Alpha', 'AIFF 48kHz', 'AIFF 48kHz']);
});

test('a layer that the project lacks is told with those that it has', async (context) => {
  const place = studio(context);
  const bind = [{ to: 'text', input: 'title', layer: 'titel' }];
  const inputs = { title: { type: 'text', value: 'x' } } as const;
  const error = await failureOf(
    aerenderEngine.render(
      place.request({ manifest: greetingManifest({ bind }), inputs }),
      recordingContext().context,
    ),
  );
  assert.equal(error.code, 'AE_LAYER_NOT_FOUND');
  assert.match(`${error.message} ${error.hint}`, /bind\[3\].*titel.*title/s);
  assert.equal(error.retryable, false);
});

test('what the node sets is what aerender is told', async (context) => {
  const place = studio(context);
  const settings = {
    mfrPercent: 75,
    memoryPercent: { image: 50, max: 90 },
    close: 'DO_NOT_CLOSE' as const,
    mode: 'movie' as const,
  };
  const { context: told, lines } = recordingContext();
  await aerenderEngine.render(place.request({ settings }), told);
  const command = lines.find((line) => line.includes(' -project ')) ?? '';
  assert.match(command, /-mfr ON 75 -mem_usage 50 90 .*-close DO_NOT_CLOSE/);
  assert.match(command, /movie\.(mp4|mov|avi)/);
});

for (const [when, pattern] of [
  ['while After Effects binds', /^AfterFX: .*bind\.jsx/],
  ['while it renders', /\(3\):/],
] as const) {
  test(`an abort ${when} ends everything within 5 s and leaves nothing`, async (context) => {
    const place = studio(context, { simulator: { fault: 'hang-at:50,AfterFX/slow-start:400' } });
    const hosts = createEngineHosts();
    context.after(() => hosts.close());
    const controller = new AbortController();
    const { context: told, logged } = recordingContext(controller.signal);
    const request = place.request();
    const reached = logged(pattern);
    const rendering = failureOf(hosts.render(request, told));
    await reached;
    const reason = new FlatrenderError('JOB_CANCELLED', 'cancelled by its owner');
    const at = performance.now();
    controller.abort(reason);
    assert.equal(await rendering, reason);
    assert.ok(performance.now() - at < 5000);
    assert.deepEqual(place.processes(), []);
    assert.deepEqual(filesIn(request.workspace), [join('logs', 'aerender.log')]);
  });
}

test('nothing of After Effects survives an engine host that is killed', async (context) => {
  const place = studio(context, { simulator: { fault: 'hang-at:50' } });
  const hosts = createEngineHosts();
  const { context: told, logged } = recordingContext();
  const reached = logged(/\(3\):/);
  const rendering = failureOf(hosts.render(place.request(), told));
  await reached;
  await hosts.close();
  await rendering;
  assert.deepEqual(place.processes(), []);
});

test('two tasks of one node render at once and leave each other alone', async (context) => {
  const place = studio(context);
  const hosts = createEngineHosts();
  context.after(() => hosts.close());
  const render = () =>
    hosts.render(place.request({ settings: { slots: 3, killStale: 'all' } }), recordingContext().context);
  const results = await Promise.all([render(), render(), render()]);
  assert.deepEqual(
    results.map(({ frames }) => frames),
    [24, 24, 24],
  );
  assert.deepEqual(place.processes(), []);
});

test('with an empty AE_PATH there are test pictures, and the log says so', async (context) => {
  const place = studio(context);
  const { context: told, lines } = recordingContext();
  const result = await aerenderEngine.render(place.request({ settings: { path: '' } }), told);
  assert.deepEqual([result.frames, result.codec], [GREETING.frames, 'h264']);
  assert.match(lines.join('\n'), /mock mode: AE_PATH is empty/);
});

test('a node without After Effects says what to do', async (context) => {
  const place = studio(context);
  const gone = place.request({ settings: { path: join(place.root, 'nowhere') } });
  const error = await failureOf(aerenderEngine.render(gone, recordingContext().context));
  assert.equal(error.code, 'AE_NOT_FOUND');
  assert.match(error.hint ?? '', /AE_PATH/);
  const request = place.request();
  const { aerender: _, ...others } = request.settings;
  const unset = await failureOf(
    aerenderEngine.render({ ...request, settings: others }, recordingContext().context),
  );
  assert.equal(unset.code, 'ENGINE_UNAVAILABLE');
});

async function frameOf(place: Studio, parts: Parameters<Studio['request']>[0], height = 90): Promise<Pixels> {
  const { context, lines } = recordingContext();
  const result = await aerenderEngine.render(place.request(parts), context).catch((error: unknown) => {
    throw new Error(lines.join('\n'), { cause: error });
  });
  assert.deepEqual([result.frames, result.width, result.height], [24, 160, height]);
  const [frame] = await decodeFrames(result.path, [10]);
  if (!frame) throw new Error('the output has no frame 10');
  return frame;
}

function withSound(bundleDir: string) {
  writeFileSync(join(bundleDir, 'tone.wav'), wavOf(1));
  return greetingProject(bundleDir, (build) => {
    const tone = build.audio('tone', join(bundleDir, 'tone.wav'), 1);
    const main = build.project.items.find((item) => item.type === 'comp');
    const layer = footageLayer(tone);
    layer.outPoint = 1;
    if (main?.type === 'comp') main.layers.push(layer);
  });
}

function near(found: readonly number[], wanted: readonly number[]): boolean {
  return wanted.every((value, index) => Math.abs(value - (found[index] ?? -1)) < 16);
}
