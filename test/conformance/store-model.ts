import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { FlatrenderError } from '../../src/lib/errors.ts';
import type { AttemptOutcome, TaskState } from '../../src/protocol/jobs.ts';
import type { Fence, Store } from '../../src/store/store.ts';
import {
  assertCounted,
  crash,
  hopeless,
  newJob,
  nodes,
  type OpenStore,
  policy,
  result,
} from './store-samples.ts';

const NODES = ['a', 'b', 'c'];
const TEMPLATES = ['t0', 't1', 't2'];
const LEASE = 100;

interface ModelAttempt {
  readonly node: string;
  outcome: AttemptOutcome | null;
}

interface ModelTask {
  readonly id: string;
  readonly jobId: string;
  readonly template: string;
  readonly priority: number;
  readonly order: number;
  state: TaskState;
  failures: number;
  losses: number;
  leaseUntil: number;
  /** One per claim: the epoch is their number. */
  readonly attempts: ModelAttempt[];
}

/** The rules once more, as plainly as they can be said, on arrays. */
interface Model {
  now: number;
  submitted: number;
  readonly tasks: ModelTask[];
  readonly jobIds: string[];
  /** Every token ever handed out. */
  readonly tokens: Fence[];
}

interface Real {
  readonly opened: OpenStore;
  store: Store;
  claims: number;
}

type Command = fc.AsyncCommand<Model, Real>;

function isOver(task: ModelTask): boolean {
  return ['succeeded', 'failed', 'cancelled'].includes(task.state);
}

function pick<T>(list: readonly T[], n: number): T | undefined {
  return list[n % Math.max(1, list.length)];
}

/** The newest attempt, when the token is for it and still counts. */
function holds(model: Model, token: Fence): { task: ModelTask; attempt: ModelAttempt } | null {
  const task = model.tasks.find((each) => each.id === token.taskId);
  const attempt = task?.attempts[token.epoch - 1];
  if (task === undefined || attempt === undefined || task.attempts.length !== token.epoch) return null;
  if (task.state === 'running') return { task, attempt };
  return task.state === 'queued' && attempt.outcome === 'lost' ? { task, attempt } : null;
}

function comeBack({ task, attempt }: { task: ModelTask; attempt: ModelAttempt }): void {
  if (attempt.outcome === 'lost') task.losses = Math.max(0, task.losses - 1);
}

/** What a call answered: its value, or the code it was refused with. */
async function answer<T>(call: Promise<T>): Promise<T | string> {
  try {
    return await call;
  } catch (error) {
    if (error instanceof FlatrenderError) return error.code;
    throw error;
  }
}

/** A command: `run` changes the model and asserts that the store answers alike. */
function command(name: string, run: (model: Model, real: Real) => Promise<void>): Command {
  return {
    check: () => true,
    async run(model, real) {
      model.now += 1;
      await run(model, real);
      assertStats(model, real.store);
    },
    toString: () => name,
  };
}

function assertStats(model: Model, store: Store): void {
  const { tasks } = store.stats();
  for (const [state, count] of Object.entries(tasks)) {
    assert.equal(count, model.tasks.filter((task) => task.state === state).length, `tasks ${state}`);
  }
}

const submit = (template: number, priority: number, outputs: number): Command =>
  command(`submit ${template} ${priority} ${outputs}`, async (model, { store }) => {
    const name = TEMPLATES[template] ?? '';
    const job = newJob({ template: name, priority, outputs });
    await store.submit([job]);
    model.jobIds.push(job.id);
    for (let i = 0; i < outputs; i += 1) {
      model.tasks.push({
        id: `${job.id}.${i}`,
        jobId: job.id,
        template: name,
        priority,
        order: model.submitted++,
        state: 'queued',
        failures: 0,
        losses: 0,
        leaseUntil: 0,
        attempts: [],
      });
    }
  });

const claim = (node: number, templates: number): Command =>
  command(`claim ${NODES[node]} ${templates.toString(2)}`, async (model, real) => {
    const wanted = TEMPLATES.filter((_, i) => (templates >> i) % 2 === 1);
    const nodeId = NODES[node] ?? '';
    const [expected] = model.tasks
      .filter((task) => task.state === 'queued' && wanted.includes(task.template))
      .sort((x, y) => y.priority - x.priority || x.order - y.order);
    real.claims += 1;
    const claimed = await real.store.claim({
      nodeId,
      claimId: `model-${real.claims}`,
      accepts: (requirement) => wanted.includes(requirement.template),
      now: model.now,
      leaseUntil: model.now + LEASE,
    });
    assert.equal(claimed?.task.id, expected?.id);
    if (expected === undefined || claimed === null) return;
    const last = expected.attempts.at(-1);
    if (last?.outcome === 'lost') last.outcome = 'superseded';
    expected.attempts.push({ node: nodeId, outcome: null });
    expected.state = 'running';
    expected.leaseUntil = model.now + LEASE;
    assert.equal(claimed.task.epoch, expected.attempts.length, 'each claim raises the epoch by one');
    model.tokens.push({ taskId: expected.id, epoch: claimed.task.epoch, nodeId });
  });

type Report = 'complete' | 'fail' | 'give up' | 'release';
const OUTCOMES = {
  complete: 'succeeded',
  fail: 'failed',
  'give up': 'failed',
  release: 'interrupted',
} as const;

function send(store: Store, report: Report, token: Fence, now: number) {
  if (report === 'complete') return store.complete(token, result, policy, now);
  if (report === 'release') return store.release(token, 'model', now);
  return store.fail(token, report === 'fail' ? crash : hopeless, policy, now);
}

function stateAfter(report: Report, task: ModelTask): TaskState {
  if (report === 'complete') return 'succeeded';
  if (report === 'release') return 'queued';
  task.failures += 1;
  return report === 'give up' || task.failures >= policy.maxFailures ? 'failed' : 'queued';
}

const report = (kind: Report, n: number): Command =>
  command(`${kind} ${n}`, async (model, { store }) => {
    const token = pick(model.tokens, n);
    if (token === undefined) return;
    const got = await answer(send(store, kind, token, model.now));
    const held = holds(model, token);
    const attempt = model.tasks.find((task) => task.id === token.taskId)?.attempts[token.epoch - 1];
    if (attempt === undefined) assert.equal(got, 'TASK_NOT_FOUND', 'purged');
    else if (attempt.outcome === OUTCOMES[kind]) assert.ok(typeof got === 'object' && got.repeated);
    else if (held === null) assert.equal(got, 'LEASE_LOST');
    else {
      comeBack(held);
      held.task.state = stateAfter(kind, held.task);
      held.attempt.outcome = OUTCOMES[kind];
      assert.ok(typeof got === 'object', String(got));
      assert.deepEqual([got.repeated, got.task.state], [false, held.task.state]);
      const rest = model.tasks.filter((task) => task.jobId === held.task.jobId);
      assert.equal(got.jobEnded, rest.every(isOver));
    }
  });

const reattach = (n: number): Command =>
  command(`reattach ${n}`, async (model, { store }) => {
    const token = pick(model.tokens, n);
    if (token === undefined) return;
    const task = await store.reattach(token, model.now + LEASE, model.now);
    const held = holds(model, token);
    assert.equal(task !== null, held !== null);
    if (held === null) return;
    comeBack(held);
    held.attempt.outcome = null;
    held.task.state = 'running';
    held.task.leaseUntil = model.now + LEASE;
  });

const expire = (wait: number): Command =>
  command(`expire ${wait}`, async (model, { store }) => {
    model.now += wait;
    const due = model.tasks.filter((task) => task.state === 'running' && task.leaseUntil < model.now);
    const changes = await store.expireLeases(model.now, policy);
    assert.deepEqual(new Set(changes.map(({ task }) => task.id)), new Set(due.map((task) => task.id)));
    for (const task of due) {
      task.losses += 1;
      task.state = task.losses >= policy.maxLosses ? 'failed' : 'queued';
      const last = task.attempts.at(-1);
      if (last !== undefined) last.outcome = 'lost';
    }
  });

const cancel = (n: number): Command =>
  command(`cancel ${n}`, async (model, { store }) => {
    const id = pick(model.jobIds, n);
    if (id === undefined) return;
    const open = model.tasks.filter((task) => task.jobId === id && !isOver(task));
    const got = await answer(store.cancelJob(id, model.now));
    if (open.length === 0) return assert.equal(got, 'JOB_STATE');
    for (const task of open) {
      const last = task.attempts.at(-1);
      if (last !== undefined && (task.state === 'running' || last.outcome === 'lost'))
        last.outcome = 'cancelled';
      task.state = 'cancelled';
    }
  });

const retry = (n: number): Command =>
  command(`retry ${n}`, async (model, { store }) => {
    const id = pick(model.jobIds, n);
    if (id === undefined) return;
    const again = model.tasks.filter(
      (task) => task.jobId === id && ['failed', 'cancelled'].includes(task.state),
    );
    const got = await answer(store.retryJob(id, model.now));
    if (again.length === 0) return assert.equal(got, 'JOB_STATE');
    for (const task of again) Object.assign(task, { state: 'queued', failures: 0, losses: 0 });
  });

const purge = (): Command =>
  command('purge', async (model, { store }) => {
    const removed = await store.purgeJobs({ endedBefore: 0, keep: 3, limit: 1 });
    for (const id of removed) {
      const own = model.tasks.filter((task) => task.jobId === id);
      assert.ok(own.every(isOver), 'only finished jobs go');
      for (const task of own) model.tasks.splice(model.tasks.indexOf(task), 1);
      model.jobIds.splice(model.jobIds.indexOf(id), 1);
    }
  });

const reopen = (): Command =>
  command('reopen', async (_, real) => {
    real.store = await real.opened.reopen();
  });

/** Every task and attempt as the model has it. */
async function assertSame(model: Model, store: Store): Promise<void> {
  for (const task of model.tasks) {
    const stored = await store.getTask(task.id);
    assert.deepEqual(
      [stored?.state, stored?.epoch, stored?.failures, stored?.losses],
      [task.state, task.attempts.length, task.failures, task.losses],
      task.id,
    );
  }
  for (const id of model.jobIds) {
    const own = model.tasks.filter((task) => task.jobId === id);
    assert.deepEqual(
      (await store.listAttempts(id)).map(({ nodeId, outcome }) => ({ node: nodeId, outcome })),
      own.flatMap((task) => task.attempts),
    );
  }
  await assertCounted(store);
}

/** Random histories against the model. */
export function modelTests(open: () => Promise<OpenStore>): void {
  test('any history of claims, reports, losses and returns goes as the rules say', async () => {
    const n = fc.nat(1000);
    const commands = [
      fc
        .tuple(fc.nat(2), fc.constantFrom(0, 50, 100), fc.integer({ min: 1, max: 3 }))
        .map((args) => submit(...args)),
      fc.tuple(fc.nat(2), fc.constantFrom(7, 7, 7, 1, 2, 6)).map((args) => claim(...args)),
      fc.tuple(fc.nat(2), fc.constant(7)).map((args) => claim(...args)),
      fc
        .tuple(fc.constantFrom<Report>('complete', 'fail', 'fail', 'give up', 'release'), n)
        .map((args) => report(...args)),
      n.map(reattach),
      fc.constantFrom(0, LEASE / 2, LEASE + 1).map(expire),
      n.map(cancel),
      n.map(retry),
      fc.constant(null).map(purge),
      fc.constant(null).map(reopen),
    ];
    await fc.assert(
      fc.asyncProperty(fc.commands(commands, { maxCommands: 80, size: 'max' }), async (history) => {
        await using opened = await open();
        const real: Real = { opened, store: opened.store, claims: 0 };
        const model: Model = { now: 10_000, submitted: 0, tasks: [], jobIds: [], tokens: [] };
        await nodes(real.store, ...NODES);
        await fc.asyncModelRun(() => ({ model, real }), history);
        await assertSame(model, real.store);
        await assertSame(model, await opened.reopen());
      }),
      { numRuns: Number(process.env.FLATRENDER_TEST_RUNS ?? 60), endOnFailure: false },
    );
  });
}
