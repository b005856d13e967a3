import assert from 'node:assert/strict';
import { mkdir, mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { pushTemplate } from '../../src/cli/template-push.ts';
import { parseInvitation } from '../../src/protocol/enrolment.ts';
import type { JobView } from '../../src/protocol/jobs.ts';
import { type CliOptions, runCli, runCliJson, startCli } from '../helpers/cli.ts';
import { type LiveFarm, startLiveFarm } from '../helpers/live-farm.ts';

let farm: LiveFarm;
let dir: string;

const template = (name: string, mock: string) => `schema: 1
name: ${name}
version: 1.0.0
composition: { width: 64, height: 64, fps: 10, duration: 1 }
inputs:
  title: { type: text, default: hello }
  size: { type: number, min: 1, max: 10, default: 3 }
  logo: { type: image }
engines: { mock: ${mock} }
outputs: [original, png-still]
`;

before(async () => {
  farm = await startLiveFarm();
  dir = await mkdtemp(join(tmpdir(), 'flatrender-commands-'));
  for (const [name, mock] of [
    ['card', '{}'],
    ['slow', '{ frameMs: 1000 }'],
    ['broken', '{ fail: before, retryable: false }'],
  ] as const) {
    await mkdir(join(dir, name));
    await writeFile(join(dir, name, 'template.yaml'), template(name, mock));
    await pushTemplate(farm.api, join(dir, name), { signal: new AbortController().signal });
  }
  await farm.startAgent('node-a');
  await farm.api.createNode({ id: 'nobody' });
});
after(async () => {
  await farm?.[Symbol.asyncDispose]();
  if (dir) await rm(dir, { recursive: true, force: true });
});

const flatrender = (args: string[], options: CliOptions = {}) =>
  runCli(args, { home: farm.home, cwd: dir, ...options });
const json = <T>(args: string[], options: CliOptions = {}) =>
  runCliJson<T>(args, { home: farm.home, cwd: dir, ...options });
interface Failure {
  error: { code: string; message: string; hint?: string };
}

/** A job that nobody takes: the agent of its node never came. */
const submitParked = async (...args: string[]): Promise<string> => {
  const { stdout } = await flatrender([
    'job',
    'submit',
    '-t',
    'card',
    '--node',
    'nobody',
    '--no-fallback',
    '--anyway',
    ...args,
  ]);
  return stdout.trim();
};

test('a job for a node that is not there is refused, with what to do', async () => {
  const args = ['job', 'submit', '-t', 'card', '--node', 'nobody', '--no-fallback'];
  const { stderr, exitCode } = await flatrender(args);
  assert.equal(exitCode, 1);
  assert.match(stderr, /no online node can render card@1\.0\.0: it needs mock; nobody is not joined yet\n/);
  assert.match(stderr, /\nhint: .*--anyway/);
});

test('submit prints the job on stdout and what comes next on stderr', async () => {
  const { stdout, stderr, exitCode } = await flatrender([
    'job',
    'submit',
    '-t',
    'card',
    '--set',
    'title=Hi',
    '--name',
    'first',
  ]);
  assert.match(stdout, /^j[0-9a-z]{16}\n$/);
  assert.match(stderr, /flatrender job watch j/);
  assert.equal(exitCode, 0);
});

test('submit --output waits, downloads and never overwrites', async () => {
  const args = ['job', 'submit', '-t', 'card', '--set', 'size=4', '--output', 'out.mp4'];
  const first = await flatrender(args);
  assert.equal(first.exitCode, 0, first.stderr);
  assert.match(first.stdout, /out\.mp4 {2}10 frames, 1\.0 s, 64×64 h264, /);
  assert.match(first.stderr, /succeeded in/);
  const { size } = await stat(join(dir, 'out.mp4'));
  assert.ok(size > 500);

  await writeFile(join(dir, 'out.mp4'), 'mine');
  const second = await flatrender(args);
  assert.equal(second.exitCode, 1);
  assert.equal(second.stdout, '', 'nothing was submitted');
  assert.match(second.stderr, /out\.mp4 exists already\nhint: add --force/);
  assert.equal(await readFile(join(dir, 'out.mp4'), 'utf8'), 'mine');

  assert.equal((await flatrender([...args, '--force'])).exitCode, 0);
  assert.equal((await stat(join(dir, 'out.mp4'))).size, size);
});

test('submit of a CSV makes a batch, with files and common inputs, and downloads all of it', async () => {
  await mkdir(join(dir, 'csv'));
  await writeFile(join(dir, 'csv', 'logo.png'), 'not really a png');
  await writeFile(join(dir, 'csv', 'jobs.csv'), 'title,logo\nOne,@logo.png\nTwo,\n');
  const { json: result, exitCode } = await json<{
    jobs: JobView[];
    batch: string;
    files: { path: string; job: string }[];
  }>([
    ...[
      'job',
      'submit',
      '-t',
      'card',
      '--inputs',
      'csv/jobs.csv',
      '--set',
      'size=9',
      '-f',
      'png-still',
      '-o',
      'stills/',
    ],
  ]);
  assert.equal(exitCode, 0);
  assert.equal(result.jobs.length, 2);
  assert.ok(result.batch);
  assert.deepEqual(
    result.jobs.map((job) => [job.state, job.inputs?.title, job.inputs?.size, typeof job.inputs?.logo]),
    [
      ['succeeded', 'One', 9, 'object'],
      ['succeeded', 'Two', 9, 'undefined'],
    ],
  );
  assert.equal(new Set(result.files.map((file) => file.path)).size, 2);
  for (const { path } of result.files)
    assert.deepEqual((await readFile(path)).subarray(1, 4).toString(), 'PNG');
});

test('mistakes in inputs are refused before anything is submitted', async () => {
  const cases: [string[], number, RegExp][] = [
    [
      ['--set', 'titel=x'],
      1,
      /--set: template card@1\.0\.0 has no input "titel"\nhint: its inputs are: title, size, logo/,
    ],
    [['--set', 'size=big'], 1, /--set: size: "big" is not a number/],
    [['--set', 'size=11'], 1, /"size" is 11/],
    [['--set', 'logo=@gone.png'], 1, /there is no file .*gone\.png/],
    [['--inputs', 'gone.csv'], 2, /there is no file gone\.csv/],
    [['--at', 'whenever'], 2, /--at: "whenever" is not a time/],
    [['--priority', '101'], 2, /--priority: Expected an integer less than or equal to 100/],
    [['--no-fallback'], 2, /--node/],
    [['--bogus'], 2, /Nonexistent flag: --bogus\nhint: run "flatrender job submit --help"/],
  ];
  const before = await farm.api.listJobs({ limit: 1 });
  for (const [args, code, message] of cases) {
    const { stdout, stderr, exitCode } = await flatrender(['job', 'submit', '-t', 'card', ...args]);
    assert.deepEqual({ stdout, exitCode }, { stdout: '', exitCode: code }, `${args}: ${stderr}`);
    assert.match(stderr, message);
    assert.doesNotMatch(stderr, /\n {4}at /, 'a stack');
  }
  assert.deepEqual(await farm.api.listJobs({ limit: 1 }), before);
});

test('a failed job fails the command that waited for it, with its reason', async () => {
  const { stdout, stderr, exitCode } = await flatrender(['job', 'submit', '-t', 'broken', '--wait']);
  assert.equal(exitCode, 1);
  assert.match(stdout, /^j/);
  assert.match(
    stderr,
    /error: job j\w+ failed: ENGINE_FAILED: the mock engine failed before the first frame/,
  );
  const asJson = await json<Failure>(['job', 'submit', '-t', 'broken', '--wait']);
  assert.equal(asJson.json.error.code, 'JOB_FAILED');
  assert.equal(asJson.exitCode, 1);
});

test('list filters, limits, pages, and prints stable columns', async () => {
  const ids = [
    await submitParked('--name', 'one'),
    await submitParked('--name', 'two'),
    await submitParked(),
  ];
  const { stdout, exitCode } = await flatrender(['job', 'list', '--state', 'queued', '--limit', '2']);
  assert.equal(exitCode, 0);
  const lines = stdout.trimEnd().split('\n');
  assert.match(lines[0] ?? '', /^ID {17}STATE {3}DONE {2}PRIO {2}TEMPLATE {4}NODE {4}CREATED +NAME$/);
  assert.deepEqual(
    lines.slice(1).map((line) => line.split(/\s+/)[0]),
    [ids[2], ids[1]],
  );
  const all = await json<{ jobs: JobView[] }>(['job', 'list', '--state', 'queued', '--limit', '1000']);
  assert.deepEqual(all.json.jobs.map(({ id }) => id).slice(0, 3), ids.toReversed());
  const older = await json<{ jobs: JobView[] }>(['job', 'list', '--before', ids[1] ?? '', '--limit', '1']);
  assert.deepEqual(
    older.json.jobs.map(({ id }) => id),
    [ids[0]],
  );
  await flatrender(['job', 'cancel', ...ids]);
});

test('show, cancel and retry', async () => {
  const id = await submitParked('--set', 'title=Grüße, 日本', '--priority', '80');
  const shown = await flatrender(['job', 'show', id]);
  assert.match(shown.stdout, new RegExp(`^job +${id}$`, 'm'));
  assert.match(shown.stdout, /^priority +80$/m);
  assert.match(shown.stdout, /^ {2}title +Grüße, 日本$/m);

  const retryTooEarly = await flatrender(['job', 'retry', id]);
  assert.equal(retryTooEarly.exitCode, 1);
  assert.equal((await flatrender(['job', 'cancel', id])).stdout, `cancelled ${id}\n`);
  const again = await json<Failure>(['job', 'cancel', id]);
  assert.equal(again.json.error.code, 'JOB_STATE');
  const watched = await flatrender(['job', 'watch', id]);
  assert.equal(watched.exitCode, 1);
  assert.equal((await flatrender(['job', 'retry', id])).exitCode, 0);
  assert.equal((await farm.api.getJob(id)).state, 'queued');
  await farm.api.cancelJob(id);
});

test('cancel of several ends with an error for those that could not be, and does the others', async () => {
  const id = await submitParked();
  const { stdout, stderr, exitCode } = await flatrender(['job', 'cancel', 'nope', id]);
  assert.deepEqual([stdout, exitCode], [`cancelled ${id}\n`, 1]);
  assert.match(stderr, /there is no job "?nope/);
});

test('a job that does not exist: exit 1, code in --json', async () => {
  for (const command of ['show', 'watch', 'logs', 'cancel', 'retry', 'download']) {
    const { json: answer, exitCode } = await json<Failure>(['job', command, 'nope']);
    assert.deepEqual([answer.error.code, exitCode], ['JOB_NOT_FOUND', 1], command);
  }
});

test('to watch a batch that does not exist is no success', async () => {
  const { json: result, exitCode } = await json<Failure>(['job', 'watch', '--batch', 'b0']);
  assert.deepEqual(
    [result.error.code, result.error.message, exitCode],
    ['JOB_NOT_FOUND', 'there is no batch "b0"', 1],
  );
});

test('a still is said to have a size, not a length', async () => {
  const path = join(dir, 'still.png');
  const { stdout } = await flatrender(['job', 'submit', '-t', 'card', '-f', 'png-still', '-o', path]);
  const [id = '', saved = ''] = stdout.split('\n');
  assert.match(saved, /still\.png {2}64×64 png, \d+ B$/);
  const { stdout: shown } = await flatrender(['job', 'show', id]);
  assert.match(shown, /\n {2}\d+ B, png; rendered in /);
});

test('watch follows several jobs to their end; Ctrl-C stops watching, not the jobs', async () => {
  const submit = async (name: string) =>
    (await json<{ jobs: JobView[] }>(['job', 'submit', '-t', name])).json.jobs[0]?.id ?? '';
  const ids = [await submit('card'), await submit('card')];
  const { json: result, exitCode } = await json<{ jobs: JobView[] }>(['job', 'watch', ...ids]);
  assert.equal(exitCode, 0);
  assert.deepEqual(
    result.jobs.map(({ id, state }) => [id, state]),
    ids.map((id) => [id, 'succeeded']),
  );

  const slow = await submit('slow');
  await using watching = await startCli(['job', 'watch', slow], { home: farm.home });
  await watching.waitFor(/render/);
  const { exitCode: stopped, stderr } = await watching.stop('SIGINT');
  assert.equal(stopped, 130);
  assert.match(
    stderr,
    /\nerror: stopped\nhint: what renders goes on; "flatrender job cancel" stops it, too\n$/,
  );
  assert.equal((await farm.api.getJob(slow)).state, 'running');
  await farm.api.cancelJob(slow);
});

test('Ctrl-C while submit waits says that the job goes on, and how to stop it', async () => {
  await using waiting = await startCli(['job', 'submit', '-t', 'slow', '--wait'], { home: farm.home });
  await waiting.waitFor(/render/);
  const { stdout, stderr, exitCode } = await waiting.stop('SIGINT');
  const id = stdout.trim();
  assert.equal(exitCode, 130);
  assert.ok(
    stderr.endsWith(`\nerror: stopped\nhint: the job goes on; "flatrender job cancel ${id}" stops it, too\n`),
    stderr,
  );
  assert.equal((await farm.api.getJob(id)).state, 'running');
  await farm.api.cancelJob(id);
});

test('logs print what the node wrote; --follow ends with the job', async () => {
  const { json: submitted } = await json<{ jobs: JobView[] }>(['job', 'submit', '-t', 'card']);
  const id = submitted.jobs[0]?.id ?? '';
  const { stdout, exitCode } = await flatrender(['job', 'logs', id, '--follow']);
  assert.equal(exitCode, 0);
  assert.match(stdout, /attempt 1:\n/);
  assert.match(stdout, /agent {2}rendered 10 frames/);
});

test('download takes a directory or a file, and refuses what cannot be', async () => {
  const { json: submitted } = await json<{ jobs: JobView[] }>([
    ...[
      'job',
      'submit',
      '-t',
      'card',
      '-f',
      'original',
      '-f',
      'png-still',
      '--wait',
      '--name',
      'two outputs',
    ],
  ]);
  const id = submitted.jobs[0]?.id ?? '';
  const into = await json<{ files: { path: string }[] }>(['job', 'download', id, '-o', 'both/']);
  assert.deepEqual(into.json.files.map(({ path }) => path).sort(), [
    join(dir, 'both', 'two outputs-original.mp4'),
    join(dir, 'both', 'two outputs-png-still.png'),
  ]);
  const oneFile = await flatrender(['job', 'download', id, '-o', 'one.mp4']);
  assert.deepEqual(
    [oneFile.exitCode, /is one file, but there are 2 outputs/.test(oneFile.stderr)],
    [2, true],
  );
  const wrongEnd = await flatrender(['job', 'download', id, '-f', 'png-still', '-o', 'one.mp4']);
  assert.match(wrongEnd.stderr, /does not end in \.png/);
  const unknown = await flatrender(['job', 'download', id, '-f', 'gif-preview']);
  assert.match(unknown.stderr, /no finished output "gif-preview"\nhint: finished are: original, png-still/);
});

test('node add shows the secret once, or writes an agent.env that only its owner can read', async () => {
  const printed = await flatrender([
    'node',
    'add',
    'studio-1',
    '--manual',
    '--orchestrator-url',
    'http://10.66.0.1:8088',
  ]);
  assert.match(
    printed.stdout,
    /^NODE_ID=studio-1\nNODE_HMAC_SECRET=\S{16,}\nORCHESTRATOR_URL=http:\/\/10\.66\.0\.1:8088\n$/,
  );
  const twice = await json<Failure>(['node', 'add', 'studio-1', '--manual']);
  assert.deepEqual([twice.json.error.code, twice.exitCode], ['NODE_EXISTS', 1]);

  const file = join(dir, 'agent.env');
  const written = await flatrender(['node', 'add', 'studio-1', '--rotate', '--agent-env', file]);
  assert.equal(written.stdout, `${file}\n`, written.stderr);
  assert.doesNotMatch(written.stderr, /NODE_HMAC_SECRET/);
  if (process.platform !== 'win32') assert.equal((await stat(file)).mode & 0o777, 0o600);
  const text = await readFile(file, 'utf8');
  assert.match(text, /^NODE_ID=studio-1$/m);
  assert.match(text, /^# Threads of the encoder/m, 'the explained example');

  await writeFile(file, text.replace('CACHE_MAX_GB=20', 'CACHE_MAX_GB=5'));
  await flatrender(['node', 'add', 'studio-1', '--rotate', '--agent-env', file]);
  const rotated = await readFile(file, 'utf8');
  assert.match(rotated, /^CACHE_MAX_GB=5$/m, 'what the user set stays');
  const secretIn = (env: string) => /^NODE_HMAC_SECRET=(.*)$/m.exec(env)?.[1];
  assert.notEqual(secretIn(rotated), secretIn(text));

  const other = await flatrender(['node', 'add', 'studio-2', '--agent-env', file]);
  assert.match(other.stderr, /is the configuration of node studio-1/);
  assert.deepEqual(
    (await farm.api.listNodes()).filter(({ id }) => id === 'studio-2'),
    [],
    'no secret was issued',
  );
});

test('node add and node invite write an invitation that only its owner can read, or one line', async () => {
  const file = join(dir, 'guest.invitation.json');
  const at = ['--orchestrator-url', 'http://10.66.0.1:8088'];
  const added = await flatrender(['node', 'add', 'guest', '-o', file, ...at]);
  assert.equal(added.stdout, `${file}\n`, added.stderr);
  assert.match(added.stderr, /flatrender node join .*guest\.invitation\.json/);
  if (process.platform !== 'win32') assert.equal((await stat(file)).mode & 0o777, 0o600);
  const first = parseInvitation(await readFile(file, 'utf8'), file);
  assert.deepEqual(
    [first.node, first.number, first.url, first.mesh],
    ['guest', 1, 'http://10.66.0.1:8088', null],
  );
  assert.match((await flatrender(['node', 'list'])).stdout, /^guest +invited /m);

  const line = await flatrender(['node', 'invite', 'guest', '--print', '--hours', '0.5', ...at]);
  const second = parseInvitation(line.stdout, 'stdout');
  assert.equal(second.number, 2);
  assert.ok(Date.parse(second.expiresAt) - Date.now() < 31 * 60_000);

  const other = await json<Failure>(['node', 'add', 'guest-2', '-o', file]);
  assert.match(other.json.error.message, /is the invitation of node guest$/);
  assert.deepEqual(
    (await farm.api.listNodes()).filter(({ id }) => id === 'guest-2'),
    [],
  );
  const nowhere = await json<Failure>([
    'node',
    'add',
    'guest-2',
    '-o',
    join(dir, 'no', 'such', 'place.json'),
  ]);
  assert.match(nowhere.json.error.message, /^cannot write .*place\.json: ENOENT/);
  assert.deepEqual(
    (await farm.api.listNodes()).filter(({ id }) => id === 'guest-2'),
    [],
  );
  assert.match((await flatrender(['node', 'show', 'guest'])).stdout, /^invitation +good until 20/m);
  const wrong = await json<Failure>(['node', 'invite', 'guest', '--print', '--hours', 'soon']);
  assert.deepEqual([wrong.json.error.code, wrong.exitCode], ['USAGE', 2]);
  const refused = await json<Failure>(['node', 'add', 'guest-3', '--print', '--hours', '9999']);
  assert.equal(refused.json.error.code, 'USAGE');
  assert.deepEqual(
    (await farm.api.listNodes()).filter(({ id }) => id === 'guest-3'),
    [],
  );
  assert.equal((await flatrender(['node', 'remove', 'guest', '--yes'])).exitCode, 0);
});

test('a node that works is invited anew only when that is confirmed', async () => {
  const { json: refused, exitCode } = await json<Failure>(['node', 'invite', 'node-a', '--print']);
  assert.deepEqual([refused.error.code, exitCode], ['USAGE', 2]);
  assert.match(refused.error.message, /node-a is (ready|busy): a tunnel of it is cut .* Invite it anew\?$/);
  assert.equal((await farm.api.getNode('node-a')).invitation, null);
});

test('node list, show, drain, resume, remove', async () => {
  await flatrender(['node', 'add', 'spare', '--manual']);
  assert.match((await flatrender(['node', 'list'])).stdout, /^node-a +(ready|busy) +\d\/1 +.*mock/m);
  assert.match((await flatrender(['node', 'show', 'node-a'])).stdout, /^engine mock {2}available/m);
  assert.equal((await flatrender(['node', 'drain', 'node-a'])).exitCode, 0);
  assert.match((await flatrender(['node', 'resume', 'node-a'])).stdout, /node-a is (ready|busy)/);
  const unasked = await flatrender(['node', 'remove', 'spare']);
  assert.deepEqual([unasked.exitCode, /hint: add --yes/.test(unasked.stderr)], [2, true]);
  assert.equal((await flatrender(['node', 'remove', 'spare', '--yes'])).stdout, 'removed spare\n');
  assert.equal((await json<Failure>(['node', 'show', 'spare'])).json.error.code, 'NODE_NOT_FOUND');
});

test('tokens: create, use, list, revoke; a role that is too low is named', async () => {
  const created = await json<{ token: string; info: { id: string } }>([
    'token',
    'create',
    'viewer',
    '--role',
    'read',
    '--expires',
    '1h',
  ]);
  const { token, info } = created.json;
  const env = { FLATRENDER_URL: farm.url, FLATRENDER_TOKEN: token };
  assert.equal((await flatrender(['job', 'list'], { env })).exitCode, 0);
  const refused = await json<Failure>(['token', 'list'], { env });
  assert.deepEqual([refused.json.error.code, refused.exitCode], ['TOKEN_FORBIDDEN', 2]);
  const listed = await flatrender(['token', 'list']);
  assert.match(listed.stdout, /read +\S.* viewer$/m);
  assert.doesNotMatch(listed.stdout, new RegExp(token));
  assert.equal((await flatrender(['token', 'revoke', info.id])).exitCode, 0);
  assert.equal((await json<Failure>(['job', 'list'], { env })).json.error.code, 'TOKEN_INVALID');
});

test('login tries address and token before it saves them', async (t) => {
  const home = await mkdtemp(join(tmpdir(), 'flatrender-login-'));
  t.after(() => rm(home, { recursive: true, force: true }));
  const file = join(home, '.flatrender', 'client.json');
  const wrong = await runCli(['login', '--url', farm.url, '--token', 'fr_wrong'], { home });
  assert.equal(wrong.exitCode, 2);
  await assert.rejects(stat(file));
  const ok = await runCli(['login', '--url', `${farm.url}/`, '--token-stdin'], {
    home,
    input: `${farm.token}\n`,
  });
  assert.match(ok.stdout, /^logged in to .* with the role admin$/m);
  assert.deepEqual(JSON.parse(await readFile(file, 'utf8')), { url: farm.url, token: farm.token });
  assert.equal((await runCli(['node', 'list'], { home })).exitCode, 0);
});

test('doctor says what is well and what is not, and which command mends it', async () => {
  const well = await json<{ ok: boolean; checks: { name: string; status: string; message: string }[] }>([
    'doctor',
  ]);
  const statusOf = (name: string) => well.json.checks.find((check) => check.name === name)?.status;
  for (const name of ['node.js', 'state', 'control plane', 'clock', 'token', 'nodes'])
    assert.equal(statusOf(name), 'ok', name);
  assert.equal(well.json.ok, well.exitCode === 0);

  const alone = await flatrender(['doctor', '--url', 'http://127.0.0.1:9', '--token', 'fr_x']);
  assert.equal(alone.exitCode, 1);
  assert.match(
    alone.stdout,
    /^failed +control plane +cannot reach the control plane at http:\/\/127\.0\.0\.1:9: nothing listens there\n +→ flatrender control run$/m,
  );
  assert.match(alone.stdout, /^skipped +token/m);
});

test('smoke-test of a live farm goes through every step', async () => {
  const { json: result, exitCode } = await json<{ node: string; steps: { name: string; ms: number }[] }>([
    'smoke-test',
    '--live',
  ]);
  assert.equal(exitCode, 0);
  assert.deepEqual(
    result.steps.map(({ name }) => name),
    ['claim', 'download', 'render', 'upload', 'complete', 'fetch'],
  );
  for (const { name, ms } of result.steps) assert.ok(ms >= 0 && ms < 30_000, `${name}: ${ms}`);
  const nobody = await json<Failure>(['smoke-test', '--live', '--node', 'nobody', '--timeout', '1']);
  assert.deepEqual([nobody.json.error.code, nobody.exitCode], ['NO_CAPABLE_NODE', 1]);
});

test('nothing configured: exit 2 and how to begin', async () => {
  const { json: answer, exitCode } = await runCliJson<Failure>(['job', 'list']);
  assert.deepEqual([answer.error.code, exitCode], ['CONFIG_MISSING', 2]);
  assert.match(answer.error.hint ?? '', /flatrender login/);
});

test('an unreachable control plane: exit 1, the address, doctor', async () => {
  const { stdout, stderr, exitCode } = await flatrender(['job', 'list', '--url', 'http://127.0.0.1:9']);
  assert.deepEqual([stdout, exitCode], ['', 1]);
  assert.equal(
    stderr,
    'error: cannot reach the control plane at http://127.0.0.1:9: nothing listens there\nhint: run "flatrender doctor"\n',
  );
});
