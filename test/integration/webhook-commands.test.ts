import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { Webhook } from 'standardwebhooks';
import type { AuditList } from '../../src/protocol/audit.ts';
import type { DeliveryView, WebhookTestAnswer } from '../../src/protocol/webhooks.ts';
import { runCli, runCliJson, startCli } from '../helpers/cli.ts';
import { until } from '../helpers/control.ts';
import { type LiveFarm, startLiveFarm } from '../helpers/live-farm.ts';
import { type WebhookReceiver, webhookReceiver } from '../helpers/webhook-receiver.ts';

let farm: LiveFarm;
let receiver: WebhookReceiver;

before(async () => {
  farm = await startLiveFarm({ webhooks: { allowPrivate: true } });
  receiver = await webhookReceiver();
});
after(async () => {
  await receiver?.[Symbol.asyncDispose]();
  await farm?.[Symbol.asyncDispose]();
});

const flatrender = (...args: string[]) => runCli(args, { home: farm.home });
const json = <T>(...args: string[]) => runCliJson<T>(args, { home: farm.home });

test('an operator tries a receiver, sees why it fails, and delivers again what failed', async () => {
  const good = await flatrender('webhook', 'test', receiver.url);
  assert.equal(good.exitCode, 0, good.stderr);
  assert.match(good.stdout, /^delivered: HTTP 204 in \d.* \(webhook-id w[0-9a-z]{16}\)\n$/);
  const secret = (await flatrender('webhook', 'secret')).stdout.trim();
  const call = receiver.calls[0];
  const payload = new Webhook(secret).verify(call?.body ?? '', call?.headers as Record<string, string>);
  assert.equal((payload as { type: string }).type, 'webhook.test');

  receiver.answer = (response) => response.writeHead(404).end();
  const bad = await json<WebhookTestAnswer>('webhook', 'test', receiver.url);
  assert.deepEqual(
    [bad.exitCode, bad.json.delivered, bad.json.status, bad.json.error],
    [1, false, 404, 'HTTP 404'],
  );
  const gone = await webhookReceiver();
  await gone[Symbol.asyncDispose]();
  const nowhere = gone.url;
  const nobody = await flatrender('webhook', 'test', nowhere);
  assert.equal(nobody.exitCode, 1);
  assert.match(nobody.stdout, /^not delivered: .*ECONNREFUSED/);
  const usage = await flatrender('webhook', 'test', 'ftp://example.com');
  assert.equal(usage.exitCode, 2);

  const failed = await json<{ deliveries: DeliveryView[] }>('webhook', 'list', '--failed');
  assert.deepEqual(
    failed.json.deliveries.map(({ lastStatus }) => lastStatus),
    [null, 404],
  );
  const id = bad.json.id;
  assert.match(
    (await flatrender('webhook', 'show', id)).stdout,
    /answer +HTTP 404\n\n\{"type":"webhook\.test"/,
  );

  receiver.answer = (response) => response.writeHead(200).end();
  const before = receiver.calls.length;
  assert.equal((await flatrender('webhook', 'replay', id)).stdout, `${id} queued to be sent again\n`);
  await until(() => receiver.calls.length === before + 1);
  assert.equal(receiver.calls.at(-1)?.headers['webhook-id'], id);
  await until(async () => (await farm.api.getWebhook(id)).state === 'delivered');
  const list = (await flatrender('webhook', 'list')).stdout;
  assert.match(list, new RegExp(`^${id} +delivered +1 .*HTTP 200 .*${receiver.url}$`, 'm'));
  // The other one that failed is a test.
  assert.equal((await flatrender('webhook', 'replay', '--all-failed')).stdout, 'no failed webhooks\n');
  assert.equal((await flatrender('webhook', 'replay')).exitCode, 2);
  const none = await flatrender('webhook', 'replay', 'nothing');
  assert.match(none.stderr, /there is no webhook delivery nothing\nhint: run "flatrender webhook list"/);
});

test('a change of the key prints the new one, and both are good for the time that was asked for', async () => {
  const old = (await flatrender('webhook', 'secret')).stdout.trim();
  const rotated = await flatrender('webhook', 'secret', '--rotate', '--overlap', '2d');
  assert.notEqual(rotated.stdout.trim(), old);
  assert.match(
    rotated.stderr,
    /key 2 is in use: give it to every receiver\ncalls carry a signature of key 1, too, until \d/,
  );
  receiver.answer = (response) => response.writeHead(200).end();
  await flatrender('webhook', 'test', receiver.url);
  const call = receiver.calls.at(-1);
  for (const secret of [old, rotated.stdout.trim()]) {
    new Webhook(secret).verify(call?.body ?? '', call?.headers as Record<string, string>);
  }
});

test('a hook is made, tried, listed, changed and removed by one command each', async () => {
  const added = await flatrender('hook', 'add', 'n8n', '--map', 'song.title=name', '--set', 'priority=80');
  assert.equal(added.exitCode, 0, added.stderr);
  assert.match(added.stdout, /^frh_[A-Za-z0-9_-]{43}\n$/);
  assert.match(added.stderr, new RegExp(`^POST ${farm.url}/v1/hooks/n8n\n`));
  assert.match(
    (await flatrender('hook', 'add', 'n8n')).stderr,
    /there is a hook "n8n" already\nhint: --replace/,
  );
  assert.match(
    (await flatrender('hook', 'list')).stdout,
    /^NAME .*\nn8n +any +\S.* +\/v1\/hooks\/n8n +song\.title=name +priority=80\n$/,
  );
  const tried = await flatrender('hook', 'test', 'n8n', '--data', '{"template":"nothing"}');
  assert.match(tried.stderr, /there is no template "nothing"/);
  assert.equal((await flatrender('hook', 'test', 'n8n', '--data', 'x')).exitCode, 2);
  assert.equal((await flatrender('hook', 'add', 'x', '--map', 'title')).exitCode, 2);
  const changed = await flatrender('hook', 'add', 'n8n', '--replace');
  assert.deepEqual([changed.exitCode, changed.stdout], [0, '']);
  assert.equal((await flatrender('hook', 'remove', 'n8n')).stdout, 'removed n8n\n');
});

test('control audit shows who did what, and follows', async () => {
  await flatrender('node', 'add', 'studio-9');
  const { stdout, exitCode } = await flatrender(
    'control',
    'audit',
    '--since',
    '1h',
    '--action',
    'createNode',
  );
  assert.equal(exitCode, 0);
  assert.match(
    stdout,
    /^TIME +ACTOR +ACTION +SUBJECT +OUTCOME +FROM +DETAILS\n\S+Z +test admin +createNode +studio-9 +201 +127\.0\.0\.1 /,
  );
  const { json: found } = await json<AuditList>('control', 'audit', '--subject', 'studio-9');
  assert.ok(found.entries.some(({ action }) => action === 'createNode'));
  await using following = await startCli(['control', 'audit', '--follow', '--action', 'drainNode'], {
    home: farm.home,
  });
  await flatrender('node', 'drain', 'studio-9');
  await following.waitFor(/drainNode {2}studio-9 {2}200/);
  await following.stop();
  assert.equal((await flatrender('control', 'audit', '--since', 'yesterday')).exitCode, 2);
});
