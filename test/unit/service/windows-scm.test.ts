import assert from 'node:assert/strict';
import { test } from 'node:test';
import { FlatrenderError } from '../../../src/lib/errors.ts';
import { createLogger } from '../../../src/lib/logger.ts';
import {
  runAsService,
  type ServiceStatus,
  type ServiceWork,
  type StopReason,
} from '../../../src/service/windows/scm.ts';
import { manualClock } from '../../helpers/manual-clock.ts';

/** What the program was told and what Windows was told, with the means to go on. */
function service(start?: () => Promise<ServiceWork>) {
  const clock = manualClock();
  const reports: ServiceStatus[] = [];
  const stops: StopReason[] = [];
  const failures: string[] = [];
  const started = Promise.withResolvers<ServiceWork>();
  const ended = Promise.withResolvers<void>();
  let request: (reason: StopReason) => void = () => undefined;
  const work: ServiceWork = { ended: ended.promise, stop: (reason) => stops.push(reason) };
  const exitCode = runAsService({
    clock,
    logger: createLogger({ level: 'silent' }),
    manager: {
      async connect(onStop) {
        request = onStop;
      },
      report: (status) => reports.push(status),
      tellFailure: (message) => failures.push(message),
    },
    start: start ?? (() => started.promise),
  });
  const states = () => reports.map(({ state, checkPoint }) => `${state} ${checkPoint}`);
  return {
    clock,
    reports,
    states,
    stops,
    failures,
    started,
    ended,
    work,
    exitCode,
    request: (r: StopReason) => request(r),
  };
}

test('a service tells that it starts, with check points until it runs, that it stops, and that it has stopped', async () => {
  const it = service();
  await it.clock.advance(6_500);
  assert.deepEqual(it.states(), ['start-pending 1', 'start-pending 2', 'start-pending 3']);
  it.started.resolve(it.work);
  await it.clock.advance(10_000);
  assert.deepEqual(it.states().slice(3), ['running 0']);
  it.request('stop');
  await it.clock.advance(3_000);
  assert.deepEqual(it.stops, ['stop']);
  assert.deepEqual(it.states().slice(4), ['stop-pending 1', 'stop-pending 2']);
  it.ended.resolve();
  assert.equal(await it.exitCode, 0);
  await it.clock.advance(60_000);
  assert.deepEqual(it.reports.slice(6), [{ state: 'stopped', checkPoint: 0, waitHintMs: 0, exitCode: 0 }]);
});

test('the next check point comes long before Windows gives the service up', async () => {
  const it = service();
  await it.clock.advance(9_000);
  const [first] = it.reports;
  assert.ok(it.reports.length >= 4);
  assert.ok((first?.waitHintMs ?? 0) >= 3 * 3_000);
});

test('a shutdown of the machine reaches the program as one, once', async () => {
  const it = service();
  it.started.resolve(it.work);
  await it.clock.advance(0);
  it.request('shutdown');
  it.request('stop');
  await it.clock.advance(0);
  assert.deepEqual(it.stops, ['shutdown']);
  it.ended.resolve();
  assert.equal(await it.exitCode, 0);
});

test('a program that cannot start ends the service with its exit code, so that Windows tries again', async () => {
  const it = service(() =>
    Promise.reject(new FlatrenderError('CONFIG_MISSING', 'NODE_ID is not set', { hint: 'set NODE_ID' })),
  );
  assert.equal(await it.exitCode, 2);
  assert.deepEqual(it.failures, ['NODE_ID is not set\nset NODE_ID']);
  assert.deepEqual(
    it.reports.map(({ state, exitCode }) => [state, exitCode]),
    [
      ['start-pending', 0],
      ['stopped', 2],
    ],
  );
});

test('a program that fails later does so too, and a bug has the exit code of one', async () => {
  const it = service();
  it.started.resolve(it.work);
  await it.clock.advance(0);
  it.ended.reject(new TypeError('undefined is not a function'));
  assert.equal(await it.exitCode, 70);
  assert.equal(it.reports.at(-1)?.exitCode, 70);
});
