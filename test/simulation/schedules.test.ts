import assert from 'node:assert/strict';
import { test } from 'node:test';
import { describeBroken } from './report.ts';
import { intruders } from './sandbox.ts';
import { playSchedules } from './schedules.ts';
import { simulate } from './simulate.ts';

const SCHEDULES = Number(process.env.FLATRENDER_TEST_SCHEDULES ?? 10_000);

test('the same seed gives the same events, and nothing asks for real time or chance', async () => {
  for (let seed = 1; seed <= 30; seed += 1) {
    const first = await simulate(seed);
    const again = await simulate(seed);
    assert.equal(again.digest, first.digest, `seed ${seed}`);
    assert.equal(again.steps, first.steps);
  }
  assert.notEqual((await simulate(1)).digest, (await simulate(2)).digest);
  assert.deepEqual([...intruders], []);
});

test(`a farm keeps its promises through ${SCHEDULES} schedules of trouble`, async (t) => {
  const summary = await playSchedules({ seed: 1, schedules: SCHEDULES, workers: 2, stopsAtFirst: true });
  const [broken] = summary.broken;
  if (broken) assert.fail(await describeBroken(broken, {}));
  assert.deepEqual([...summary.intruders], []);
  assert.equal(summary.schedules, SCHEDULES);
  // Trouble that never cost anything would prove nothing.
  for (const kind of ['claims', 'renders', 'complete', 'fail', 'release', 'expired', 'reattached'])
    assert.ok((summary.counts[kind] ?? 0) > SCHEDULES / 1000, `${kind}: ${summary.counts[kind]}`);
  t.diagnostic(
    `${summary.steps} events, ${Math.round(summary.virtualSeconds / 3600)} h: ${JSON.stringify(summary.counts)}`,
  );
});
