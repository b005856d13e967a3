/** Who leads, when the connection that holds the lock goes at the worst moment. */
import assert from 'node:assert/strict';
import { EventEmitter } from 'node:events';
import { test } from 'node:test';
import { setTimeout } from 'node:timers/promises';
import type { Client } from 'pg';
import { systemClock } from '../../src/lib/clock.ts';
import { FarmLink } from '../../src/store/postgres/farm-link.ts';

type Answer = (statement: string) => Promise<readonly unknown[]>;

/** A connection whose named statements are answered by the test. */
class FakeClient extends EventEmitter {
  readonly asked: string[] = [];
  readonly #answer: Answer;
  #isEnded = false;

  constructor(answer: Answer) {
    super();
    this.#answer = answer;
  }

  async query(query: string | { readonly name?: string }) {
    if (this.#isEnded) throw new Error('the connection is closed');
    const name = typeof query === 'string' ? 'session' : (query.name ?? '');
    this.asked.push(name);
    return { rows: await this.#answer(name) };
  }

  async end(): Promise<void> {
    this.#isEnded = true;
    queueMicrotask(() => this.emit('end'));
  }
}

/** A line whose connections answer one after the other as given, the last one from then on. */
function linkOf(answers: readonly Answer[]) {
  const clients: FakeClient[] = [];
  const link = new FarmLink({
    ...{ replicaId: 'a', hostname: 'host', version: '1', joins: true, clock: systemClock },
    async connect() {
      const client = new FakeClient(answers[Math.min(clients.length, answers.length - 1)] ?? assert.fail());
      clients.push(client);
      return client as unknown as Client;
    },
  });
  return { link, clients };
}

const leads =
  (isFree: boolean): Answer =>
  async (statement) =>
    statement === 'lead' ? [{ leads: isFree }] : [];

async function until(condition: () => boolean): Promise<void> {
  for (let tries = 0; !condition(); tries += 1) {
    assert.ok(tries < 1000, 'not within ten seconds');
    await setTimeout(10);
  }
}

test('a connection that got the lock and then failed does not leave a leader behind', async () => {
  const { link, clients } = linkOf([
    leads(true),
    async (statement) => {
      if (statement === 'replicas') throw new Error('canceling statement due to statement timeout');
      return leads(true)(statement);
    },
    leads(false),
  ]);
  await link.start();
  assert.equal(link.isLeader, true);
  clients[0]?.emit('error', new Error('cut'));
  assert.equal(link.isLeader, false);
  await until(() => clients[2]?.asked.includes('replicas') === true);
  assert.ok(clients[1]?.asked.includes('lead'));
  assert.ok(clients[2]?.asked.includes('lead'), 'asks anew');
  assert.equal(link.isLeader, false);
  await link.close();
});

test('a lock that is given to a connection after it was given up does not count', async () => {
  const late = Promise.withResolvers<readonly unknown[]>();
  const { link, clients } = linkOf([
    leads(false),
    async (statement) => (statement === 'lead' ? late.promise : []),
    leads(false),
  ]);
  await link.start();
  clients[0]?.emit('error', new Error('cut'));
  await until(() => clients[1]?.asked.includes('lead') === true);
  clients[1]?.emit('error', new Error('cut'));
  await until(() => clients[2]?.asked.includes('replicas') === true);
  late.resolve([{ leads: true }]);
  await setTimeout(10);
  assert.equal(link.isLeader, false);
  await link.close();
});
