import assert from 'node:assert/strict';
import { test } from 'node:test';
import { FlatrenderError } from '../../../src/lib/errors.ts';
import { isRetryable, parseRetryAfter, retry, retryDelay } from '../../../src/lib/retry.ts';
import { manualClock } from '../../helpers/manual-clock.ts';

const unreachable = (details?: Record<string, unknown>) =>
  new FlatrenderError('UNREACHABLE', 'away', { details });

test('pauses grow from 0.5 s to 30 s and are spread over the whole range', () => {
  const longest = (attempt: number) => retryDelay(attempt, undefined, () => 0.999_999);
  assert.deepEqual(
    [1, 2, 3, 4, 5, 6, 7, 8, 100].map(longest),
    [500, 1000, 2000, 4000, 8000, 16_000, 30_000, 30_000, 30_000],
  );
  assert.equal(
    retryDelay(7, undefined, () => 0.5),
    15_000,
  );
  assert.equal(
    retryDelay(7, undefined, () => 0),
    50,
  );
});

test('a pause is never shorter than what the server asked for', () => {
  assert.equal(
    retryDelay(1, unreachable({ retryAfterMs: 7000 }), () => 0),
    7000,
  );
  assert.equal(
    retryDelay(1, unreachable({ retryAfterMs: 'soon' }), () => 0),
    50,
  );
  assert.equal(
    retryDelay(1, unreachable({ retryAfterMs: 1e12 }), () => 0),
    300_000,
  );
});

test('Retry-After is understood as seconds and as a date', () => {
  const now = Date.parse('2026-01-28T10:30:00Z');
  assert.equal(parseRetryAfter('3', now), 3000);
  assert.equal(parseRetryAfter('Wed, 28 Jan 2026 10:30:10 GMT', now), 10_000);
  assert.equal(parseRetryAfter('Wed, 28 Jan 2026 10:29:00 GMT', now), 0);
  for (const nonsense of [undefined, 'later', '', ['1', '2']])
    assert.equal(parseRetryAfter(nonsense, now), undefined);
});

test('only retryable errors are tried again, and an aborted call is none of them', async () => {
  const clock = manualClock();
  for (const error of [
    new FlatrenderError('LEASE_LOST', 'gone'),
    new FlatrenderError('ABORTED', 'stop'),
    new Error('a bug'),
  ]) {
    assert.equal(isRetryable(error), false);
    let calls = 0;
    const failing = async () => {
      calls += 1;
      throw error;
    };
    await assert.rejects(retry(failing, { clock }), (thrown) => thrown === error);
    assert.equal(calls, 1);
  }
});

test('work is repeated until it succeeds, with a pause before each repetition', async () => {
  const clock = manualClock();
  const delays: number[] = [];
  const result = retry(
    async (attempt) => {
      if (attempt < 4) throw unreachable();
      return attempt;
    },
    { clock, random: () => 0.5, onRetry: (_, delayMs) => delays.push(delayMs) },
  );
  await clock.advance(10_000);
  assert.equal(await result, 4);
  assert.deepEqual(delays, [250, 500, 1000]);
});

test('the last error is thrown when the tries are used up', async () => {
  const clock = manualClock();
  let calls = 0;
  const result = retry(
    async () => {
      calls += 1;
      throw unreachable();
    },
    { clock, tries: 3 },
  );
  result.catch(() => undefined);
  await clock.advance(60_000);
  await assert.rejects(result, { code: 'UNREACHABLE' });
  assert.equal(calls, 3);
});

test('an abort ends the pause at once with its own reason', async () => {
  const clock = manualClock();
  const controller = new AbortController();
  const reason = new FlatrenderError('ABORTED', 'the agent stops');
  const result = retry(() => Promise.reject(unreachable()), { clock, signal: controller.signal });
  result.catch(() => undefined);
  await clock.advance(0);
  controller.abort(reason);
  await assert.rejects(result, (thrown) => thrown === reason);
  assert.equal(clock.pending, 0);
});
