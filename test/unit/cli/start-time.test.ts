import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseDuration, parseStartTime } from '../../../src/cli/start-time.ts';

const noon = new Date(2026, 2, 10, 12, 0, 0).getTime();
const at = (text: string) => parseStartTime(text, noon).getTime();

test('a clock time is the next time the clock shows it', () => {
  assert.equal(at('22:00'), new Date(2026, 2, 10, 22, 0, 0).getTime());
  assert.equal(at('06:30'), new Date(2026, 2, 11, 6, 30, 0).getTime());
  assert.equal(at('12:00'), new Date(2026, 2, 11, 12, 0, 0).getTime());
});

test('a relative time adds up', () => {
  assert.equal(at('+10m'), noon + 600_000);
  assert.equal(at('+1h30m'), noon + 5_400_000);
});

test('an ISO instant is taken as it is, without a zone as local time', () => {
  assert.equal(at('2026-03-11T00:00:00Z'), Date.parse('2026-03-11T00:00:00Z'));
  assert.equal(at('2026-03-11T08:00'), new Date(2026, 2, 11, 8, 0, 0).getTime());
});

test('anything else, and the past, is refused with the value and an example', () => {
  for (const text of ['tomorrow', '25:00', '+', '+10', '10m', '', '2026-13-01T00:00', '2026-03-11']) {
    assert.throws(() => at(text), { code: 'USAGE', hint: /22:00/ }, text);
  }
  assert.throws(() => at('2026-03-10T11:00'), { code: 'USAGE', message: /has passed/ });
});

test('lengths of time', () => {
  assert.equal(parseDuration('90d', '--expires'), 90 * 86_400_000);
  assert.throws(() => parseDuration('0s', '--expires'), { code: 'USAGE', message: /--expires: "0s"/ });
  assert.throws(() => parseDuration('1y', '--expires'), { code: 'USAGE' });
});
