import assert from 'node:assert/strict';
import { Writable } from 'node:stream';
import { test } from 'node:test';
import { FlatrenderError } from '../../../src/lib/errors.ts';
import { createLogger } from '../../../src/lib/logger.ts';

function capture(options: { level?: 'debug' | 'info' | 'silent'; text?: boolean } = {}) {
  let text = '';
  const stream = new Writable({
    write(chunk, _, done) {
      text += chunk;
      done();
    },
  });
  return {
    logger: createLogger({ ...options, stream }),
    text: () => text,
    lines: () =>
      text
        .trim()
        .split('\n')
        .map((line) => JSON.parse(line)),
  };
}

test('a line has time, level, event name and its fields; children add theirs', () => {
  const { logger, lines } = capture();
  logger.child({ nodeId: 'studio-1' }).info('lease.expired', { taskId: 'j1.0' });
  const [line] = lines();
  assert.match(line.time, /^\d{4}-\d\d-\d\dT/);
  assert.deepEqual(
    { ...line, time: '' },
    { level: 'info', time: '', nodeId: 'studio-1', taskId: 'j1.0', event: 'lease.expired' },
  );
});

test('the level decides what is written', () => {
  const quiet = capture({ level: 'info' });
  quiet.logger.debug('x.y');
  assert.equal(quiet.text(), '');
  assert.equal(quiet.logger.isEnabled('debug'), false);
  const silent = capture({ level: 'silent' });
  silent.logger.error('x.y');
  assert.equal(silent.text(), '');
});

test('an expected error is logged with code and hint, a bug with its stack', () => {
  const { logger, lines } = capture();
  logger.warn('a.b', { error: new FlatrenderError('JOB_NOT_FOUND', 'no job', { hint: 'look' }) });
  logger.error('a.b', { error: new TypeError('bug') });
  const [expected, bug] = lines();
  assert.deepEqual(expected.error, {
    code: 'JOB_NOT_FOUND',
    message: 'no job',
    hint: 'look',
    retryable: false,
  });
  assert.match(bug.error.stack, /logger\.test/);
});

test('secrets do not reach the log, wherever they are', () => {
  const token = `fr_${'a'.repeat(43)}`;
  for (const text of [false, true]) {
    const { logger, text: written } = capture({ text });
    logger.info('a.b', {
      token: 'hidden-1',
      nested: { secret: 'hidden-2' },
      url: 'http://x/o?sig=hidden-3&size=1',
    });
    logger.info('a.b', {
      message: `Authorization: Bearer ${token} NODE_HMAC_SECRET=hidden-4`,
      error: new Error(`bad ${token}`),
    });
    assert.ok(!/hidden-\d|aaaa/.test(written()), written());
    assert.ok(written().includes('size=1'));
  }
});

test('on a terminal lines are text with the event in front', () => {
  const { logger, text } = capture({ text: true });
  logger.info('lease.expired', { taskId: 'j1.0' });
  assert.match(text(), /^\[\d\d:\d\d:\d\d\] INFO: lease\.expired .*j1\.0/);
});
