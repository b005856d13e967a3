import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import {
  CPU_STRETCH,
  type Expiry,
  Watchdog,
  watchLimits,
} from '../../../src/engines/aerender/report/watchdog.ts';
import { manualClock } from '../../helpers/manual-clock.ts';

const LIMITS = { launch: 60_000, bind: 40_000, 'first-frame': 100_000, frame: 30_000, encode: 20_000 };

function watched() {
  const clock = manualClock();
  const expiries: Expiry[] = [];
  const watchdog = new Watchdog({ clock, limits: LIMITS, onExpired: (expiry) => expiries.push(expiry) });
  return { clock, expiries, watchdog };
}

describe('the watchdog', () => {
  test('bites once, at its limit, and says what it knew', async () => {
    const { clock, expiries, watchdog } = watched();
    watchdog.enter('launch');
    await clock.advance(5000);
    watchdog.alive('output');
    await clock.advance(10_000);
    watchdog.enter('frame');
    await clock.advance(29_900);
    assert.equal(expiries.length, 0);
    await clock.advance(100);
    const expiry = {
      phase: 'frame',
      limitMs: 30_000,
      silentMs: 30_000,
      lastSigns: { output: 40_000, file: null, cpu: null },
    };
    assert.deepEqual(expiries, [expiry]);
    assert.deepEqual(watchdog.expiry, expiry);
    await clock.advance(500_000);
    watchdog.enter('encode');
    watchdog.alive('output');
    await clock.advance(500_000);
    assert.equal(expiries.length, 1);
    assert.equal(clock.pending, 0);
  });

  for (const [phase, limitMs] of Object.entries(LIMITS)) {
    test(`has the limit of its phase: ${phase}`, async () => {
      const { clock, expiries, watchdog } = watched();
      watchdog.enter(phase as keyof typeof LIMITS);
      await clock.advance(limitMs - 1);
      assert.equal(expiries.length, 0);
      await clock.advance(1);
      assert.equal(expiries[0]?.phase, phase);
      assert.equal(expiries[0]?.limitMs, limitMs);
    });
  }

  for (const sign of ['output', 'file'] as const) {
    test(`never bites while there is ${sign}`, async () => {
      const { clock, expiries, watchdog } = watched();
      watchdog.enter('frame');
      for (let round = 0; round < 50; round++) {
        await clock.advance(29_000);
        watchdog.alive(sign);
      }
      assert.equal(expiries.length, 0);
    });
  }

  test('processor time stretches a limit, but not for ever', async () => {
    const { clock, expiries, watchdog } = watched();
    watchdog.enter('frame');
    let passed = 0;
    while (expiries.length === 0 && passed < 1_000_000) {
      await clock.advance(5000);
      passed += 5000;
      watchdog.alive('cpu');
    }
    assert.equal(passed, LIMITS.frame * CPU_STRETCH);
    assert.equal(expiries[0]?.silentMs, LIMITS.frame * CPU_STRETCH);
    assert.equal(expiries[0]?.limitMs, LIMITS.frame);
  });

  test('processor time that ends is silence from then on', async () => {
    const { clock, expiries, watchdog } = watched();
    watchdog.enter('frame');
    await clock.advance(20_000);
    watchdog.alive('cpu');
    await clock.advance(29_000);
    assert.equal(expiries.length, 0);
    await clock.advance(1000);
    assert.equal(expiries[0]?.silentMs, 50_000);
    assert.deepEqual(expiries[0]?.lastSigns, { output: null, file: null, cpu: 30_000 });
  });

  test('a line after processor time begins all anew', async () => {
    const { clock, expiries, watchdog } = watched();
    watchdog.enter('frame');
    for (let round = 0; round < 10; round++) {
      for (let step = 0; step < 8; step++) {
        await clock.advance(10_000);
        watchdog.alive('cpu');
      }
      watchdog.alive('output');
    }
    assert.equal(expiries.length, 0);
  });

  test('a phase begins with its whole limit, the same one again is nothing new', async () => {
    const { clock, expiries, watchdog } = watched();
    watchdog.enter('launch');
    await clock.advance(59_000);
    watchdog.enter('bind');
    await clock.advance(30_000);
    watchdog.enter('bind');
    await clock.advance(9000);
    assert.equal(expiries.length, 0);
    await clock.advance(1000);
    assert.equal(expiries[0]?.phase, 'bind');
  });

  test('a machine that slept is not silent for that long', async () => {
    const { clock, expiries, watchdog } = watched();
    watchdog.enter('frame');
    await clock.advance(10_000);
    clock.leap(8 * 3_600_000);
    await clock.advance(15_000);
    assert.equal(expiries.length, 0);
    watchdog.alive('output');
    clock.leap(3_600_000);
    await clock.advance(28_000);
    assert.equal(expiries.length, 0);
    await clock.advance(2000);
    assert.equal(expiries.length, 1);
  });

  test('a clock that is set back does not keep it from biting', async () => {
    const { clock, expiries, watchdog } = watched();
    watchdog.enter('frame');
    await clock.advance(10_000);
    clock.leap(-86_400_000);
    await clock.advance(22_000);
    assert.equal(expiries.length, 1);
    assert.ok((expiries[0]?.silentMs ?? 0) >= 30_000);
  });

  test('does nothing before its first phase and after its end', async () => {
    const { clock, expiries, watchdog } = watched();
    watchdog.alive('output');
    await clock.advance(500_000);
    {
      using ended = watchdog;
      ended.enter('launch');
      await clock.advance(1000);
    }
    assert.equal(clock.pending, 0);
    await clock.advance(500_000);
    watchdog.alive('output');
    assert.equal(expiries.length, 0);
  });
});

test('the template’s limits win over those of the node, longer or shorter', () => {
  const node = { launch: 120, bind: 300, firstFrame: 600, frame: 300, encode: 900 };
  assert.deepEqual(watchLimits(node), {
    launch: 120_000,
    bind: 300_000,
    'first-frame': 600_000,
    frame: 300_000,
    encode: 900_000,
  });
  assert.deepEqual(watchLimits(node, { frame: 1200, launch: 0.5 }), {
    launch: 500,
    bind: 300_000,
    'first-frame': 600_000,
    frame: 1_200_000,
    encode: 900_000,
  });
});
