import assert from 'node:assert/strict';
import { test } from 'node:test';
import { nextDelay, retryAfterMs } from '../../src/control/webhook-schedule.ts';

const HOUR = 3_600_000;

test('ten tries are spread over three days, later ones further apart', () => {
  const delays = Array.from({ length: 10 }, (_, i) => nextDelay(i + 1, null, 0));
  assert.deepEqual(delays.slice(0, 3), [5000, 300_000, 1_800_000]);
  assert.equal(delays[9], null, 'after the tenth there is none');
  const total = delays.reduce<number>((sum, delay) => sum + (delay ?? 0), 0);
  assert.ok(total > 75 * HOUR && total < 76 * HOUR, `${total / HOUR} h`);
  assert.equal(nextDelay(4, null, 1), 2 * HOUR * 1.2);
});

test('a receiver can ask for more patience than planned, not for less, and not for ever', () => {
  assert.equal(nextDelay(1, 60_000, 0), 60_000);
  assert.equal(nextDelay(2, 1000, 0), 300_000);
  assert.equal(nextDelay(1, 1e12, 0), 24 * HOUR);
  assert.equal(nextDelay(10, 60_000, 0), null);
});

test('Retry-After is seconds or a date; anything else is nothing', () => {
  const now = Date.parse('2026-01-28T10:30:00Z');
  assert.equal(retryAfterMs('120', now), 120_000);
  assert.equal(retryAfterMs('Wed, 28 Jan 2026 10:31:00 GMT', now), 60_000);
  assert.equal(retryAfterMs('Wed, 28 Jan 2026 10:29:00 GMT', now), 0);
  for (const header of ['soon', '', '-5', '1e9', '99999999999', undefined]) {
    const found = retryAfterMs(header, now);
    assert.ok(found === null || (Number.isFinite(found) && found >= 0), `${header}: ${found}`);
  }
  assert.equal(retryAfterMs('soon', now), null);
});
