import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Clock } from '../../../src/lib/clock.ts';
import { FlatrenderError } from '../../../src/lib/errors.ts';
import { enrolMachine, NoAnswer, type TunnelKeyName } from '../../../src/setup/join/enrol-machine.ts';

const enrolled = { node: 'studio-1', secret: 's', meshAddress: '10.66.0.11' };
const silent = new FlatrenderError('UNREACHABLE', 'no answer', {
  details: { cause: 'UND_ERR_CONNECT_TIMEOUT' },
});
const refused = new FlatrenderError('UNREACHABLE', 'nothing listens', { details: { cause: 'ECONNREFUSED' } });

/** Tries that end at once, 5 s each by the clock; pauses take no time either. Which key each try used. */
async function tries(
  outcomes: readonly (FlatrenderError | null)[],
  options: { switchesLive?: boolean; key?: TunnelKeyName; timeoutMs?: number } = {},
): Promise<{ keys: string[]; error: unknown }> {
  let now = 0;
  const clock: Clock = {
    now: () => now,
    after(ms, callback) {
      // The limit of a try is never reached; a pause is over at once.
      if (ms > 1000) return () => {};
      now += ms;
      queueMicrotask(callback);
      return () => {};
    },
  };
  const keys: string[] = [];
  let key: TunnelKeyName = options.key ?? 'temporary';
  const error = await enrolMachine({
    enrol: async () => {
      const outcome = outcomes[keys.length];
      keys.push(key);
      now += 5_000;
      if (outcome === null) return enrolled;
      throw outcome ?? silent;
    },
    tunnel: {
      key,
      useKey: async (name) => {
        key = name;
      },
      switchesLive: options.switchesLive ?? true,
    },
    clock,
    signal: new AbortController().signal,
    timeoutMs: options.timeoutMs ?? 120_000,
    say: () => {},
  }).then(
    () => null,
    (thrown: unknown) => thrown,
  );
  return { keys, error };
}

test('silence makes the other key have its turn, until one gets an answer', async () => {
  const { keys, error } = await tries([silent, silent, silent, null]);
  assert.deepEqual(keys, ['temporary', 'own', 'temporary', 'own']);
  assert.equal(error, null);
});

test('a connection that is refused was a connection: the key stays', async () => {
  const unavailable = new FlatrenderError('UNAVAILABLE', 'a proxy answered 502');
  const { keys, error } = await tries([refused, unavailable, refused, null]);
  assert.deepEqual(keys, ['temporary', 'temporary', 'temporary', 'temporary']);
  assert.equal(error, null);
});

test('where another key means another adapter, each has 20 seconds', async () => {
  const { keys } = await tries([silent, silent, silent, silent, silent, null], { switchesLive: false });
  assert.deepEqual(keys, ['temporary', 'temporary', 'temporary', 'temporary', 'own', 'own']);
});

test('a refusal ends it at once', async () => {
  const used = new FlatrenderError('INVITATION_USED', 'used by render-07');
  const { keys, error } = await tries([silent, used]);
  assert.deepEqual([keys, error], [['temporary', 'own'], used]);
});

test('it ends in time, with what the last try failed with', async () => {
  const { keys, error } = await tries([silent, silent, refused], { timeoutMs: 16_000 });
  assert.equal(keys.length, 3);
  assert.ok(error instanceof NoAnswer);
  assert.equal(error.cause, refused);
});
