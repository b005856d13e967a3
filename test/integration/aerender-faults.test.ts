/** What users of After Effects suffer from, played by the stand-ins: the right error, nothing left, and the next job works. */
import assert from 'node:assert/strict';
import { mkdirSync, readdirSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { aerenderEngine } from '../../src/engines/aerender/aerender-engine.ts';
import { createEngineHosts, type EngineHosts } from '../../src/engines/host-pool.ts';
import type { ErrorCode } from '../../src/lib/errors.ts';
import { selfCommand } from '../../src/lib/exec.ts';
import { FAULT_MODES, type FaultMode } from '../after-effects/faults.ts';
import {
  filesIn,
  GREETING,
  greetingManifest,
  greetingProject,
  type Studio,
  studio,
} from '../helpers/after-effects.ts';
import { failureOf } from '../helpers/failure-of.ts';
import { recordingContext } from '../helpers/render-request.ts';

/** A failure with whether another try may help; or a success, with the frames that each launch of aerender rendered. */
type Expected =
  | { readonly code: ErrorCode; readonly retryable: boolean }
  | { readonly frames: readonly number[] };

interface Case {
  readonly fault: string;
  readonly sequence: Expected;
  /** Absent: the fault comes before the mode matters. */
  readonly movie?: Expected;
  /** A file of the project is not there. */
  readonly isMissingFootage?: boolean;
}

const { frames: ALL } = GREETING;
const once: Expected = { frames: [ALL] };
const both = (expected: Expected) => ({ sequence: expected, movie: expected });
const fails = (code: ErrorCode, retryable: boolean): Expected => ({ code, retryable });

const CASES: readonly Case[] = [
  { fault: 'hang-launch', ...both(fails('AE_LAUNCH_TIMEOUT', true)) },
  { fault: 'hang-before-start', ...both(fails('AE_HUNG', true)) },
  { fault: 'hang-at:50@1', sequence: { frames: [12, 12] }, movie: fails('AE_HUNG', true) },
  { fault: 'hang-at:95@1', sequence: { frames: [22, 2] }, movie: fails('AE_HUNG', true) },
  { fault: 'spin-at:50@1', sequence: { frames: [12, 12] }, movie: fails('AE_HUNG', true) },
  { fault: 'spin-at:50@1', sequence: { frames: [12, 12] }, movie: fails('AE_HUNG', true) },
  { fault: 'crash-at:50@1', sequence: { frames: [12, 12] }, movie: fails('AE_CRASHED', true) },
  { fault: 'crash-at:50@2', sequence: { frames: [12, 6, 6] }, movie: fails('AE_CRASHED', true) },
  { fault: 'crash-at:0', ...both(fails('AE_CRASHED', true)) },
  { fault: 'exit1-partial@1', sequence: { frames: [12, 12] }, movie: fails('AE_RENDER_FAILED', true) },
  { fault: 'short-output@1', sequence: { frames: [19, 5] }, movie: fails('AE_SHORT_OUTPUT', true) },
  { fault: 'damaged-frame:7@1', sequence: { frames: [24, 1] }, movie: once },
  { fault: 'damaged-frame:7', sequence: fails('AE_SHORT_OUTPUT', true), movie: once },
  { fault: 'black-missing', ...both(fails('AE_MISSING_FOOTAGE', false)), isMissingFootage: true },
  { fault: 'missing-font', ...both(fails('AE_MISSING_FONT', true)) },
  { fault: 'other-instance', ...both(fails('AE_OTHER_INSTANCE', true)) },
  { fault: 'licence', ...both(fails('AE_LICENSE', true)) },
  { fault: 'aerender/licence', ...both(fails('AE_LICENSE', true)) },
  { fault: 'dialog:crash-repair', ...both(fails('AE_CRASHED', true)) },
  { fault: 'dialog:missing-font', sequence: fails('AE_MISSING_FONT', true) },
  { fault: 'dialog:conversion', sequence: fails('AE_DIALOG', true) },
  { fault: 'dialog:licence', sequence: fails('AE_LICENSE', true) },
  { fault: 'AfterFX/hang-launch', sequence: fails('AE_LAUNCH_TIMEOUT', true) },
  { fault: 'AfterFX/hang-at', sequence: fails('AE_HUNG', true) },
  { fault: 'AfterFX/crash-at', sequence: fails('AE_CRASHED', true) },
  { fault: 'script-error', ...both(fails('AE_SCRIPT_ERROR', false)) },
  { fault: 'slow-start:1500', ...both(once) },
  { fault: 'naming:ext', ...both(once) },
  { fault: 'naming:none', ...both(once) },
  { fault: 'naming:underscore', ...both(once) },
  { fault: 'naming:brackets', ...both(once) },
  { fault: 'aerender/no-exit', ...both(once) },
  { fault: 'AfterFX/no-exit', ...both(once) },
  { fault: 'stderr-noise', ...both(once) },
  { fault: 'version-late', ...both(once) },
];

test('every fault that the stand-ins can play is in the table', () => {
  const played = new Set(CASES.map(({ fault }) => fault.replace(/^.*\//, '').replace(/[:@].*$/, '')));
  assert.deepEqual(
    [...FAULT_MODES].filter((mode: FaultMode) => !played.has(mode)),
    [],
  );
});

test('a fault gives its error or is overcome, leaves nothing, and the next job works', {
  concurrency: 3,
}, async (context) => {
  const plays = CASES.flatMap((one) =>
    (['sequence', 'movie'] as const).flatMap((mode) => {
      const expected = one[mode];
      return expected ? [{ one, mode, expected }] : [];
    }),
  );
  await Promise.all(
    plays.map((one) =>
      context.test(`${one.one.fault}, ${one.mode}`, async (subtest) => await play(subtest, one)),
    ),
  );
});

interface Play {
  readonly one: Case;
  readonly mode: 'sequence' | 'movie';
  readonly expected: Expected;
}

async function play(context: TestContext, { one, mode, expected }: Play): Promise<void> {
  const place = studio(context, {
    simulator: { fault: one.fault },
    ...(one.isMissingFootage === true ? { project: withoutItsPicture } : {}),
  });
  const manifest = greetingManifest({ engine: { mode } });
  const engine = one.fault.startsWith('dialog:') ? hostsWithWindows(context, place) : aerenderEngine;
  const { context: told, lines, progress } = recordingContext();
  const request = place.request({ manifest, previewMs: 60_000 });
  if ('code' in expected) {
    const error = await failureOf(engine.render(request, told));
    assert.deepEqual([error.code, error.retryable], [expected.code, expected.retryable], error.message);
    assert.ok(error.message.length > 20, error.message);
    assert.deepEqual(filesIn(request.workspace), [join('logs', 'aerender.log')]);
  } else {
    const result = await engine.render(request, told).catch((error: unknown) => {
      throw new Error(lines.join('\n'), { cause: error });
    });
    assert.equal(result.frames, ALL);
    assert.deepEqual(framesByLaunch(lines), expected.frames);
    assert.deepEqual(filesIn(request.workspace), [join('logs', 'aerender.log'), 'output.mp4']);
    assert.equal(progress.at(-1)?.frame, ALL);
  }
  assert.deepEqual(leftBehind(place), []);
  if (one.isMissingFootage === true) return;
  place.setFault(null);
  const next = recordingContext();
  const result = await engine.render(place.request({ manifest, previewMs: 60_000 }), next.context);
  assert.equal(result.frames, ALL);
  assert.deepEqual(framesByLaunch(next.lines), [ALL]);
}

/** The engine in a process of its own, which sees the dialogs of the stand-ins: Linux has no titles of windows. */
function hostsWithWindows(context: TestContext, { install }: Studio): EngineHosts {
  const { file, args } = selfCommand(['__engine-host']);
  const titles = `FLATRENDER_WINDOW_TITLES=${join(install, 'dialog')}`;
  const hosts = createEngineHosts({ entry: { file: '/usr/bin/env', args: [titles, file, ...args] } });
  context.after(() => hosts.close());
  return hosts;
}

/** The project, and then its picture is gone. */
function withoutItsPicture(bundleDir: string) {
  return greetingProject(bundleDir, (build) => {
    for (const item of build.project.items)
      if (item.type === 'footage' && item.source.kind === 'file')
        item.source.path = join(bundleDir, 'gone.png');
  });
}

/** Frames that each launch of aerender said it rendered. */
function framesByLaunch(lines: readonly string[]): number[] {
  const launches: Set<string>[] = [];
  for (const line of lines) {
    if (/^aerender: \S*aerender.* -project /.test(line) || /^aerender: '.*aerender' -project /.test(line))
      launches.push(new Set());
    const frame = /^aerender: PROGRESS:\s+\S+ \((\d+)\)/.exec(line)?.[1];
    if (frame !== undefined) launches.at(-1)?.add(frame);
  }
  return launches.map(({ size }) => size);
}

/** Processes of the stand-ins, and what the engine keeps beside the tasks while they run. */
function leftBehind(place: Studio): string[] {
  const queues = ['sessions', 'bind-queue', 'font-queue'].flatMap((name) => {
    try {
      return readdirSync(join(place.stateDir, name));
    } catch {
      return [];
    }
  });
  return [...place.processes(), ...queues];
}

test('a directory of its own that the node cannot write is told as such, and is no bug', {
  skip: process.platform !== 'linux' && 'needs /proc',
}, async (context) => {
  const place = studio(context);
  const hosts = createEngineHosts({ entry: selfCommand(['__engine-host']) });
  context.after(() => hosts.close());
  const request = place.request();
  // No file can be made there, by root neither.
  const settings = place.settings({ stateDir: join(place.root, 'state') });
  mkdirSync(join(place.root, 'state'));
  symlinkSync('/sys/kernel', join(place.root, 'state', 'sessions'));
  const { context: recording } = recordingContext();
  const error = await failureOf(
    hosts.render({ ...request, settings: { ...request.settings, aerender: settings } }, recording),
  );
  assert.deepEqual([error.code, error.retryable], ['UNAVAILABLE', true]);
});
