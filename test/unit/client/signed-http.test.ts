import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { createAgentApi } from '../../../src/client/agent-api.ts';
import { createSignedHttp } from '../../../src/client/signed-http.ts';
import { systemClock } from '../../../src/lib/clock.ts';
import { FlatrenderError } from '../../../src/lib/errors.ts';
import { type FakeControl, type Fault, startFakeControl } from '../../helpers/fake-control.ts';

async function setUp(t: TestContext) {
  const control = await startFakeControl();
  const http = createSignedHttp({
    url: control.url,
    keyId: control.nodeId,
    secret: control.secret,
    clock: systemClock,
  });
  t.after(async () => {
    await http.close();
    await control[Symbol.asyncDispose]();
  });
  return { control, http, api: createAgentApi(http) };
}

const beat = { leases: [], system: null };

function answering(
  control: FakeControl,
  status: number,
  body: string,
  headers: Record<string, string> = {},
): void {
  const fault: Fault = (_, response) => {
    response.writeHead(status, headers).end(body);
    return true;
  };
  control.faults.splice(0, control.faults.length, fault);
}

async function failure(work: Promise<unknown>): Promise<FlatrenderError> {
  try {
    await work;
  } catch (error) {
    if (error instanceof FlatrenderError) return error;
    throw error;
  }
  return assert.fail('it succeeded');
}

test('every route of the agent is signed, and its answer believed because it is signed', async (t) => {
  const { control, api } = await setUp(t);
  const task = control.addTask({ id: 'j1.0', bundle: Buffer.from('zip') });
  const claim = await api.claim({ claimId: 'c-12345678', freeSlots: 1, waitMs: 0 });
  assert.equal(claim?.task.id, 'j1.0');
  await api.preview('j1.0', 1, Buffer.from([0xff, 0xd8]));
  await api.log('j1.0', {
    epoch: 1,
    lines: [{ at: '2026-01-28T10:30:00.000Z', stream: 'engine', line: 'ü "quoted" \u0000' }],
  });
  const sha256 = 'a'.repeat(64);
  const place = await api.uploads('j1.0', { epoch: 1, fileName: 'output.mp4', sizeBytes: 3, sha256 });
  control.objects.set(place.key, Buffer.from('mp4'));
  const result = {
    key: place.key,
    sha256,
    sizeBytes: 3,
    frames: 1,
    durationMs: 1,
    width: 2,
    height: 2,
    codec: 'h264',
    renderMs: 1,
    overheadMs: 1,
  };
  const answer = await api.complete('j1.0', { epoch: 1, result });
  assert.equal(answer.state, 'succeeded');
  assert.equal(task.result?.key, place.key);
  assert.equal(await api.claim({ claimId: 'c-12345679', freeSlots: 1, waitMs: 1 }), null);
});

test('the same call sent twice carries another nonce and the same bytes', async (t) => {
  const { control, http } = await setUp(t);
  const call = {
    method: 'POST',
    path: '/v1/agent/heartbeat',
    body: Buffer.from(JSON.stringify(beat)),
    contentType: 'application/json',
  } as const;
  await http.send(call);
  await http.send(call);
  const [first, second] = control.callsOf('heartbeat');
  assert.deepEqual(first?.bytes, second?.bytes);
  assert.notEqual(first?.headers['signature-input'], second?.headers['signature-input']);
});

test('the control plane’s own errors arrive with code, hint and details', async (t) => {
  const { api } = await setUp(t);
  const error = await failure(api.fail('j9.0', { epoch: 1, error: { code: 'INTERNAL', message: 'x' } }));
  assert.equal(error.code, 'TASK_NOT_FOUND');
  assert.equal(error.retryable, false);
});

test('a 401 cannot be signed and is taken at its word, with the server’s time', async (t) => {
  const { control, api } = await setUp(t);
  const body = {
    code: 'CLOCK_SKEW',
    message: 'the clock is 400 s behind',
    hint: 'synchronise it',
    serverTime: '2026-01-28T10:30:00Z',
  };
  answering(control, 401, JSON.stringify({ error: body }));
  const error = await failure(api.heartbeat(beat));
  assert.deepEqual([error.code, error.message, error.hint], ['CLOCK_SKEW', body.message, body.hint]);
  assert.equal(error.details?.serverTime, body.serverTime);
});

test('an unsigned answer decides nothing: no success, no lost lease', async (t) => {
  const { control, api } = await setUp(t);
  answering(control, 200, JSON.stringify({ serverTime: '', nextMs: 1, cancel: [], lost: [], drain: true }));
  assert.equal((await failure(api.heartbeat(beat))).code, 'ANSWER_UNSIGNED');
  answering(control, 409, JSON.stringify({ error: { code: 'LEASE_LOST', message: 'stop' } }));
  assert.equal((await failure(api.heartbeat(beat))).code, 'ANSWER_UNSIGNED');
  answering(control, 404, '<h1>nginx</h1>');
  assert.equal((await failure(api.heartbeat(beat))).code, 'ANSWER_UNSIGNED');
  answering(control, 401, JSON.stringify({ error: { code: 'LEASE_LOST', message: 'stop' } }));
  assert.equal((await failure(api.heartbeat(beat))).code, 'ANSWER_UNSIGNED');
});

test('a proxy that says "later" is believed, because it costs nothing', async (t) => {
  const { control, api } = await setUp(t);
  for (const status of [429, 502, 503]) {
    answering(control, status, '<h1>busy</h1>', { 'retry-after': '2' });
    const error = await failure(api.heartbeat(beat));
    assert.deepEqual([error.code, error.retryable, error.details?.retryAfterMs], ['UNAVAILABLE', true, 2000]);
  }
});

test('an answer of another version is an error that says so and is not repeated', async (t) => {
  const { control, http } = await setUp(t);
  const api = createAgentApi({
    ...http,
    send: async (call) => ({ ...(await http.send(call)), body: Buffer.from('{"nextMs":"soon"}') }),
  });
  const error = await failure(api.heartbeat(beat));
  assert.match(error.message, /answer to "heartbeat" is not understood: serverTime/);
  assert.equal(error.retryable, false);
  assert.equal(control.callsOf('heartbeat').length, 1);
});

test('a control plane that is down, silent or cutting is UNREACHABLE, with the reason', async (t) => {
  const { control, api, http } = await setUp(t);
  control.faults.push((_, response) => {
    response.destroy();
    return true;
  });
  assert.match(
    (await failure(api.heartbeat(beat))).message,
    /cannot reach the control plane at http:.*: the connection was cut/,
  );
  control.faults.splice(0, 1, () => true);
  const silent = http.send({
    method: 'POST',
    path: '/v1/agent/heartbeat',
    body: Buffer.from('{}'),
    contentType: 'application/json',
    timeoutMs: 50,
  });
  assert.match((await failure(silent)).message, /no answer within 0\.05 s/);
  await control.goDown();
  const error = await failure(api.heartbeat(beat));
  assert.deepEqual(
    [error.code, error.retryable, error.details?.cause],
    ['UNREACHABLE', true, 'ECONNREFUSED'],
  );
  await control.comeBack();
  control.faults.length = 0;
  assert.equal((await api.heartbeat(beat)).drain, false);
});

test('an aborted call ends with the reason of the abort', async (t) => {
  const { control, api } = await setUp(t);
  control.faults.push(() => true);
  const controller = new AbortController();
  const reason = new FlatrenderError('ABORTED', 'the agent stops');
  const waiting = api.claim({ claimId: 'c-12345678', freeSlots: 1, waitMs: 30_000 }, controller.signal);
  await control.until('the call', () => control.calls.length > 0);
  controller.abort(reason);
  await assert.rejects(waiting, (error) => error === reason);
  await assert.rejects(api.heartbeat(beat, controller.signal), (error) => error === reason);
});
