import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  isAway,
  isPoolTimeout,
  isStale,
  isUncommitted,
  PoolBusy,
  toStoreError,
} from '../../../src/store/postgres/database-error.ts';

const waited = new Error('timeout exceeded when trying to connect');

function failed(code: string, message: string): Error {
  return Object.assign(new Error(message), { code });
}

test('a pool that is only busy: nothing happened, and the database is there', () => {
  const busy = new PoolBusy(10, waited);
  assert.equal(isAway(busy), false);
  assert.equal(isUncommitted(busy), true);
  const { code, message, hint, retryable } = toStoreError(busy, 'db/farm');
  assert.deepEqual([code, retryable], ['UNAVAILABLE', true]);
  assert.equal(message, 'too much at once for the database db/farm: all 10 connections are in use');
  assert.match(hint ?? '', /raise pool=/);
  // Why nobody got a connection is not in the driver's words.
  assert.equal(isPoolTimeout(waited), true);
  assert.equal(isAway(waited), true);
});

test('a statement that became stale is tried again on another connection; what a server cannot do is not', () => {
  for (const stale of [
    failed('0A000', 'cached plan must not change result type'),
    failed('26000', 'prepared statement "token" does not exist'),
  ]) {
    assert.deepEqual([isStale(stale), isUncommitted(stale), isAway(stale)], [true, true, false]);
    const { code, message, retryable } = toStoreError(stale, 'db/farm');
    assert.deepEqual([code, retryable], ['UNAVAILABLE', true]);
    assert.equal(message, `the database db/farm forgot a statement: ${stale.message}`);
  }
  const unable = failed('0A000', 'FOR UPDATE is not allowed with aggregate functions');
  assert.deepEqual([isStale(unable), isUncommitted(unable)], [false, false]);
  assert.equal(toStoreError(unable, 'db/farm').code, 'STORE_FAILED');
});
