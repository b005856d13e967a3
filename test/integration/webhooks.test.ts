import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Webhook } from 'standardwebhooks';
import { loadFarmSecret } from '../../src/config/home.ts';
import { rotateWebhookKey, webhookSecret } from '../../src/control/webhook-keys.ts';
import { startTestControl, type TestControl, until } from '../helpers/control.ts';
import { type ManualClock, manualClock } from '../helpers/manual-clock.ts';
import { type WebhookCall, webhookReceiver } from '../helpers/webhook-receiver.ts';

const config = { webhooks: { allowPrivate: true } };
const HOUR = 3_600_000;

async function endJob(farm: TestControl, webhook: string): Promise<string> {
  const job = await farm.submit({ webhook });
  await farm.call('POST', `/v1/jobs/${job}/cancel`, {});
  return job;
}

/** The library of the specification's authors checks it. */
// biome-ignore lint/suspicious/noExplicitAny: the payload as a receiver sees it
function verified(call: WebhookCall | undefined, secret: string): any {
  assert.ok(call);
  return new Webhook(secret).verify(call.body, call.headers as Record<string, string>);
}

/** Goes on to the time a delivery is tried again; the second the clock does not leap over lets timers see it. */
async function whenDue(clock: ManualClock, dueAt: number): Promise<void> {
  clock.leap(Math.max(0, dueAt - clock.now()));
  await clock.advance(16_000);
}

async function delivery(farm: TestControl, jobId: string) {
  const [found] = await farm.control.store.listDeliveries({ jobId, limit: 1 });
  assert.ok(found);
  return found;
}

test('a webhook is called when a job ends, and any library of Standard Webhooks accepts it', async () => {
  await using receiver = await webhookReceiver();
  await using farm = await startTestControl({ config });
  await farm.addTemplate();
  const job = await endJob(farm, receiver.url);
  await until(() => receiver.calls.length === 1);
  const secret = webhookSecret(loadFarmSecret(farm.directory));
  assert.match(secret, /^whsec_[A-Za-z0-9+/]{43}=$/);
  const payload = verified(receiver.calls[0], secret);
  assert.deepEqual(
    [payload.type, payload.data.job.id, payload.data.job.state],
    ['job.ended', job, 'cancelled'],
  );
  assert.equal(payload.timestamp, payload.data.job.endedAt);
  assert.throws(() => verified(receiver.calls[0], webhookSecret(Buffer.alloc(32))), /signature/i);
  await until(async () => (await delivery(farm, job)).state === 'delivered');
  assert.equal((await delivery(farm, job)).lastStatus, 204);
});

test('a receiver that is down for a day hears of it all the same, always by the same id and body', async () => {
  const clock = manualClock(1_700_000_000_000);
  await using receiver = await webhookReceiver();
  receiver.answer = (response) => response.writeHead(500).end('x'.repeat(100));
  await using farm = await startTestControl({ config, clock });
  await farm.addTemplate();
  const job = await endJob(farm, receiver.url);
  const delays: number[] = [];
  for (let tries = 1; tries <= 8; tries += 1) {
    await until(async () => (await delivery(farm, job)).attempts === tries);
    if (tries === 7) receiver.answer = (response) => response.writeHead(200).end();
    const { dueAt, state, lastAttemptAt } = await delivery(farm, job);
    if (state !== 'waiting') break;
    delays.push(dueAt - (lastAttemptAt ?? 0));
    await whenDue(clock, dueAt);
  }
  const { state, attempts, lastError } = await delivery(farm, job);
  assert.deepEqual([state, attempts, lastError], ['delivered', 8, null]);
  assert.equal(new Set(receiver.calls.map(({ body }) => body)).size, 1);
  assert.equal(new Set(receiver.calls.map(({ headers }) => headers['webhook-id'])).size, 1);
  assert.equal(new Set(receiver.calls.map(({ headers }) => headers['webhook-timestamp'])).size, 8);
  // 5 s, 5 min, 30 min, 2 h, 5 h, 10 h, 14 h, each up to a fifth longer.
  for (const [i, hours] of [5 / 3600, 5 / 60, 0.5, 2, 5, 10, 14].entries()) {
    const delay = delays[i] ?? 0;
    assert.ok(delay >= hours * HOUR && delay <= hours * HOUR * 1.2, `${delay} ms after try ${i + 1}`);
  }
});

test('after the last try a delivery has failed, says why, and is not tried again', async () => {
  const clock = manualClock(1_700_000_000_000);
  await using receiver = await webhookReceiver();
  receiver.answer = (response) => response.writeHead(302, { location: '/elsewhere' }).end();
  await using farm = await startTestControl({ config, clock });
  await farm.addTemplate();
  const job = await endJob(farm, receiver.url);
  for (let tries = 1; tries <= 10; tries += 1) {
    await until(async () => (await delivery(farm, job)).attempts === tries);
    const { dueAt, state } = await delivery(farm, job);
    assert.equal(state, tries === 10 ? 'failed' : 'waiting');
    if (tries < 10) await whenDue(clock, dueAt);
  }
  assert.match((await delivery(farm, job)).lastError ?? '', /^HTTP 302: redirects are not followed/);
  assert.ok(receiver.calls.every(({ path }) => path === '/hook'));
});

test('Retry-After is honoured, and 410 ends it', async () => {
  const clock = manualClock(1_700_000_000_000);
  await using receiver = await webhookReceiver();
  receiver.answer = (response) => response.writeHead(503, { 'retry-after': '900' }).end();
  await using farm = await startTestControl({ config, clock });
  await farm.addTemplate();
  const job = await endJob(farm, receiver.url);
  await until(async () => (await delivery(farm, job)).attempts === 1);
  const { dueAt, lastStatus } = await delivery(farm, job);
  assert.equal(lastStatus, 503);
  assert.ok(dueAt - clock.now() >= 900_000 && dueAt - clock.now() <= 1_080_000, String(dueAt - clock.now()));
  receiver.answer = (response) => response.writeHead(410).end();
  await whenDue(clock, dueAt);
  await until(async () => (await delivery(farm, job)).state === 'failed');
  assert.equal((await delivery(farm, job)).attempts, 2);
});

test('what waits survives a restart of the control plane', async () => {
  const clock = manualClock(1_700_000_000_000);
  await using receiver = await webhookReceiver();
  receiver.answer = (response) => response.destroy();
  await using farm = await startTestControl({ config, clock });
  await farm.addTemplate();
  const job = await endJob(farm, receiver.url);
  await until(async () => (await delivery(farm, job)).attempts === 1);
  receiver.answer = (response) => response.writeHead(200).end();
  await farm.restart();
  const { dueAt } = await delivery(farm, job);
  await whenDue(clock, dueAt);
  await until(async () => (await delivery(farm, job)).state === 'delivered');
  assert.equal(receiver.calls.length, 2);
  assert.equal(receiver.calls[1]?.body, receiver.calls[0]?.body);
});

test('a receiver that never answers holds up no other', async () => {
  await using dead = await webhookReceiver();
  dead.answer = () => undefined;
  await using alive = await webhookReceiver();
  await using farm = await startTestControl({
    config: { webhooks: { allowPrivate: true, timeoutSeconds: 30 } },
  });
  await farm.addTemplate();
  for (let i = 0; i < 60; i += 1) await endJob(farm, dead.url);
  await until(() => dead.calls.length >= 4);
  const started = performance.now();
  const jobs = await Promise.all(Array.from({ length: 5 }, () => endJob(farm, alive.url)));
  await until(() => alive.calls.length === jobs.length);
  assert.ok(performance.now() - started < 3000);
  assert.ok(dead.calls.length < 10, `${dead.calls.length} calls under way to one receiver`);
});

test('an answer of any size is not read, and a slow one ends with the time it has', async () => {
  await using receiver = await webhookReceiver();
  receiver.answer = (response) => {
    response.writeHead(200);
    const flood = (): void => {
      while (!response.destroyed && response.write('x'.repeat(65_536)));
      if (!response.destroyed) response.once('drain', flood);
    };
    flood();
  };
  await using farm = await startTestControl({
    config: { webhooks: { allowPrivate: true, timeoutSeconds: 0.3 } },
  });
  await farm.addTemplate();
  const flooded = await endJob(farm, receiver.url);
  await until(async () => (await delivery(farm, flooded)).state === 'delivered');
  receiver.answer = () => undefined;
  const slow = await endJob(farm, receiver.url);
  await until(async () => (await delivery(farm, slow)).attempts === 1);
  const { state, lastError } = await delivery(farm, slow);
  assert.deepEqual([state, lastError], ['waiting', 'no answer within 0.3 s']);
});

test('a webhook into the private network is refused: at once by its address, later by what its name means', async () => {
  await using receiver = await webhookReceiver();
  await using farm = await startTestControl();
  await farm.addTemplate();
  const { status, body } = await farm.call('POST', '/v1/jobs', {
    template: 'mock-template',
    webhook: receiver.url,
  });
  assert.equal(status, 400);
  assert.match(body.error.message, /webhook: 127\.0\.0\.1 is a private address/);
  assert.match(body.error.hint, /webhooks\.allowHosts: \[127\.0\.0\.1\]/);
  const job = await endJob(farm, receiver.url.replace('127.0.0.1', 'localhost'));
  await until(async () => (await delivery(farm, job)).state === 'failed');
  assert.match((await delivery(farm, job)).lastError ?? '', /localhost is .*private/);
  assert.equal(receiver.calls.length, 0);
});

test('after a change of the key both are good, until the time of the old one is over', async () => {
  const clock = manualClock(Date.now());
  await using receiver = await webhookReceiver();
  await using farm = await startTestControl({ config, clock });
  await farm.addTemplate();
  const farmSecret = loadFarmSecret(farm.directory);
  const state = await rotateWebhookKey(farm.control.store, HOUR, clock.now());
  assert.deepEqual(state, { generation: 2, previousUntil: clock.now() + HOUR });
  await endJob(farm, receiver.url);
  await until(() => receiver.calls.length === 1);
  for (const generation of [1, 2]) verified(receiver.calls[0], webhookSecret(farmSecret, generation));
  assert.equal(String(receiver.calls[0]?.headers['webhook-signature']).split(' ').length, 2);
  await whenDue(clock, clock.now() + HOUR);
  await endJob(farm, receiver.url);
  await until(() => receiver.calls.length === 2);
  assert.throws(() => hmacOnly(receiver.calls[1], webhookSecret(farmSecret, 1)));
  hmacOnly(receiver.calls[1], webhookSecret(farmSecret, 2));
});

test('a job that was started again before its end could be told is told once, when it ends again', async () => {
  const clock = manualClock(1_700_000_000_000);
  await using receiver = await webhookReceiver();
  await using farm = await startTestControl({ config, clock });
  await farm.addTemplate();
  await farm.control.webhooks.close();
  const job = await endJob(farm, receiver.url);
  await clock.advance(1000);
  await farm.call('POST', `/v1/jobs/${job}/retry`, {});
  await farm.restart();
  await until(async () => (await delivery(farm, job)).state === 'failed');
  assert.match((await delivery(farm, job)).lastError ?? '', /started again/);
  await farm.call('POST', `/v1/jobs/${job}/cancel`, {});
  await until(() => receiver.calls.length === 1);
});

/** Without a look at the time, which a test sets. */
function hmacOnly(call: WebhookCall | undefined, secret: string): void {
  assert.ok(call);
  const { 'webhook-id': id, 'webhook-timestamp': timestamp, 'webhook-signature': signature } = call.headers;
  const wanted = new Webhook(secret).sign(String(id), new Date(Number(timestamp) * 1000), call.body);
  assert.ok(String(signature).split(' ').includes(wanted), `${signature} is not ${wanted}`);
}

test('all that failed is queued again, and tests are not', async () => {
  await using receiver = await webhookReceiver();
  await using farm = await startTestControl({ config });
  const { store, clock } = farm.control;
  const at = clock.now();
  for (const [id, type] of [
    ['ended', 'job.ended'],
    ['test', 'webhook.test'],
  ] as const) {
    const dueAt = at + HOUR;
    await store.addDelivery({ id, type, jobId: null, url: receiver.url, body: '{}', createdAt: at, dueAt });
    await store.settleDelivery(id, {
      ...{ state: 'failed', at, status: 410, error: 'HTTP 410', dueAt: null, body: null },
    });
  }
  const { body } = await farm.call('POST', '/v1/webhooks/replay', {});
  assert.deepEqual(body, { replayed: 1 });
  await until(async () => (await store.getDelivery('ended'))?.state === 'delivered');
  assert.equal((await store.getDelivery('test'))?.state, 'failed');
});
