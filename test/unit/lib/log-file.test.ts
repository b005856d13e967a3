import assert from 'node:assert/strict';
import { closeSync, mkdtempSync, openSync, readFileSync, rmSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { limitLogFile } from '../../../src/lib/log-file.ts';
import { createLogger } from '../../../src/lib/logger.ts';
import { manualClock } from '../../helpers/manual-clock.ts';

const logger = createLogger({ level: 'silent' });

test('a log file that has grown too large is turned over and written on; the one before goes', async () => {
  const directory = mkdtempSync(join(tmpdir(), 'flatrender-log-'));
  const path = join(directory, 'control.log');
  const descriptor = openSync(path, 'a');
  const clock = manualClock();
  try {
    using _limit = limitLogFile({ clock, logger, path, descriptor, maxBytes: 10 });
    const read = (suffix = '') => readFileSync(path + suffix, 'utf8');
    for (const line of ['first and long\n', 'second and long\n']) {
      writeSync(descriptor, line);
      assert.equal(read(), line);
      await clock.advance(5001);
      assert.deepEqual([read(), read('.1')], ['', line]);
    }
    writeSync(descriptor, 'short\n');
    await clock.advance(5001);
    assert.deepEqual([read(), read('.1')], ['short\n', 'second and long\n']);
  } finally {
    closeSync(descriptor);
    rmSync(directory, { recursive: true });
  }
  assert.equal(clock.pending, 0);
});

test('a file that the program does not write to is left alone', async () => {
  const directory = mkdtempSync(join(tmpdir(), 'flatrender-log-'));
  const [path, other] = [join(directory, 'control.log'), join(directory, 'other.log')];
  const [first, second] = [openSync(path, 'a'), openSync(other, 'a')];
  const clock = manualClock();
  try {
    writeSync(first, 'somebody else’s lines\n');
    using _limit = limitLogFile({ clock, logger, path, descriptor: second, maxBytes: 10 });
    using _none = limitLogFile({
      clock,
      logger,
      path: join(directory, 'gone.log'),
      descriptor: second,
      maxBytes: 10,
    });
    await clock.advance(20_000);
    assert.equal(readFileSync(path, 'utf8'), 'somebody else’s lines\n');
  } finally {
    closeSync(first);
    closeSync(second);
    rmSync(directory, { recursive: true });
  }
});
