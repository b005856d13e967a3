import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { mkdir, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { Webhook } from 'standardwebhooks';
import { loadFarmSecret } from '../../src/config/home.ts';
import { webhookSecret } from '../../src/control/webhook-keys.ts';
import { packageRoot } from '../../src/lib/paths.ts';
import { manifestOf, startTestControl, type TestControl, until } from '../helpers/control.ts';
import { webhookReceiver } from '../helpers/webhook-receiver.ts';

/** A second of silence, 8 kHz. */
const WAV = Buffer.alloc(44 + 8000, 0x80);
WAV.write('RIFF', 0);
WAV.writeUInt32LE(36 + 8000, 4);
WAV.write('WAVEfmt ', 8);
WAV.writeUInt32LE(16, 16);
WAV.writeUInt16LE(1, 20);
WAV.writeUInt16LE(1, 22);
WAV.writeUInt32LE(8000, 24);
WAV.writeUInt32LE(8000, 28);
WAV.writeUInt16LE(1, 32);
WAV.writeUInt16LE(8, 34);
WAV.write('data', 36);
WAV.writeUInt32LE(8000, 40);

/** A template with one sound, as n8n workflows render them. */
const flame = {
  inputs: {
    audio: { type: 'audio' },
    title: { type: 'text', default: 'Your title' },
    beats: { type: 'number', default: 4 },
  },
  outputs: [{ name: 'main', container: 'mp4' }, 'youtube-1080p'],
};
const SOUND = Buffer.from('a sound of a kind');
const sha256 = createHash('sha256').update(SOUND).digest('hex');

async function startFarm(directory: string | null, more = {}): Promise<TestControl> {
  const farm = await startTestControl({ config: { hooks: { files: directory }, ...more } });
  await farm.addTemplate('ethereal-flame', { ...manifestOf('ethereal-flame'), ...flame });
  return farm;
}

async function withFiles(body: (directory: string) => Promise<void>): Promise<void> {
  const directory = await mkdtemp(join(tmpdir(), 'flatrender-hook-'));
  try {
    await writeFile(join(directory, 'meditation.mp3'), SOUND);
    await body(directory);
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
}

async function hook(farm: TestControl, request: Record<string, unknown>) {
  const { status, body } = await farm.call('POST', '/v1/hooks', request);
  assert.ok(status < 300, JSON.stringify(body));
  return (call: unknown, headers: Record<string, string> = {}) =>
    farm.call('POST', body.hook.path, call, { authorization: `Bearer ${body.token}`, ...headers });
}

test('what n8n sends becomes a job, and the end of it is told, signed', () =>
  withFiles(async (directory) => {
    await using receiver = await webhookReceiver();
    await using farm = await startFarm(directory, { webhooks: { allowPrivate: true } });
    await farm.addNode('desktop');
    const run = await hook(farm, { name: 'n8n' });
    const { status, body } = await run({
      machine: 'desktop',
      audioFile: 'meditation.mp3',
      template: 'ethereal-flame',
      format: 'youtube-1080p',
      title: 'Meditation',
      executionMode: 'production',
      callback: receiver.url,
    });
    assert.equal(status, 201, JSON.stringify(body));
    assert.deepEqual(body.ignored, ['executionMode']);
    assert.deepEqual(body.links, {
      job: `${farm.url}/v1/jobs/${body.job}`,
      output: `${farm.url}/v1/jobs/${body.job}/output`,
    });
    const found = await farm.control.store.getJob(body.job);
    assert.ok(found);
    const { job, tasks } = found;
    assert.deepEqual(
      [job.template, job.node, job.webhook, job.createdBy, tasks.map(({ output }) => output.name)],
      ['ethereal-flame', 'desktop', receiver.url, 'hook n8n', ['youtube-1080p']],
    );
    assert.deepEqual(job.inputs, {
      audio: { asset: sha256, name: 'meditation.mp3', sizeBytes: SOUND.length },
      title: 'Meditation',
      beats: 4,
    });
    assert.equal((await farm.control.objects.head(`assets/${sha256}`))?.sizeBytes, SOUND.length);
    await farm.call('POST', `/v1/jobs/${body.job}/cancel`, {});
    await until(() => receiver.calls.length === 1);
    const [call] = receiver.calls;
    const payload = new Webhook(webhookSecret(loadFarmSecret(farm.directory))).verify(
      call?.body ?? '',
      call?.headers as Record<string, string>,
    ) as { data: { job: { id: string } } };
    assert.equal(payload.data.job.id, body.job);
    const [entry] = await farm.control.store.listAudit({ action: 'runHook', limit: 1 });
    assert.deepEqual([entry?.actor, entry?.subject, entry?.outcome], ['hook n8n', 'n8n', '201']);
  }));

test('a hook maps the fields of any program, and what it sets no call can change', async () => {
  await using farm = await startFarm(null);
  const run = await hook(farm, {
    name: 'form',
    template: 'ethereal-flame',
    map: { 'song.name': 'inputs.title', bpm: 'inputs.beats', who: 'name' },
    set: { outputs: 'main', priority: '80' },
  });
  const { body } = await run({
    song: { name: 'Rain' },
    bpm: '7',
    who: 'Ana',
    format: 'youtube-1080p',
    priority: 5,
    machine: '',
  });
  const found = await farm.control.store.getJob(body.job);
  assert.deepEqual(
    [found?.job.inputs, found?.job.priority, found?.job.name, found?.job.node],
    [{ title: 'Rain', beats: 7 }, 80, 'Ana', null],
  );
  assert.deepEqual(
    found?.tasks.map(({ output }) => output.name),
    ['main'],
  );
  const other = await run({ template: 'another' });
  assert.deepEqual([other.status, other.body.error.code], [400, 'REQUEST_INVALID']);
  assert.match(other.body.error.message, /renders "ethereal-flame" only, not "another"/);
});

test('a call that is repeated with its key is the same job, and another one under that key is refused', async () => {
  await using farm = await startFarm(null);
  const run = await hook(farm, { name: 'n8n', template: 'ethereal-flame' });
  const first = await run({ title: 'a' }, { 'idempotency-key': 'exec-17' });
  const again = await run({ title: 'a' }, { 'idempotency-key': 'exec-17' });
  assert.deepEqual([first.status, again.status, again.body.repeated], [201, 200, true]);
  assert.equal(again.body.job, first.body.job);
  const other = await run({ title: 'b' }, { 'idempotency-key': 'exec-17' });
  assert.deepEqual([other.status, other.body.error.code], [409, 'IDEMPOTENCY_CONFLICT']);
  // For programs that cannot send headers.
  const inBody = { title: 'c', idempotencyKey: 18 };
  assert.equal((await run(inBody)).body.job, (await run(inBody)).body.job);
  const jobs = (await farm.call('GET', '/v1/jobs')).body.jobs;
  assert.equal(jobs.length, 2);
});

test('the token of a hook opens this hook and nothing else, and no other token opens it', async () => {
  await using farm = await startFarm(null);
  const one = (await farm.call('POST', '/v1/hooks', { name: 'one', template: 'ethereal-flame' })).body;
  const two = (await farm.call('POST', '/v1/hooks', { name: 'two', template: 'ethereal-flame' })).body;
  assert.match(one.token, /^frh_[A-Za-z0-9_-]{43}$/);
  const call = async (path: string, headers: Record<string, string>) =>
    (await farm.call('POST', path, {}, { authorization: '', ...headers })).status;
  assert.equal(await call('/v1/hooks/one', { authorization: `bearer ${one.token}` }), 201);
  assert.equal(await call('/v1/hooks/one', { 'x-hook-token': one.token }), 201);
  assert.equal(await call(`/v1/hooks/one?token=${one.token}`, {}), 201);
  assert.equal(await call('/v1/hooks/one', {}), 401);
  assert.equal(await call('/v1/hooks/one', { authorization: `Bearer ${two.token}` }), 401);
  assert.equal(await call('/v1/hooks/one', { authorization: `Bearer ${farm.token}` }), 401);
  assert.equal(await call('/v1/hooks/none', { authorization: `Bearer ${one.token}` }), 401);
  assert.equal(await call('/v1/jobs', { authorization: `Bearer ${one.token}` }), 401);
  assert.equal(await call('/v1/hooks/one/test', { authorization: `Bearer ${one.token}` }), 401);
  // Changed: its token stays. A new token: the old one is dead.
  const changed = (await farm.call('POST', '/v1/hooks', { name: 'one', replace: true })).body;
  assert.equal(changed.token, null);
  assert.equal(await call('/v1/hooks/one', { authorization: `Bearer ${one.token}` }), 400, 'no template');
  const fresh = (await farm.call('POST', '/v1/hooks', { name: 'one', replace: true, newToken: true })).body;
  assert.equal(await call('/v1/hooks/one', { authorization: `Bearer ${one.token}` }), 401);
  assert.equal(await call('/v1/hooks/one', { authorization: `Bearer ${fresh.token}` }), 400);
  assert.equal((await farm.call('DELETE', '/v1/hooks/two')).status, 204);
  assert.equal(await call('/v1/hooks/two', { authorization: `Bearer ${two.token}` }), 401);
  assert.deepEqual(
    (await farm.call('GET', '/v1/hooks')).body.hooks.map(({ name }: { name: string }) => name),
    ['one'],
  );
  const stored = JSON.stringify(await farm.control.store.listSettings(''));
  assert.ok(!stored.includes('frh_'), 'only digests are stored');
  assert.ok(!JSON.stringify(await farm.control.store.listAudit({ limit: 100 })).includes('frh_'));
});

test('a file is taken from the allowed directory only, whatever its name leads to', () =>
  withFiles(async (directory) => {
    const allowed = join(directory, 'allowed');
    await mkdir(join(allowed, 'album'), { recursive: true });
    await writeFile(join(allowed, 'album', 'song.mp3'), SOUND);
    await symlink(join(directory, 'meditation.mp3'), join(allowed, 'outside.mp3'));
    await symlink(join(allowed, 'album', 'song.mp3'), join(allowed, 'inside.mp3'));
    execFileSync('mkfifo', [join(allowed, 'pipe.mp3')]);
    await using farm = await startFarm(allowed);
    const run = await hook(farm, { name: 'n8n', template: 'ethereal-flame' });
    const problem = async (audioFile: string) => {
      const { status, body } = await run({ audioFile });
      return status === 201 ? 'ok' : `${body.error.code} ${body.error.message} ${body.error.hint ?? ''}`;
    };
    assert.equal(await problem('album/song.mp3'), 'ok');
    assert.equal(await problem('inside.mp3'), 'ok');
    for (const name of [
      '../meditation.mp3',
      'album/../../meditation.mp3',
      'outside.mp3',
      '/etc/passwd',
      'C:\\x',
      '..\\x',
    ]) {
      assert.match(await problem(name), /^INPUT_INVALID input "audio": .*leads out of the directory/, name);
    }
    assert.match(await problem('album'), /is no file/);
    assert.match(await problem('pipe.mp3'), /is no file/);
    assert.match(await problem('insde.mp3'), /there is no file "insde\.mp3".*did you mean "inside\.mp3"\?/);
    assert.match(await problem('a\0b'), /leads out/);
    assert.match(await problem('f'.repeat(64)), /^OBJECT_NOT_FOUND/);
    assert.equal(await problem(sha256), 'ok');
    await using strict = await startFarm(null);
    const other = await hook(strict, { name: 'n8n', template: 'ethereal-flame' });
    const { body } = await other({ audioFile: 'meditation.mp3' });
    assert.match(body.error.message, /no directory for files is set/);
    assert.match(body.error.hint, /^hooks\.files in flatrender\.yaml/);
  }));

test('a hook is tried without submitting anything, and mistakes in it are named when it is made', async () => {
  await using farm = await startFarm(null);
  await hook(farm, { name: 'n8n', template: 'ethereal-flame' });
  const tried = await farm.call('POST', '/v1/hooks/n8n/test', { title: 'x', nonsense: 1 });
  assert.equal(tried.status, 200);
  assert.deepEqual([tried.body.job.inputs, tried.body.ignored], [{ title: 'x' }, ['nonsense']]);
  const bad = await farm.call('POST', '/v1/hooks/n8n/test', { beats: 'many' });
  assert.equal(bad.body.error.code, 'INPUT_INVALID');
  assert.equal((await farm.call('GET', '/v1/jobs')).body.jobs.length, 0);
  const refusal = async (request: Record<string, unknown>) =>
    (await farm.call('POST', '/v1/hooks', request)).body.error;
  assert.equal((await refusal({ name: 'n8n' })).code, 'HOOK_EXISTS');
  assert.equal((await refusal({ name: 'x', template: 'nothing' })).code, 'TEMPLATE_NOT_FOUND');
  const typo = await refusal({ name: 'x', template: 'ethereal-flame', map: { a: 'inputs.adio' } });
  assert.match(typo.message, /has no input "adio"/);
  assert.match(typo.hint, /did you mean "audio"\?/);
  assert.equal((await refusal({ name: 'x', map: { a: 'webhook' } })).code, 'REQUEST_INVALID');
  const fixed = async (set: Record<string, unknown>, more = {}) => refusal({ name: 'x', set, ...more });
  assert.match((await fixed({ priority: '999' })).message, /^priority: .*100/);
  assert.match(
    (await fixed({ bogus: '1' })).message,
    /^set\.bogus: a target is template, version, .*inputs\.NAME$/,
  );
  assert.equal((await fixed({ runAt: 'tomorrow' })).code, 'REQUEST_INVALID');
  const ofFlame = { template: 'ethereal-flame' };
  assert.match((await fixed({ outputs: 'mian' }, ofFlame)).hint, /did you mean "main"/);
  assert.equal((await fixed({ 'inputs.beats': 'many' }, ofFlame)).code, 'INPUT_INVALID');
  assert.equal((await fixed({ template: 'nothing' })).code, 'TEMPLATE_NOT_FOUND');
  await hook(farm, { name: 'y', ...ofFlame, set: { 'inputs.beats': '7', priority: '80', outputs: 'main' } });
  assert.equal((await farm.call('POST', '/v1/hooks/none/test', {})).body.error.code, 'HOOK_NOT_FOUND');
  assert.equal((await farm.call('DELETE', '/v1/hooks/none')).body.error.code, 'HOOK_NOT_FOUND');
});

test('the n8n workflow of the deploy kit sends what a hook understands', async () => {
  const workflow = JSON.parse(await readFile(join(packageRoot(), 'deploy', 'n8n-workflow.json'), 'utf8'));
  const node = workflow.nodes.find(({ name }: { name: string }) => name === 'Render');
  await withFiles(async (directory) => {
    await using farm = await startFarm(directory);
    await farm.addTemplate('audio-visualiser', { ...manifestOf('audio-visualiser'), ...flame });
    const { body } = await farm.call('POST', '/v1/hooks', { name: 'n8n' });
    assert.equal(new URL(node.parameters.url).pathname, body.hook.path);
    const [header] = node.parameters.headerParameters.parameters;
    const answer = await farm.call('POST', body.hook.path, JSON.parse(node.parameters.jsonBody.slice(1)), {
      authorization: `Bearer ${body.token}`,
      [header.name]: '231',
    });
    assert.deepEqual([answer.status, answer.body.ignored], [201, []]);
  });
});

test('a file that a call names by its address is fetched under the rules for addresses', async () => {
  await using farm = await startFarm(null, { inputs: { urls: { allowPrivate: true } } });
  const server = createServer((_, response) => response.end(WAV)).listen(0, '127.0.0.1');
  await once(server, 'listening');
  try {
    const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/rain.wav?key=secret`;
    const run = await hook(farm, { name: 'n8n', template: 'ethereal-flame' });
    const { status, body } = await run({ audioFile: url });
    assert.equal(status, 201, JSON.stringify(body));
    const found = await farm.control.store.getJob(body.job);
    const wanted = createHash('sha256').update(WAV).digest('hex');
    assert.deepEqual(found?.job.inputs.audio, { asset: wanted, name: 'rain.wav', sizeBytes: WAV.length });
    await using strict = await startFarm(null);
    const refused = await (await hook(strict, { name: 'n8n', template: 'ethereal-flame' }))({
      audioFile: url,
    });
    assert.deepEqual([refused.status, refused.body.error.code], [422, 'INPUT_INVALID']);
    assert.match(refused.body.error.message, /private/);
    assert.ok(!JSON.stringify(refused.body).includes('key=secret'));
  } finally {
    server.closeAllConnections();
    server.close();
  }
});
