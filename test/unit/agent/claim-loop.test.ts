import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { Bell } from '../../../src/agent/bell.ts';
import { openClaimJournal } from '../../../src/agent/claim-journal.ts';
import { type ClaimLoopOptions, runClaimLoop } from '../../../src/agent/claim-loop.ts';
import { FlatrenderError } from '../../../src/lib/errors.ts';
import { createLogger } from '../../../src/lib/logger.ts';
import { manualClock } from '../../helpers/manual-clock.ts';

test('a control plane that takes the registration but no claim is not asked without pause', async () => {
  const directory = await mkdtemp(join(tmpdir(), 'flatrender-claims-'));
  const clock = manualClock();
  const logger = createLogger({ level: 'silent' });
  const stop = new AbortController();
  let claims = 0;
  let registrations = 0;
  const refuse = async (): Promise<never> => {
    claims += 1;
    throw new FlatrenderError('ANSWER_UNSIGNED', 'something between changed the answer');
  };
  const options = {
    api: { claim: refuse },
    journal: await openClaimJournal(directory, clock, logger),
    clock,
    logger,
    bell: new Bell(),
    settings: () => ({ claimWaitMs: 30_000 }),
    freeSlots: () => 1,
    hasRoom: async () => true,
    onTask: () => assert.fail('there was no task'),
    onDenied: async () => {
      registrations += 1;
    },
    signal: stop.signal,
  };
  const loop = runClaimLoop(options as unknown as ClaimLoopOptions);
  try {
    await clock.advance(0);
    for (let turn = 0; turn < 50; turn += 1) await new Promise((resolve) => setImmediate(resolve));
    assert.deepEqual(
      { claims, registrations },
      { claims: 2, registrations: 2 },
      'once more after registering',
    );
    await clock.advance(120_000);
    assert.ok(claims > 2 && claims < 40, `${claims} claims in two minutes`);
  } finally {
    stop.abort(new Error('over'));
    await loop;
    await rm(directory, { recursive: true, force: true });
  }
});

test('nothing is claimed while the disk is full, and work is claimed again once it has room', async () => {
  const directory = await mkdtemp(join(tmpdir(), 'flatrender-claims-'));
  const clock = manualClock();
  const logger = createLogger({ level: 'silent' });
  const stop = new AbortController();
  let claims = 0;
  let hasRoom = false;
  const options = {
    api: {
      claim: async () => {
        claims += 1;
        return null;
      },
    },
    journal: await openClaimJournal(directory, clock, logger),
    clock,
    logger,
    bell: new Bell(),
    settings: () => ({ claimWaitMs: 30_000 }),
    freeSlots: () => 1,
    hasRoom: async () => hasRoom,
    onTask: () => assert.fail('there was no task'),
    signal: stop.signal,
  };
  const loop = runClaimLoop(options as unknown as ClaimLoopOptions);
  try {
    await clock.advance(60_000);
    assert.equal(claims, 0);
    hasRoom = true;
    await clock.advance(2000);
    assert.ok(claims > 0, 'it claims within two seconds');
  } finally {
    stop.abort(new Error('over'));
    await loop;
    await rm(directory, { recursive: true, force: true });
  }
});
