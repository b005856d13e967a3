import assert from 'node:assert/strict';
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { isRunning } from '../../src/lib/exec.ts';
import { probeMedia } from '../../src/media/probe.ts';
import { runCli, runCliJson, startCli } from '../helpers/cli.ts';

const home = await mkdtemp(join(tmpdir(), 'flatrender-quickstart-'));
const farm = join(home, '.flatrender', 'quickstart');
after(async () => {
  await runCli(['quickstart', '--stop'], { home });
  await rm(home, { recursive: true, force: true, maxRetries: 5 });
});

interface Result {
  url: string;
  job: string;
  kept: boolean;
  file: { path: string; frames: number; sha256: string };
}

/** The processes the farm file names, and none once the farm is over. */
async function farmPids(): Promise<number[]> {
  const text = await readFile(join(farm, 'farm.json'), 'utf8').catch(() => '{}');
  const { controlPid, agentPid } = JSON.parse(text) as { controlPid?: number; agentPid?: number | null };
  return [controlPid, agentPid].filter((pid) => typeof pid === 'number');
}

async function untilGone(pids: number[]): Promise<void> {
  for (let tries = 0; tries < 200 && pids.some((pid) => isRunning(pid)); tries += 1) {
    await new Promise((resolve) => setTimeout(resolve, 25));
  }
  assert.deepEqual(
    pids.filter((pid) => isRunning(pid)),
    [],
    'processes were left behind',
  );
}

test('quickstart renders a video into the current directory and leaves nothing running', {
  timeout: 180_000,
}, async () => {
  const { stdout, stderr, exitCode } = await runCli(['quickstart', '--title', 'A test'], {
    home,
    timeoutMs: 170_000,
  });
  assert.equal(exitCode, 0, stderr);
  const path = join(home, 'title-card.mp4');
  assert.match(stdout, /^\S+title-card\.mp4\n150 frames, 5\.0 s, 1920×1080 h264\n/);
  assert.match(stdout, /\nNext:\n/);
  for (const step of ['Farm', 'Template', 'Render', 'Download'])
    assert.match(stderr, new RegExp(`^ok ${step} `, 'm'));
  const media = await probeMedia(path, { ffmpegPath: '' });
  assert.deepEqual(
    [media.frames, media.width, media.height, media.codec, media.durationMs],
    [150, 1920, 1080, 'h264', 5000],
  );
  assert.deepEqual(await farmPids(), []);
});

test('with --keep the farm stays, is used again, and --stop ends it', { timeout: 180_000 }, async () => {
  const options = { home, timeoutMs: 170_000 };
  const args = ['quickstart', '--keep', '--set', 'title=Kept', '--output', 'kept.mp4'];
  const { json: first, exitCode } = await runCliJson<Result>(args, options);
  assert.deepEqual([exitCode, first.kept, first.file.frames], [0, true, 150]);
  const pids = await farmPids();
  assert.equal(pids.length, 2);
  assert.ok(pids.every((pid) => isRunning(pid)));

  const env = { FLATRENDER_HOME: farm };
  const { json: nodes } = await runCliJson<{ nodes: { status: string }[] }>(['node', 'list'], { home, env });
  assert.deepEqual(
    nodes.nodes.map(({ status }) => status),
    ['ready'],
  );

  const { json: second } = await runCliJson<Result>(['quickstart', '--title', 'Another'], options);
  assert.equal(second.url, first.url);
  assert.deepEqual(await farmPids(), pids, 'the same farm');
  assert.notEqual(second.file.sha256, first.file.sha256, 'the title is in the picture');
  assert.ok((await readdir(home)).includes('title-card-2.mp4'), 'the first video was not overwritten');

  const stop = await runCli(['quickstart', '--stop'], { home });
  assert.equal(stop.stdout, 'the quickstart farm is stopped\n');
  await untilGone(pids);
  assert.equal((await runCli(['quickstart', '--stop'], { home })).stdout, 'no quickstart farm is running\n');
});

test('Ctrl-C while it renders ends everything with 130', {
  timeout: 120_000,
  skip: process.platform === 'win32',
}, async () => {
  await using running = await startCli(['quickstart', '--output', 'never.mp4'], { home });
  await running.waitFor(/ok Template/, 60_000);
  const pids = await farmPids();
  assert.equal(pids.length, 2);
  const { exitCode, stderr } = await running.stop('SIGINT');
  assert.equal(exitCode, 130, stderr);
  await untilGone(pids);
  assert.ok(!(await readdir(home)).includes('never.mp4'));
});

test('a quickstart that was killed is cleaned up by the next', {
  timeout: 180_000,
  skip: process.platform === 'win32',
}, async () => {
  const killed = await startCli(['quickstart'], { home });
  await killed.waitFor(/ok Farm/, 60_000);
  const pids = await farmPids();
  await killed.stop('SIGKILL');
  assert.ok(
    pids.some((pid) => isRunning(pid)),
    'the farm outlived it',
  );
  assert.equal((await runCli(['quickstart', '--stop'], { home })).exitCode, 0);
  await untilGone(pids);
});

test('a failure shows the end of the log and where it is', { timeout: 120_000 }, async () => {
  const { stderr, exitCode, stdout } = await runCli(['quickstart', '--set', 'accent=red'], {
    home,
    timeoutMs: 110_000,
  });
  assert.equal(stdout, '');
  assert.notEqual(exitCode, 0);
  assert.match(stderr, /agent\.log ends with:\n/);
  assert.match(stderr, /\nerror: .*accent/);
  assert.match(stderr, /\nhint: .*control\.log/);
  assert.deepEqual(await farmPids(), []);
});

test('a farm that cannot be set up says why, in the words of what failed', async () => {
  const other = await mkdtemp(join(tmpdir(), 'flatrender-quickstart-broken-'));
  try {
    const state = join(other, 'state');
    await mkdir(join(state, 'quickstart'), { recursive: true });
    const config = join(state, 'quickstart', 'flatrender.yaml');
    await writeFile(config, 'gatway: {}\n');
    const env = { FLATRENDER_HOME: state };
    const { json, exitCode } = await runCliJson<{ error: { code: string; message: string; hint: string } }>(
      ['quickstart'],
      { env },
    );
    assert.equal(json.error.code, 'CONFIG_INVALID');
    assert.equal(json.error.message, `${config}:1: there is no option gatway`);
    assert.equal(exitCode, 2);
  } finally {
    await rm(other, { recursive: true, force: true });
  }
});

test('a state directory that is a file is a wrong setting, not a bug', async () => {
  const file = join(home, 'a-file');
  await writeFile(file, '');
  for (const command of [['quickstart'], ['control', 'init', '--yes'], ['job', 'list']]) {
    const { stderr, exitCode } = await runCli(command, { home, env: { FLATRENDER_HOME: file } });
    assert.match(stderr, /a-file[\s\S]*\nhint: a file is where a directory should be/);
    assert.equal(exitCode, 2, command.join(' '));
  }
});
