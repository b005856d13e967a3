import assert from 'node:assert/strict';
import { test } from 'node:test';
import { defaultControlConfig } from '../../src/config/control-schema.ts';
import { deriveJobState, jobProgress } from '../../src/jobs/job-state.ts';
import { afterFailure, afterSuccess, NO_STREAKS, type NodeTrust } from '../../src/jobs/node-streaks.ts';
import { isRetryable, lostTooOften } from '../../src/jobs/retry-policy.ts';
import {
  applyTaskEvent,
  isRepeated,
  isTaskOver,
  type TaskEvent,
  type TaskEventType,
  type TaskFacts,
} from '../../src/jobs/task-state-machine.ts';
import { AttemptOutcome, TaskState } from '../../src/protocol/jobs.ts';

const { retries: policy } = defaultControlConfig();

const EVENTS: Record<TaskEventType, TaskEvent> = {
  ready: { type: 'ready' },
  claim: { type: 'claim' },
  complete: { type: 'complete' },
  fail: { type: 'fail', retryable: true, policy },
  release: { type: 'release' },
  expire: { type: 'expire', policy },
  reattach: { type: 'reattach' },
  cancel: { type: 'cancel' },
  retry: { type: 'retry', due: true },
};

/**
 * Every state × event. The columns are in the order of EVENTS; `.` is refused. Otherwise: next state, outcome of the newest
 * attempt, and what changed of epoch (e), failures (f), losses (l).
 */
// biome-ignore format: a table
const EXPECTED: Record<string, string> = {
  //                       ready          claim            complete             fail                      release                   expire           reattach          cancel               retry
  'blocked null':         'queued/-      .                .                    .                         .                         .                .                 cancelled/-          .',
  'queued null':          '.             running/-/e+1    .                    .                         .                         .                .                 cancelled/-          .',
  'queued lost':          '.             running/-/e+1    succeeded/succeeded/l-1 queued/failed/f+1l-1   queued/interrupted/l-1    .                running/-/l-1     cancelled/cancelled  .',
  'queued failed':        '.             running/-/e+1    .                    .                         .                         .                .                 cancelled/failed     .',
  'queued interrupted':   '.             running/-/e+1    .                    .                         .                         .                .                 cancelled/interrupted .',
  'queued cancelled':     '.             running/-/e+1    .                    .                         .                         .                .                 cancelled/cancelled  .',
  'running null':         '.             .                succeeded/succeeded  queued/failed/f+1         queued/interrupted        queued/lost/l+1  running/-         cancelled/cancelled  .',
  'succeeded succeeded':  '.             .                .                    .                         .                         .                .                 .                    .',
  'failed failed':        '.             .                .                    .                         .                         .                .                 .                    queued/failed/f-1l-2',
  'failed lost':          '.             .                .                    .                         .                         .                .                 .                    queued/lost/f-1l-2',
  'cancelled cancelled':  '.             .                .                    .                         .                         .                .                 .                    queued/cancelled/f-1l-2',
  'cancelled null':       '.             .                .                    .                         .                         .                .                 .                    queued/-/f-1l-2',
};

function signed(name: string, difference: number): string {
  return difference === 0 ? '' : `${name}${difference > 0 ? '+' : ''}${difference}`;
}

test('every event in every state leads where the table says', () => {
  for (const [name, row] of Object.entries(EXPECTED)) {
    const [state = '', attempt = ''] = name.split(' ');
    const facts: TaskFacts = {
      state: TaskState.parse(state),
      epoch: 4,
      failures: 1,
      losses: 2,
      attempt: attempt === 'null' ? null : AttemptOutcome.parse(attempt),
    };
    const actual = Object.values(EVENTS).map((event) => {
      const next = applyTaskEvent(facts, event);
      if (next === null) return '.';
      const changes =
        signed('e', next.epoch - facts.epoch) +
        signed('f', next.failures - facts.failures) +
        signed('l', next.losses - facts.losses);
      return [next.state, next.attempt ?? '-', ...(changes === '' ? [] : [changes])].join('/');
    });
    assert.deepEqual(actual, row.split(/\s+/), name);
  }
  const named = new Set(Object.keys(EXPECTED).map((name) => name.split(' ')[0]));
  assert.deepEqual(named, new Set(TaskState.options), 'each state has a row');
});

const running: TaskFacts = { state: 'running', epoch: 1, failures: 0, losses: 0, attempt: null };

test('the third failure ends the task; one that no retry can help ends it at once', () => {
  const fail: TaskEvent = { type: 'fail', retryable: true, policy };
  assert.equal(applyTaskEvent({ ...running, failures: 1 }, fail)?.state, 'queued');
  assert.equal(applyTaskEvent({ ...running, failures: 2 }, fail)?.state, 'failed');
  const hopeless = applyTaskEvent(running, { type: 'fail', retryable: false, policy });
  assert.equal(hopeless?.state, 'failed');
  assert.equal(hopeless?.failures, 1);
});

test('the fifth lost lease ends the task', () => {
  const expire: TaskEvent = { type: 'expire', policy };
  assert.equal(applyTaskEvent({ ...running, losses: 3 }, expire)?.state, 'queued');
  assert.equal(applyTaskEvent({ ...running, losses: 4 }, expire)?.state, 'failed');
});

test('a node that failed a task is avoided until somebody retries it', () => {
  assert.equal(applyTaskEvent(running, EVENTS.fail)?.avoid, 'attempt');
  assert.equal(applyTaskEvent(running, EVENTS.expire)?.avoid, 'keep');
  assert.equal(applyTaskEvent(running, EVENTS.release)?.avoid, 'keep');
  assert.equal(applyTaskEvent({ ...running, state: 'failed' }, EVENTS.retry)?.avoid, 'nobody');
});

test('a claim supersedes an attempt that was lost, and no other', () => {
  const queued: TaskFacts = { ...running, state: 'queued' };
  assert.equal(applyTaskEvent({ ...queued, attempt: 'lost' }, EVENTS.claim)?.previousAttempt, 'superseded');
  assert.equal(applyTaskEvent({ ...queued, attempt: 'failed' }, EVENTS.claim)?.previousAttempt, null);
});

test('a task retried before its start time waits for it', () => {
  const cancelled: TaskFacts = { ...running, state: 'cancelled' };
  assert.equal(applyTaskEvent(cancelled, { type: 'retry', due: false })?.state, 'blocked');
});

test('a report is a repetition when its attempt ended with just that', () => {
  assert.ok(
    isRepeated('complete', 'succeeded') &&
      isRepeated('fail', 'failed') &&
      isRepeated('release', 'interrupted'),
  );
  assert.ok(
    !isRepeated('complete', 'failed') && !isRepeated('fail', 'lost') && !isRepeated('complete', null),
  );
  assert.deepEqual(TaskState.options.filter(isTaskOver), ['succeeded', 'failed', 'cancelled']);
});

test('an error is retryable by its own word, else by its code, else in doubt', () => {
  assert.equal(isRetryable({ code: 'FONT_MISSING', message: '', retryable: true }), true);
  assert.equal(isRetryable({ code: 'ENGINE_CRASHED', message: '', retryable: false }), false);
  assert.equal(isRetryable({ code: 'FONT_MISSING', message: '' }), false);
  assert.equal(isRetryable({ code: 'ENGINE_CRASHED', message: '' }), true);
  assert.equal(isRetryable({ code: 'FROM_A_NEWER_AGENT', message: '' }), true);
  assert.equal(isRetryable(lostTooOften(5, 'desk')), false);
});

test('the state of a job follows from its tasks', () => {
  assert.equal(deriveJobState(['blocked', 'blocked']), 'scheduled');
  assert.equal(deriveJobState(['queued', 'blocked']), 'queued');
  assert.equal(deriveJobState(['queued', 'running']), 'running');
  assert.equal(deriveJobState(['succeeded', 'queued']), 'running');
  assert.equal(deriveJobState(['failed', 'queued']), 'running');
  assert.equal(deriveJobState(['succeeded', 'succeeded']), 'succeeded');
  assert.equal(deriveJobState(['succeeded', 'failed']), 'failed');
  assert.equal(deriveJobState(['failed', 'cancelled', 'succeeded']), 'cancelled');
});

test('progress is the mean of the tasks and reaches 1 only with the last success', () => {
  const task = (state: TaskState, frame: number, frames: number | null) => ({ state, frame, frames });
  assert.equal(jobProgress([]), 0);
  assert.equal(jobProgress([task('running', 30, 120)]), 0.25);
  assert.equal(jobProgress([task('running', 120, 120)]), 0.99);
  assert.equal(jobProgress([task('running', 7, null), task('succeeded', 0, null)]), 0.5);
  assert.equal(jobProgress([task('succeeded', 1, 1), task('succeeded', 9, 9)]), 1);
});

const trusted: NodeTrust = { streaks: NO_STREAKS, blockedTemplates: [], quarantined: null };

function after(...reports: string[]): NodeTrust {
  return reports.reduce<NodeTrust>(
    (trust, report) =>
      report.startsWith('+')
        ? afterSuccess(trust, report.slice(1))
        : afterFailure(trust, report.slice(1), policy),
    trusted,
  );
}

test('three failures of one template in a row block it on that node', () => {
  assert.deepEqual(after('-a', '-a').blockedTemplates, []);
  assert.deepEqual(after('-a', '-a', '-a').blockedTemplates, ['a']);
  assert.deepEqual(after('-a', '-a', '+a', '-a').blockedTemplates, []);
  assert.deepEqual(
    after('-a', '-a', '+b', '-a').blockedTemplates,
    ['a'],
    'another template does not clear it',
  );
  assert.equal(after('-a', '-a', '-a', '-a').quarantined, null, 'one template alone never quarantines');
  assert.deepEqual(after('-constructor').streaks.failures, { constructor: 1 });
});

test('three different templates failed in a row quarantine the node', () => {
  assert.equal(after('-a', '-b').quarantined, null);
  assert.equal(after('-a', '-b', '-c').quarantined, '3 different templates failed in a row: a, b, c');
  assert.equal(after('-a', '-b', '+d', '-c').quarantined, null);
  assert.equal(after('-a', '-b', '-a', '-b').quarantined, null);
});

test('a success of a node in good order changes nothing', () => {
  assert.equal(afterSuccess(trusted, 'a'), trusted);
  assert.deepEqual(after('-a', '+a'), trusted);
});
