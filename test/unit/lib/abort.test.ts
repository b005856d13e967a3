import assert from 'node:assert/strict';
import { EventEmitter } from 'node:events';
import { test } from 'node:test';
import { onShutdownSignals, untilAborted } from '../../../src/lib/abort.ts';

test('the first signal finishes, the second aborts, the third exits', () => {
  const source = new EventEmitter();
  const steps: string[] = [];
  using _ = onShutdownSignals(
    {
      finish: (signal) => steps.push(`finish ${signal}`),
      abort: (signal) => steps.push(`abort ${signal}`),
      exit: () => steps.push('exit'),
    },
    source as never,
  );
  source.emit('SIGTERM', 'SIGTERM');
  source.emit('SIGINT', 'SIGINT');
  source.emit('SIGINT', 'SIGINT');
  assert.deepEqual(steps, ['finish SIGTERM', 'abort SIGINT', 'exit']);
});

test('nothing listens any more after disposal', () => {
  const source = new EventEmitter();
  onShutdownSignals({ finish: () => assert.fail(), abort: () => assert.fail() }, source as never)[
    Symbol.dispose
  ]();
  assert.deepEqual(source.eventNames(), []);
});

test('waiting ends with the reason of the abort, or with the result', async () => {
  const controller = new AbortController();
  assert.equal(await untilAborted(Promise.resolve(7), controller.signal), 7);
  const waiting = untilAborted(new Promise(() => undefined), controller.signal);
  controller.abort(new Error('enough'));
  await assert.rejects(waiting, /enough/);
  await assert.rejects(untilAborted(Promise.reject(new Error('unheard')), controller.signal), /enough/);
});
