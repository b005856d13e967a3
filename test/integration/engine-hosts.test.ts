import assert from 'node:assert/strict';
import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import type { Progress } from '../../src/engines/engine.ts';
import { createEngineHosts, type EngineHostsOptions } from '../../src/engines/host-pool.ts';
import { FlatrenderError } from '../../src/lib/errors.ts';
import { isRunning, start } from '../../src/lib/exec.ts';
import { membersOfTree, readProc } from '../../src/lib/process-list.ts';
import { GREETING, studio } from '../helpers/after-effects.ts';
import { failureOf } from '../helpers/failure-of.ts';
import { recordingContext, renderRequest, temporaryDirectory } from '../helpers/render-request.ts';

const settings = { ffmpegPath: '', previewMs: 500, threads: 0 };
const withoutAny = 'needs an encoder: apt-get install ffmpeg, or the package node-av';

test('every engine is probed, in a process of its own', async (context) => {
  const hosts = hostsFor(context);
  const found = await hosts.probe(settings);
  assert.deepEqual(
    found.map(({ name }) => name),
    ['lottie', 'ffmpeg', 'aerender', 'mock'],
  );
  assert.equal(found[3]?.available, true);
  const missing = await hosts.probe({ ...settings, ffmpegPath: '/nowhere/ffmpeg' });
  assert.equal(missing[1]?.available, false);
  assert.match(missing[1]?.reason ?? '', /\/nowhere\/ffmpeg/);
  assert.ok(missing[1]?.hint);
});

test('a render gives a verified file, progress by frame and previews', async (context) => {
  const hosts = hostsFor(context);
  if (!(await canEncode())) return context.skip(withoutAny);
  const { context: told, progress, previews, lines } = recordingContext();
  const result = await hosts.render(mock(context, {}), told);
  assert.deepEqual(
    { frames: result.frames, codec: result.codec, durationMs: result.durationMs },
    { frames: 25, codec: 'h264', durationMs: 1000 },
  );
  assert.ok(existsSync(result.path));
  assert.deepEqual(progress.at(-1), { phase: 'verify', frame: 25, frames: 25, fps: null });
  assert.ok(previews.length > 0);
  assert.deepEqual([...(previews[0] ?? []).slice(0, 2)], [0xff, 0xd8], 'a JPEG');
  assert.match(lines.join('\n'), /25 frames/);
});

test('a warm host adds little to a render', async (context) => {
  const hosts = hostsFor(context);
  if (!(await canEncode())) return context.skip(withoutAny);
  const times: number[] = [];
  for (let i = 0; i < 6; i += 1) {
    const started = performance.now();
    // Fails before the first frame: what is measured is the way there and back.
    await hosts.probe(settings);
    times.push((performance.now() - started) / 4);
  }
  assert.ok(Math.min(...times) < 20, `per piece of work: ${times.map(Math.round).join(', ')} ms`);
});

for (const [fail, code, message] of [
  ['before', 'ENGINE_FAILED', /before the first frame/],
  ['middle', 'ENGINE_FAILED', /in the middle/],
  ['short', 'OUTPUT_INVALID', /frames: expected 25, found 12/],
  ['crash', 'ENGINE_CRASHED', /rendering j1\.0 with mock: the engine's process was ended by SIG(SEGV|KILL)/],
] as const) {
  test(`mock "${fail}" is ${code}, leaves no file, and the next render works`, async (context) => {
    const hosts = hostsFor(context);
    if (!(await canEncode())) return context.skip(withoutAny);
    const request = mock(context, { fail });
    const error = await failureOf(hosts.render(request, recordingContext().context));
    assert.equal(error.code, code);
    assert.match(error.message, message);
    // A crash leaves what the agent removes with the workspace.
    if (fail !== 'crash') assert.deepEqual(readdirSync(request.workspace), []);
    assert.equal((await hosts.render(mock(context, {}), recordingContext().context)).frames, 25);
  });
}

test('mock "once" fails the first claim of a task and renders the second', async (context) => {
  const hosts = hostsFor(context);
  if (!(await canEncode())) return context.skip(withoutAny);
  const request = mock(context, { fail: 'once' });
  const error = await failureOf(hosts.render({ ...request, epoch: 1 }, recordingContext().context));
  assert.match(error.message, /the first time/);
  assert.equal((await hosts.render({ ...request, epoch: 2 }, recordingContext().context)).frames, 25);
});

test('an abort stops the engine at once, with the reason given, and leaves neither process nor file', async (context) => {
  const hosts = hostsFor(context);
  if (!(await canEncode())) return context.skip(withoutAny);
  const controller = new AbortController();
  const request = mock(context, { frameMs: 200 });
  const { context: told, started } = recordingContext(controller.signal);
  const rendering = failureOf(hosts.render(request, told));
  await started;
  const family = descendants(process.pid);
  const reason = new FlatrenderError('LEASE_LOST', 'taken by another node');
  const at = performance.now();
  controller.abort(reason);
  assert.equal(await rendering, reason);
  assert.ok(performance.now() - at < 2000);
  assert.deepEqual(readdirSync(request.workspace), []);
  await hosts.close();
  assert.deepEqual(family.filter(isRunning), []);
});

test('a hung engine is ended within 5 s of an abort', async (context) => {
  const hosts = hostsFor(context);
  if (!(await canEncode())) return context.skip(withoutAny);
  const controller = new AbortController();
  const { context: told, logged } = recordingContext(controller.signal);
  const hanging = logged(/hang now/);
  const rendering = failureOf(hosts.render(mock(context, { fail: 'hang' }), told));
  await hanging;
  const at = performance.now();
  controller.abort();
  assert.equal((await rendering).code, 'ABORTED');
  const took = performance.now() - at;
  assert.ok(took > 3000 && took < 5000, `${took} ms`);
});

test('an engine that hangs without anybody asking is ended as well', async (context) => {
  const hosts = hostsFor(context, { stallMs: 1500 });
  if (!(await canEncode())) return context.skip(withoutAny);
  const error = await failureOf(hosts.render(mock(context, { fail: 'hang' }), recordingContext().context));
  assert.equal(error.code, 'ENGINE_TIMEOUT');
  assert.match(error.message, /no new frame for 1\.5 s/);
});

test('renders run at the same time, each in its own host', async (context) => {
  const hosts = hostsFor(context);
  if (!(await canEncode())) return context.skip(withoutAny);
  const [good, bad] = await Promise.allSettled([
    hosts.render(mock(context, { frameMs: 20 }), recordingContext().context),
    hosts.render(mock(context, { fail: 'crash' }), recordingContext().context),
  ]);
  assert.equal(good.status, 'fulfilled');
  assert.equal(bad.status, 'rejected');
});

for (const [fail, frameMs] of [
  ['hang', 0],
  ['never', 500],
] as const) {
  test(`when the agent is killed, its host and the encoder end too (mock: ${fail})`, async (context) => {
    if (process.platform !== 'linux') return context.skip('looks into /proc');
    if (!(await canEncode())) return context.skip(withoutAny);
    const request = mock(context, { fail, frameMs });
    const agent = `
      import { createEngineHosts } from ${JSON.stringify(join(import.meta.dirname, '../../src/engines/host-pool.ts'))};
      const nothing = () => {};
      await createEngineHosts({}).render(${JSON.stringify(request)}, { signal: new AbortController().signal,
        onPreview: nothing, onProgress: nothing, onLog: console.log });`;
    const { promise: up, resolve } = Promise.withResolvers<void>();
    const program = await start(process.execPath, ['--input-type=module', '-e', agent], {
      onLine: (line) => (fail === 'hang' ? /hang now/ : /encoding/).test(line) && resolve(),
    });
    await up;
    const family = membersOfTree(program.pid, readProc(), 0).filter((pid) => pid !== program.pid);
    assert.ok(family.length >= 1, 'a host');
    process.kill(program.pid, 'SIGKILL');
    const deadline = Date.now() + 8000;
    while (family.some(isRunning) && Date.now() < deadline) await new Promise((r) => setTimeout(r, 50));
    assert.deepEqual(family.filter(isRunning), []);
    await program.done;
  });
}

function hostsFor(context: TestContext, options: EngineHostsOptions = {}) {
  const hosts = createEngineHosts(options);
  context.after(() => hosts.close());
  return hosts;
}

async function canEncode(): Promise<boolean> {
  const { chooseEncoder } = await import('../../src/media/encoder.ts');
  return chooseEncoder(settings).then(
    () => true,
    () => false,
  );
}

function mock(context: TestContext, section: Record<string, unknown>) {
  return renderRequest({
    engine: 'mock',
    bundleDir: temporaryDirectory(context),
    manifest: { engines: { mock: section } },
  });
}

function descendants(pid: number): number[] {
  return process.platform === 'linux' ? membersOfTree(pid, readProc(), pid) : [];
}

test('the newest frame is told also when nothing follows it', { timeout: 60_000 }, async (context) => {
  const place = studio(context, { simulator: { fault: 'hang-at:50' } });
  const hosts = hostsFor(context);
  const stop = new AbortController();
  const reached = Promise.withResolvers<void>();
  const { context: told } = recordingContext(stop.signal);
  const watching = {
    ...told,
    onProgress: ({ phase, frame }: Progress) => {
      if (phase === 'render' && frame === GREETING.frames / 2) reached.resolve();
    },
  };
  const settings = { limits: { launch: 60, bind: 60, firstFrame: 60, frame: 60, encode: 60 } };
  const rendering = failureOf(hosts.render(place.request({ settings }), watching));
  await Promise.race([reached.promise, rendering]);
  stop.abort(new FlatrenderError('ABORTED', 'seen'));
  assert.equal((await rendering).message, 'seen');
});
