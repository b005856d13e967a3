import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import { BUGS } from './bugs.ts';
import { INVARIANTS } from './oracle.ts';
import { simulate } from './simulate.ts';

// Each is found within the first few dozen; the rest is room for changes that shift which seed it is.
const SCHEDULES = 400;

suite('a bug that is put in by hand is found', { concurrency: 1 }, () => {
  for (const bug of BUGS) {
    const names = bug.breaks.map((each) => INVARIANTS[each]);
    test(`${bug.name}: not "${names[0]}"`, async (t) => {
      for (let seed = 1; seed <= SCHEDULES; seed += 1) {
        const { violation } = await simulate(seed, { ...bug.choice, store: 'memory', bug });
        if (violation === null) continue;
        assert.ok(
          names.some((name) => name === violation.invariant),
          `seed ${seed} broke another promise: ${violation.invariant}: ${violation.message}`,
        );
        t.diagnostic(`seed ${seed}: ${violation.message}`);
        const without = await simulate(seed, { ...bug.choice, store: 'memory' });
        assert.equal(without.violation, null, 'the same schedule without the bug is fine');
        return;
      }
      assert.fail(`not found within ${SCHEDULES} schedules`);
    });
  }
});
