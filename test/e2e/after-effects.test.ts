/** From `job submit` to an MP4 through a farm of real processes, with the stand-ins for After Effects on its nodes. */
import assert from 'node:assert/strict';
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import type { JobView } from '../../src/protocol/jobs.ts';
import type { SimulatorOptions } from '../after-effects/install-simulator.ts';
import { footageLayer, ProjectBuilder } from '../after-effects/project-builder.ts';
import { writeProject } from '../after-effects/project-file.ts';
import {
  GREETING,
  greetingManifest,
  greetingProject,
  type Studio,
  studio,
} from '../helpers/after-effects.ts';
import { runCliJson } from '../helpers/cli.ts';
import { colorAt, decodeFrames, difference, type Pixels } from '../helpers/decode-frames.ts';
import { type AgentProcess, type Farm, startFarm } from '../helpers/farm.ts';
import { untilJob } from '../helpers/farm-jobs.ts';
import { pngOf } from '../helpers/picture-files.ts';

const TITLE = { left: 0, top: 0, right: 1, bottom: 0.5 };

interface Submitted {
  readonly jobs: readonly JobView[];
  readonly files: readonly { readonly path: string }[];
}

/** Limits short enough for a test, long enough for two busy cores. */
const LIMITS = {
  AE_LAUNCH_SECONDS: '20',
  AE_BIND_SECONDS: '20',
  AE_FIRST_FRAME_SECONDS: '20',
  AE_FRAME_SECONDS: '5',
  AE_ENCODE_SECONDS: '10',
};

for (const mode of ['sequence', 'movie'] as const) {
  test(`a job becomes an MP4 with its text, picture and colour, in ${mode} mode`, {
    timeout: 180_000,
  }, async (context) => {
    const { farm, place } = await farmWith(context, { slots: 1, mode });
    const green = join(place.root, 'green.png');
    writeFileSync(green, pngOf(30, 30, [0, 220, 0]));
    const set = ['title=Grüße “✓”', `photo=@${green}`, 'accent=#cc2200'];
    const plain = await submit(farm, 'plain.mp4', []);
    const bound = await submit(farm, 'bound.mp4', set);
    assert.ok(difference(plain.frame, bound.frame, TITLE) > 0.02);
    assert.ok(near(colorAt(bound.frame, 0.02, 0.95), [204, 34, 0]), 'the colour');
    assert.ok(near(colorAt(bound.frame, 0.75, 0.755), [0, 220, 0]), 'the picture');
    assert.ok(near(colorAt(plain.frame, 0.02, 0.95), [26, 51, 102]), 'the project’s own colour');
    const { logs } = await farm.run<{ logs: { name: string; lines: string[] }[] }>([
      ...['job', 'logs', bound.job.id, '--full'],
    ]);
    assert.equal(logs[0]?.name, 'aerender.log');
    assert.match(logs[0]?.lines.join('\n') ?? '', /Finished composition "main"/);
    assert.deepEqual(place.processes(), []);
  });
}

for (const [slots, jobs] of [
  [1, 3],
  [3, 6],
] as const) {
  test(`${jobs} jobs on a node with ${slots} slots: all succeed, none ends another’s After Effects`, {
    timeout: 180_000,
  }, async (context) => {
    // As a node is set up by default, every other After Effects of the user is ended before a launch.
    const { farm, place } = await farmWith(context, {
      slots,
      mode: 'sequence',
      env: { AE_KILL_STALE: 'all' },
    });
    const submitted = await Promise.all(
      Array.from({ length: jobs }, () =>
        farm.run<Submitted>(['job', 'submit', '-t', 'greeting', '--set', 'title=Hello']),
      ),
    );
    const spans: { from: number; to: number }[] = [];
    for (const { jobs: created } of submitted) {
      const isOver = ({ state }: JobView) => state === 'succeeded' || state === 'failed';
      const { state, error, tasks } = await untilJob(farm, created[0]?.id ?? '', isOver);
      const [task] = tasks ?? [];
      const isGood = state === 'succeeded' && task?.failures === 0;
      assert.ok(isGood, isGood ? '' : await whatFailed(farm, created[0]?.id ?? '', error));
      assert.equal(task?.result?.frames, GREETING.frames);
      spans.push({ from: Date.parse(task?.startedAt ?? ''), to: Date.parse(task?.endedAt ?? '') });
    }
    const most = Math.max(
      ...spans.map(({ from }) => spans.filter((other) => other.from <= from && from < other.to).length),
    );
    assert.ok(slots === 1 ? most === 1 : most > 1, `${most} at once on ${slots} slots`);
    assert.deepEqual(place.processes(), []);
  });
}

test('a hang in movie mode is made good by the next attempt', {
  timeout: 180_000,
}, async (context) => {
  const { farm, place } = await farmWith(context, {
    slots: 1,
    mode: 'movie',
    simulator: { fault: 'hang-at:50@1' },
  });
  const { job } = await submit(farm, 'again.mp4', []);
  const outcomes = job.tasks?.[0]?.attempts?.map(({ outcome, error }) => [outcome, error?.code ?? null]);
  assert.deepEqual(outcomes, [
    ['failed', 'AE_HUNG'],
    ['succeeded', null],
  ]);
  assert.deepEqual(place.processes(), []);
});

test('an agent that is killed leaves no After Effects behind', { timeout: 120_000 }, async (context) => {
  const { farm, place, agent } = await farmWith(context, {
    slots: 1,
    mode: 'sequence',
    simulator: { fault: 'hang-at:50' },
    env: { AE_FRAME_SECONDS: '60' },
  });
  const { jobs } = await farm.run<Submitted>(['job', 'submit', '-t', 'greeting']);
  await untilJob(farm, jobs[0]?.id ?? '', (job) => job.tasks?.[0]?.phase === 'render');
  await untilProcesses(place, (running) => running.length > 0);
  agent.child.kill('SIGKILL');
  await untilProcesses(place, (running) => running.length === 0);
});

test('with an empty AE_PATH a node takes After Effects jobs and says that its pictures are none', {
  timeout: 120_000,
}, async (context) => {
  const { farm } = await farmWith(context, { slots: 1, mode: 'sequence', env: { AE_PATH: '' } });
  const path = join(farm.home, 'mock.mp4');
  const args = ['job', 'submit', '-t', 'greeting', '--wait', '--output', path];
  const { jobs, files, warnings } = await farm.run<
    Submitted & { files: { mock?: true }[]; warnings: string[] }
  >(args);
  assert.equal(jobs[0]?.state, 'succeeded');
  assert.match(warnings.join('\n'), /^greeting gets test pictures, no render: .*\(ae\)$/);
  assert.deepEqual([jobs[0]?.tasks?.[0]?.result?.mock, files[0]?.mock], [true, true]);
  const { lines } = await farm.run<{ lines: { line: string }[] }>(['job', 'logs', jobs[0]?.id ?? '']);
  assert.match(lines.map(({ line }) => line).join('\n'), /mock mode: AE_PATH is empty/);
});

test('a project of a designer’s Windows machine renders with the footage of its bundle', {
  timeout: 180_000,
}, async (context) => {
  const { farm, place } = await farmWith(context, { slots: 1, mode: 'sequence' });
  const folder = join(place.root, 'Übergabe');
  mkdirSync(join(folder, 'media'), { recursive: true });
  writeFileSync(join(folder, 'media', 'logo.png'), pngOf(40, 30, [0, 220, 0]));
  const build = new ProjectBuilder({ savedAs: 'C:\\Users\\designer\\Desktop\\Spot.aep' });
  // On another drive: what leads from the project to it is no path in the bundle, so that After Effects does not find it.
  const logo = build.file('logo.png', 'D:\\Assets\\Müller\\media\\logo.png', { width: 40, height: 30 });
  const { width, height, fps } = GREETING;
  build.comp('Main', {
    ...{ width, height, fps, duration: 0.5 },
    layers: [footageLayer(logo, { position: [120, 68, 0] })],
  });
  writeProject(join(folder, 'Spot.aep'), build.project);
  const made = join(place.root, 'spot');
  const init = await runCliJson<{ missing: { footage: string[] } }>([
    ...['template', 'init', join(folder, 'Spot.aep'), made],
  ]);
  assert.deepEqual(init.json.missing.footage, []);
  rmSync(folder, { recursive: true });
  const { json } = await runCliJson<{ findings: { code: string }[] }>(['template', 'validate', made]);
  assert.ok(!json.findings.some(({ code }) => code === 'AE_MISSING_FOOTAGE'));
  await farm.run(['template', 'push', made]);
  const path = join(farm.home, 'spot.mp4');
  const { jobs } = await farm.run<Submitted>(['job', 'submit', '-t', 'spot', '--wait', '--output', path]);
  assert.equal(jobs[0]?.state, 'succeeded');
  const [frame] = await decodeFrames(path, [5]);
  assert.ok(frame && near(colorAt(frame, 0.75, 0.755), [0, 220, 0]), 'the picture of the bundle');
  const { lines } = await farm.run<{ lines: { line: string }[] }>(['job', 'logs', jobs[0]?.id ?? '']);
  assert.match(
    lines.map(({ line }) => line).join('\n'),
    /footage "logo\.png" is not at D:\\Assets.*taken from/,
  );
});

interface FarmOfStudio {
  readonly farm: Farm;
  readonly place: Studio;
  readonly agent: AgentProcess;
}

/** A farm with the greeting template and one node that has the stand-ins. */
async function farmWith(
  context: TestContext,
  options: {
    readonly slots: number;
    readonly mode: 'sequence' | 'movie';
    readonly simulator?: SimulatorOptions;
    readonly env?: Record<string, string>;
  },
): Promise<FarmOfStudio> {
  const place = studio(context, options.simulator ? { simulator: options.simulator } : {});
  const farm = await startFarm();
  context.after(() => farm[Symbol.asyncDispose]());
  const agent = await farm.startAgent('ae', {
    AE_PATH: place.install,
    MAX_CONCURRENT_JOBS: String(options.slots),
    ...LIMITS,
    ...options.env,
  });
  await farm.pushTemplate(greetingTemplate(place, options.mode));
  await untilReady(farm);
  return { farm, place, agent };
}

/** For a message: the attempts of a job with their errors, and all they logged. */
async function whatFailed(farm: Farm, id: string, error: unknown): Promise<string> {
  const { job } = await farm.run<{ job: JobView }>(['job', 'show', id]);
  const { lines } = await farm.run<{ lines: { line: string }[] }>(['job', 'logs', id]);
  const attempts = job.tasks?.flatMap((task) => task.attempts ?? []);
  const log = lines.map(({ line }) => line).join('\n');
  return `${job.state}: ${JSON.stringify(error)}\n${JSON.stringify(attempts, null, 1)}\n${log}`;
}

/** Waits until the processes of the stand-ins are as wanted. */
async function untilProcesses(
  place: Studio,
  isWanted: (running: readonly string[]) => boolean,
): Promise<void> {
  for (const giveUpAt = Date.now() + 15_000; Date.now() < giveUpAt; ) {
    if (isWanted(place.processes())) return;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  assert.fail(`the processes are not as wanted: ${place.processes().join('\n')}`);
}

/** Its health answers before it has told what it can do. */
async function untilReady(farm: Farm): Promise<void> {
  let nodes: readonly { readonly status: string }[] = [];
  for (const giveUpAt = Date.now() + 30_000; Date.now() < giveUpAt; ) {
    ({ nodes } = await farm.run<{ nodes: { status: string }[] }>(['node', 'list']));
    if (nodes.every(({ status }) => status === 'ready')) return;
  }
  throw new Error(`the node does not join: ${JSON.stringify(nodes)}`);
}

/** Made and saved where it is no more: the node has the bundle alone. */
function greetingTemplate(place: Studio, mode: 'sequence' | 'movie'): Record<string, Buffer | string> {
  const author = join(place.root, 'author');
  mkdirSync(author, { recursive: true });
  writeProject(join(author, 'project.aep'), greetingProject(author));
  const manifest = {
    schema: 1,
    name: 'greeting',
    version: '1.0.0',
    ...greetingManifest({ engine: { mode } }),
  };
  const files = {
    'template.yaml': JSON.stringify(manifest),
    'project.aep': readFileSync(join(author, 'project.aep')),
    'photo.png': readFileSync(join(author, 'photo.png')),
  };
  rmSync(author, { recursive: true });
  return files;
}

/** Submits, waits, downloads; the job with its attempts, and a frame from the middle. */
async function submit(
  farm: Farm,
  file: string,
  set: readonly string[],
): Promise<{ job: JobView; frame: Pixels }> {
  const path = join(farm.home, file);
  const args = ['job', 'submit', '-t', 'greeting', ...set.flatMap((value) => ['--set', value])];
  const { jobs } = await farm.run<Submitted>([...args, '--wait', '--output', path]);
  const [job] = jobs;
  assert.ok(job);
  assert.equal(job.state, 'succeeded');
  const [frame] = await decodeFrames(path, [10]);
  assert.ok(frame);
  assert.deepEqual([frame.width, frame.height], [GREETING.width, GREETING.height]);
  return { job: (await farm.run<{ job: JobView }>(['job', 'show', job.id])).job ?? job, frame };
}

function near(found: readonly number[], wanted: readonly number[]): boolean {
  return wanted.every((value, index) => Math.abs(value - (found[index] ?? -1)) < 16);
}
