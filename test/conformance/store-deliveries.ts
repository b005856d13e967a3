import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { DeliveryOutcome, DeliveryRecord, NewDelivery } from '../../src/store/deliveries.ts';
import type { Store } from '../../src/store/store.ts';
import {
  claimOne,
  crash,
  fence,
  hopeless,
  newJob,
  nodes,
  type OpenStore,
  policy,
  refused,
  result,
} from './store-samples.ts';

const WEBHOOK = 'https://hooks.example.com:8443/done?x=1';

function delivery(id: string, changes: Partial<NewDelivery> = {}): NewDelivery {
  return {
    id,
    type: 'test',
    jobId: null,
    url: WEBHOOK,
    body: '{}',
    createdAt: 1000,
    dueAt: 1000,
    ...changes,
  };
}

function outcome(changes: Partial<DeliveryOutcome> = {}): DeliveryOutcome {
  return { state: 'waiting', at: 2000, status: 500, error: 'HTTP 500', dueAt: 7000, body: null, ...changes };
}

async function all(store: Store): Promise<readonly DeliveryRecord[]> {
  return store.listDeliveries({ limit: 1000 });
}

async function due(store: Store, now: number, exceptHosts?: readonly string[]): Promise<string[]> {
  const { deliveries } = await store.takeDeliveries(now, now + 60_000, 100, exceptHosts);
  return deliveries.map(({ id }) => id);
}

/** Webhooks that wait and those that were delivered. */
export function deliveryTests(open: () => Promise<OpenStore>): void {
  test('the end of a job with a webhook leaves exactly one delivery, whichever way it ends', async () => {
    await using opened = await open();
    const { store } = opened;
    await nodes(store, 'a');
    const ids: string[] = [];
    /** Submits a job and claims its task. */
    const start = async (outputs = 1) => {
      const job = newJob({ webhook: WEBHOOK, outputs });
      await store.submit([job]);
      const task = await claimOne(store, 'a');
      assert.equal(task.jobId, job.id);
      return { job, task };
    };

    const first = await start();
    await store.complete(fence(first.task), result, policy, 3000);
    await store.complete(fence(first.task), result, policy, 3001); // again: no second one
    ids.push(`job.ended.${first.job.id}.3000`);

    const second = await start();
    await store.fail(fence(second.task), hopeless, policy, 3100);
    ids.push(`job.ended.${second.job.id}.3100`);

    const third = await start(2);
    await store.complete(fence(third.task), result, policy, 3150); // one of two: not over yet
    await store.cancelJob(third.job.id, 3200);
    ids.push(`job.ended.${third.job.id}.3200`);

    const fourth = await start();
    await store.expireLeases(1_000_000, { ...policy, maxLosses: 1 });
    ids.push(`job.ended.${fourth.job.id}.1000000`);

    const quiet = newJob();
    await store.submit([quiet]);
    await store.cancelJob(quiet.id, 3300);
    const retried = await start();
    await store.fail(fence(retried.task), crash, policy, 3400); // will be tried again: not over
    await store.removeNode('a', 3500);

    assert.deepEqual((await all(store)).map(({ id }) => id).sort(), [...ids].sort());
    const reopened = await opened.reopen();
    assert.deepEqual(await reopened.getDelivery(ids[0] ?? ''), {
      id: ids[0],
      type: 'job.ended',
      jobId: first.job.id,
      url: WEBHOOK,
      body: null,
      createdAt: 3000,
      dueAt: 3000,
      state: 'waiting',
      attempts: 0,
      lastAttemptAt: null,
      lastStatus: null,
      lastError: null,
      endedAt: null,
    });
  });

  test('a job that is run again and ends again is told again', async () => {
    await using opened = await open();
    const { store } = opened;
    await nodes(store, 'a');
    const job = newJob({ webhook: WEBHOOK });
    await store.submit([job]);
    await store.fail(fence(await claimOne(store, 'a')), hopeless, policy, 3000);
    await store.retryJob(job.id, 3500);
    await store.complete(fence(await claimOne(store, 'a')), result, policy, 4000);
    assert.deepEqual(
      (await store.listDeliveries({ jobId: job.id, limit: 10 })).map(({ id }) => id),
      [`job.ended.${job.id}.4000`, `job.ended.${job.id}.3000`],
    );
  });

  test('a delivery is given out once until its time is up, the longest due first', async () => {
    await using opened = await open();
    const { store } = opened;
    await store.addDelivery(delivery('late', { dueAt: 9000 }));
    await store.addDelivery(delivery('second', { dueAt: 1500 }));
    await store.addDelivery(delivery('first', { dueAt: 1000 }));
    await store.addDelivery(delivery('third', { dueAt: 2000 }));
    const taken = await store.takeDeliveries(2000, 5000, 2);
    assert.deepEqual(
      taken.deliveries.map(({ id, dueAt }) => [id, dueAt]),
      [
        ['first', 5000],
        ['second', 5000],
      ],
    );
    assert.equal(taken.nextAt, 2000);
    assert.deepEqual(await due(store, 2000), ['third']);
    assert.deepEqual(await store.takeDeliveries(4999, 6000, 10), { deliveries: [], nextAt: 5000 });
    // Nobody settled them: the one who had them is gone.
    assert.deepEqual((await due(store, 5000)).sort(), ['first', 'second']);
  });

  test('two that take at once never get the same', async () => {
    await using opened = await open();
    const { store } = opened;
    for (let i = 0; i < 20; i += 1) await store.addDelivery(delivery(`d${i}`));
    const rounds = await Promise.all(Array.from({ length: 5 }, () => store.takeDeliveries(2000, 60_000, 6)));
    const ids = rounds.flatMap(({ deliveries }) => deliveries.map(({ id }) => id));
    assert.equal(ids.length, 20);
    assert.equal(new Set(ids).size, 20);
  });

  test('hosts that are left out hold up no other', async () => {
    await using opened = await open();
    const { store } = opened;
    await store.addDelivery(delivery('dead', { dueAt: 500 }));
    await store.addDelivery(delivery('other-port', { url: 'https://hooks.example.com/done', dueAt: 600 }));
    await store.addDelivery(delivery('alive', { url: 'http://[::1]:5678/x', dueAt: 700 }));
    assert.deepEqual(await due(store, 1000, ['hooks.example.com:8443']), ['other-port', 'alive']);
    assert.deepEqual(await due(store, 1000), ['dead']);
  });

  test('a try is counted and remembered; what is over is not given out, nor changed by a late answer', async () => {
    await using opened = await open();
    const { store } = opened;
    await store.addDelivery(delivery('a', { body: null }));
    const waiting = await store.settleDelivery('a', outcome({ body: '{"type":"test"}' }));
    assert.deepEqual(waiting, {
      ...delivery('a', { body: '{"type":"test"}', dueAt: 7000 }),
      state: 'waiting',
      attempts: 1,
      lastAttemptAt: 2000,
      lastStatus: 500,
      lastError: 'HTTP 500',
      endedAt: null,
    });
    assert.deepEqual(await due(store, 6999), []);
    const sent = await store.settleDelivery(
      'a',
      outcome({ state: 'delivered', at: 7100, status: 204, error: null, dueAt: null }),
    );
    assert.deepEqual(
      { ...sent, dueAt: 0 },
      {
        ...waiting,
        state: 'delivered',
        attempts: 2,
        lastAttemptAt: 7100,
        lastStatus: 204,
        lastError: null,
        endedAt: 7100,
        dueAt: 0,
      },
    );
    assert.deepEqual(await store.settleDelivery('a', outcome({ at: 8000 })), sent);
    assert.deepEqual(await store.takeDeliveries(1_000_000, 2_000_000, 10), { deliveries: [], nextAt: null });
    await refused(store.settleDelivery('none', outcome()), 'DELIVERY_NOT_FOUND');
    assert.equal(await store.getDelivery('none'), null);
  });

  test('replayed, a delivery is due at once with all its tries, and sends the same', async () => {
    await using opened = await open();
    const { store } = opened;
    await store.addDelivery(delivery('a', { body: 'x' }));
    await store.settleDelivery(
      'a',
      outcome({ state: 'failed', status: 410, error: 'HTTP 410', dueAt: null }),
    );
    const again = await store.replayDelivery('a', 9000);
    assert.equal(again.state, 'waiting');
    assert.equal(again.attempts, 0);
    assert.equal(again.endedAt, null);
    assert.equal(again.dueAt, 9000);
    assert.equal(again.body, 'x');
    assert.equal(again.lastStatus, 410);
    assert.deepEqual(await due(store, 9000), ['a']);
    await refused(store.replayDelivery('none', 1), 'DELIVERY_NOT_FOUND');
  });

  test('the same id twice is one delivery', async () => {
    await using opened = await open();
    const { store } = opened;
    const first = await store.addDelivery(delivery('a'));
    assert.deepEqual(await store.addDelivery(delivery('a', { url: 'https://other.example.com' })), first);
    assert.equal((await all(store)).length, 1);
  });

  test('deliveries are listed newest first, by state and by job, and purged once they are old and over', async () => {
    await using opened = await open();
    const { store } = opened;
    for (const [i, id] of ['a', 'b', 'c', 'd'].entries()) {
      await store.addDelivery(delivery(id, { createdAt: 1000 + i, jobId: i < 2 ? 'j1' : null }));
    }
    const over = { state: 'delivered', status: 200, error: null, dueAt: null } as const;
    await store.settleDelivery('a', outcome({ ...over, at: 5000 }));
    await store.settleDelivery('b', outcome({ ...over, state: 'failed', at: 6000 }));
    const listed = async (filter: Partial<Parameters<Store['listDeliveries']>[0]>) =>
      (await store.listDeliveries({ limit: 10, ...filter })).map(({ id }) => id);
    assert.deepEqual(await listed({}), ['d', 'c', 'b', 'a']);
    assert.deepEqual(await listed({ limit: 2 }), ['d', 'c']);
    assert.deepEqual(await listed({ state: 'waiting' }), ['d', 'c']);
    assert.deepEqual(await listed({ jobId: 'j1', state: 'failed' }), ['b']);
    assert.equal(await store.purgeDeliveries(5000, 10), 0);
    assert.equal(await store.purgeDeliveries(1_000_000, 1), 1);
    assert.deepEqual(await listed({}), ['d', 'c', 'b']);
    assert.equal(await store.purgeDeliveries(1_000_000, 10), 1);
    assert.deepEqual(await listed({}), ['d', 'c']);
  });
}
