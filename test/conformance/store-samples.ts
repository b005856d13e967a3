/** Records for the store suite: complete ones, changed where a test cares. */
import assert from 'node:assert/strict';
import { defaultControlConfig } from '../../src/config/control-schema.ts';
import type { Requirement } from '../../src/jobs/requirements.ts';
import { type ErrorCode, FlatrenderError } from '../../src/lib/errors.ts';
import type { OutputSpec, TaskError, TaskResult } from '../../src/protocol/jobs.ts';
import type { Fence, JobWithTask, NewJob, Store, TaskRecord } from '../../src/store/store.ts';

export const { retries: policy } = defaultControlConfig();

/** A store under test, and the same one closed and opened again. */
export interface OpenStore extends AsyncDisposable {
  readonly store: Store;
  reopen(): Promise<Store>;
}

export const output: OutputSpec = {
  name: 'main',
  container: 'mp4',
  width: 320,
  height: 180,
  fps: 25,
  durationSeconds: 2,
  durationFrom: null,
  atSeconds: null,
  fit: 'contain',
  background: '#000000',
  quality: 20,
};

export const result: TaskResult = {
  key: 'outputs/x/y/main.mp4',
  sha256: 'a'.repeat(64),
  sizeBytes: 1234,
  frames: 50,
  durationMs: 2000,
  width: 320,
  height: 180,
  codec: 'h264',
  renderMs: 10,
  overheadMs: 5,
};

export const crash: TaskError = { code: 'ENGINE_CRASHED', message: 'the engine crashed', retryable: true };
export const hopeless: TaskError = { code: 'GLYPH_MISSING', message: 'no glyph for 字', retryable: false };

export function requirement(changes: Partial<Requirement> = {}): Requirement {
  return {
    role: 'render',
    engines: ['mock'],
    template: 'card',
    tags: [],
    node: null,
    fallback: true,
    avoid: null,
    ...changes,
  };
}

let counter = 0;

type JobChanges = Partial<Omit<NewJob, 'tasks'>> & {
  readonly outputs?: number;
  readonly requirement?: Partial<Requirement>;
};

/** Ids grow with every call. */
export function newJob({ outputs = 1, requirement: wanted, ...changes }: JobChanges = {}): NewJob {
  counter += 1;
  const template = changes.template ?? 'card';
  return {
    id: `j${String(counter).padStart(16, '0')}`,
    batchId: null,
    name: null,
    template,
    version: '1.0.0',
    bundleSha256: 'b'.repeat(64),
    bundleBytes: 100,
    priority: 50,
    inputs: { title: 'Hello' },
    runAt: null,
    node: null,
    webhook: null,
    createdAt: 1000,
    createdBy: 'tests',
    tasks: Array.from({ length: outputs }, () => ({
      output,
      requirement: requirement({ template, ...wanted }),
    })),
    ...changes,
  };
}

export async function nodes(store: Store, ...ids: string[]): Promise<void> {
  for (const id of ids) await store.createNode({ id, name: id }, 1000);
}

let claims = 0;

interface ClaimChanges {
  readonly now?: number;
  readonly leaseUntil?: number;
  readonly claimId?: string;
  readonly accepts?: (requirement: Requirement) => boolean;
}

/** A claim by that node; accepts everything unless told otherwise. */
export function claim(store: Store, nodeId: string, changes: ClaimChanges = {}): Promise<JobWithTask | null> {
  claims += 1;
  return store.claim({
    nodeId,
    claimId: `claim-${claims}`,
    accepts: () => true,
    now: 2000,
    leaseUntil: 3000,
    ...changes,
  });
}

/** The same, when there must be one. */
export async function claimOne(
  store: Store,
  nodeId: string,
  changes: ClaimChanges = {},
): Promise<TaskRecord> {
  const claimed = await claim(store, nodeId, changes);
  assert.ok(claimed, `nothing to claim for ${nodeId}`);
  return claimed.task;
}

export function fence(task: TaskRecord): Fence {
  return { taskId: task.id, epoch: task.epoch, nodeId: task.nodeId ?? '' };
}

/** The promise is rejected with this code; returns the error. */
export async function refused(promise: Promise<unknown>, code: ErrorCode): Promise<FlatrenderError> {
  try {
    await promise;
  } catch (error) {
    assert.ok(error instanceof FlatrenderError, String(error));
    assert.equal(error.code, code, error.message);
    return error;
  }
  return assert.fail(`expected ${code}`);
}

/** What the store counts equals what it holds. */
export async function assertCounted(store: Pick<Store, 'listJobs' | 'stats'>): Promise<void> {
  const stored = await store.listJobs({ limit: 100_000 });
  const { jobs, tasks } = store.stats();
  const count = (states: readonly string[], state: string): number =>
    states.filter((each) => each === state).length;
  const jobStates = stored.map(({ job }) => job.state);
  const taskStates = stored.flatMap((each) => each.tasks.map((task) => task.state));
  for (const [state, n] of Object.entries(jobs)) assert.equal(n, count(jobStates, state), `jobs ${state}`);
  for (const [state, n] of Object.entries(tasks)) assert.equal(n, count(taskStates, state), `tasks ${state}`);
}
