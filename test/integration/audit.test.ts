import assert from 'node:assert/strict';
import { test } from 'node:test';
import { cleanUp } from '../../src/control/background.ts';
import { ROUTES, type RouteName } from '../../src/protocol/routes.ts';
import type { AuditEntry } from '../../src/store/audit.ts';
import { startTestControl, type TestControl, until } from '../helpers/control.ts';
import { manualClock } from '../helpers/manual-clock.ts';
import { webhookReceiver } from '../helpers/webhook-receiver.ts';

async function entries(farm: TestControl, action?: string): Promise<readonly AuditEntry[]> {
  return farm.control.store.listAudit({ limit: 1000, action });
}

test('every route by which an operator changes something leaves an entry, also when it is refused', async () => {
  await using farm = await startTestControl();
  const operators = ['read', 'submit', 'admin', 'hook'];
  const routes = Object.entries(ROUTES).filter(
    ([, { method, auth }]) => method !== 'GET' && operators.includes(auth),
  );
  assert.ok(routes.length > 15);
  for (const [name, { method, path }] of routes) {
    const before = (await entries(farm, name)).length;
    // Whatever comes of it: a request that means something, or one that is refused.
    const { status } = await farm.call(method, path.replace(/:[a-z]+/g, 'no-such-thing'), {});
    await until(async () => (await entries(farm, name)).length > before);
    const [entry] = await entries(farm, name);
    assert.deepEqual([entry?.action, entry?.outcome], [name as RouteName, String(status)]);
    assert.equal(
      entry?.actor,
      ROUTES[name as RouteName].auth === ('hook' as string) ? 'unknown' : 'test',
      name,
    );
  }
});

test('the audit log says who did what to what, from where, and no secret', async () => {
  await using farm = await startTestControl();
  await farm.addTemplate();
  const { body: created } = await farm.call(
    'POST',
    '/v1/tokens',
    { name: 'n8n', role: 'submit' },
    { 'x-forwarded-for': '203.0.113.9, 10.0.0.1' },
  );
  await farm.call('POST', '/v1/nodes', { id: 'studio-1' });
  const headers = { authorization: `Bearer ${created.token}` };
  const { body: submitted } = await farm.call('POST', '/v1/jobs', { template: 'mock-template' }, headers);
  await until(async () => (await entries(farm, 'submit')).length === 1);
  const job = submitted.jobs[0].id;
  await farm.call('POST', `/v1/jobs/${job}/cancel`, {}, headers);
  await farm.call('DELETE', '/v1/nodes/studio-1', undefined, headers); // not allowed
  await until(async () => (await entries(farm)).length === 5);
  const found = (await entries(farm)).map(({ seq: _, at: __, ...entry }) => entry);
  const [{ id: admin } = { id: '' }] = (await farm.control.store.listTokens()).filter(
    ({ name }) => name === 'test',
  );
  const from = '127.0.0.1';
  const n8n = created.info.id;
  assert.deepEqual(found.reverse(), [
    {
      actor: 'test',
      action: 'createToken',
      subject: n8n,
      outcome: '201',
      from: '203.0.113.9 via 127.0.0.1',
      details: { token: admin, name: 'n8n', role: 'submit' },
    },
    {
      actor: 'test',
      action: 'createNode',
      subject: 'studio-1',
      outcome: '201',
      from,
      details: { token: admin, rotate: false },
    },
    {
      actor: 'n8n',
      action: 'submit',
      subject: job,
      outcome: '201',
      from,
      details: { token: n8n, template: 'mock-template', jobs: 1 },
    },
    {
      actor: 'n8n',
      action: 'cancelJob',
      subject: job,
      outcome: '200',
      from,
      details: { token: n8n, template: 'mock-template', version: '1.0.0' },
    },
    {
      actor: 'n8n',
      action: 'removeNode',
      subject: 'studio-1',
      outcome: '403',
      from,
      details: { code: 'TOKEN_FORBIDDEN' },
    },
  ]);
  const text = JSON.stringify(await entries(farm));
  assert.ok(!text.includes(created.token));
});

test('a webhook that was tried says which, and what became of it', async () => {
  await using receiver = await webhookReceiver();
  receiver.answer = (response) => response.writeHead(404).end();
  await using farm = await startTestControl({ config: { webhooks: { allowPrivate: true } } });
  const { body } = await farm.call('POST', '/v1/webhooks/test', { url: receiver.url });
  const [tried] = await entries(farm, 'testWebhook');
  const { delivered, status, error } = tried?.details ?? {};
  assert.deepEqual([tried?.subject, delivered, status, error], [body.id, false, 404, 'HTTP 404']);
});

test('an action that does not exist is refused with those that do', async () => {
  await using farm = await startTestControl();
  const { status, body } = await farm.call('GET', '/v1/audit?action=canceljob');
  assert.deepEqual([status, body.error.code], [400, 'REQUEST_INVALID']);
  assert.match(body.error.hint, /^did you mean cancelJob\? there are: .*webhookSecret.*, control init, /);
  assert.equal((await farm.call('GET', '/v1/audit?action=control%20migrate')).status, 200);
});

test('a flood of refused attempts leaves few entries, and says how many there were', async () => {
  const clock = manualClock();
  await using farm = await startTestControl({ clock });
  const knock = () => farm.call('GET', '/v1/jobs', undefined, { authorization: 'Bearer fr_nothing' });
  for (let i = 0; i < 250; i += 1) assert.ok([401, 429].includes((await knock()).status));
  await until(async () => (await entries(farm)).length === 100);
  await clock.advance(10_000);
  await knock();
  await until(async () => (await entries(farm)).length === 101);
  const [newest] = await entries(farm);
  assert.deepEqual(
    [newest?.actor, newest?.action, newest?.outcome, newest?.details],
    ['unknown', 'jobs', '401', { code: 'TOKEN_INVALID', refusedBefore: 150 }],
  );
});

test('administrators read the audit log by page, actor, action, subject and time; others do not', async () => {
  const clock = manualClock();
  await using farm = await startTestControl({ clock });
  for (const id of ['a', 'b', 'c']) {
    await farm.call('POST', '/v1/nodes', { id });
    await clock.advance(60_000);
  }
  const subjects = async (query: string) =>
    (await farm.call('GET', `/v1/audit?${query}`)).body.entries.map((entry: AuditEntry) => entry.subject);
  assert.deepEqual(await subjects(''), ['c', 'b', 'a']);
  const { body } = await farm.call('GET', '/v1/audit?limit=2');
  assert.deepEqual(await subjects(`limit=2&before=${body.next}`), ['a']);
  assert.deepEqual(await subjects('subject=b'), ['b']);
  assert.deepEqual(await subjects('actor=nobody'), []);
  assert.deepEqual(await subjects(`since=${new Date(clock.now() - 90_000).toISOString()}`), ['c']);
  const { token } = await farm.newToken('submit');
  const refused = await farm.call('GET', '/v1/audit', undefined, { authorization: `Bearer ${token}` });
  assert.equal(refused.status, 403);
});

test('old entries and webhooks that are over are cleaned up, and those that wait are not', async () => {
  const clock = manualClock();
  await using farm = await startTestControl({ clock });
  const { store, webhooks } = farm.control;
  await webhooks.close();
  await farm.call('POST', '/v1/nodes', { id: 'a' });
  const at = clock.now();
  const add = {
    type: 'job.ended',
    jobId: null,
    url: 'https://example.com',
    body: '{}',
    createdAt: at,
    dueAt: at,
  };
  for (const id of ['over', 'waits']) await store.addDelivery({ ...add, id });
  await store.settleDelivery('over', {
    state: 'failed',
    at,
    status: 410,
    error: 'HTTP 410',
    dueAt: null,
    body: null,
  });
  const { signal } = new AbortController();
  clock.leap(29 * 86_400_000);
  const early = await cleanUp(farm.control, signal);
  assert.deepEqual([early.webhooks, early.audit], [0, 0]);
  clock.leap(2 * 86_400_000);
  const later = await cleanUp(farm.control, signal);
  assert.deepEqual([later.webhooks, later.audit], [1, 0]);
  clock.leap(365 * 86_400_000);
  assert.equal((await cleanUp(farm.control, signal)).audit, 1);
  assert.deepEqual(
    (await store.listDeliveries({ limit: 10 })).map(({ id }) => id),
    ['waits'],
  );
});

test('submits in quick succession are one entry that counts them, also when the control plane ends', async () => {
  const clock = manualClock();
  await using farm = await startTestControl({ clock });
  await farm.addTemplate();
  const jobs: string[] = [];
  for (let i = 0; i < 5; i += 1) jobs.push(await farm.submit());
  const found = async () =>
    (await entries(farm, 'submit')).map(({ subject, details: { token: _, ...rest } }) => ({
      subject,
      ...rest,
    }));
  const one = { subject: jobs[0], template: 'mock-template', jobs: 1 };
  await until(async () => (await found()).length === 1);
  assert.deepEqual(await found(), [one]);
  await clock.advance(1000);
  const four = { subject: jobs[4], first: jobs[1], requests: 4, template: 'mock-template', jobs: 4 };
  await until(async () => (await found()).length === 2);
  assert.deepEqual(await found(), [four, one]);
  jobs.push(await farm.submit());
  await farm.restart();
  assert.deepEqual(await found(), [{ ...one, subject: jobs[5] }, four, one]);
  await clock.advance(5000);
  const last = await farm.submit();
  await until(async () => (await found())[0]?.subject === last);
});
