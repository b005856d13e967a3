/** What keeps the database and the object directory bounded. Runs now and then, in small steps. */
import { schedule, validate } from 'node-cron';
import { FlatrenderError } from '../lib/errors.ts';
import { type ObjectInfo, objectKeys } from '../objects/object-store.ts';
import type { Control } from './context.ts';

const DAY_MS = 86_400_000;
// One step holds up other writes for a few milliseconds at most.
const JOBS_PER_STEP = 200;
const OBJECTS_PER_STEP = 500;
// A node that was cut off this long has lost its lease for good; a client starts its upload anew.
const UNFINISHED_UPLOAD_MS = 3 * DAY_MS;
const ROWS_PER_STEP = 1000;

/** What a clean-up removed. */
export interface CleanUp {
  readonly jobs: number;
  readonly outputs: number;
  readonly assets: number;
  readonly bundles: number;
  readonly keys: number;
  /** Uploads in parts that nobody ended. */
  readonly uploads: number;
  readonly webhooks: number;
  readonly audit: number;
}

/** Runs {@link cleanUp} by `retention.cron`; CONFIG_INVALID when that is no schedule. Call the result to stop. */
export function startBackground(control: Control, signal: AbortSignal): () => Promise<void> {
  const { cron } = control.config.retention;
  if (!validate(cron)) {
    throw new FlatrenderError('CONFIG_INVALID', `retention.cron: "${cron}" is not a cron schedule`, {
      hint: 'five fields: minute hour day month weekday, e.g. "17 * * * *"',
    });
  }
  let running: Promise<void> | null = null;
  const task = schedule(cron, () => {
    // Once for the whole farm.
    if (!control.replicas.isLeader) return;
    running ??= cleanUp(control, signal)
      .then(
        (done) => control.logger.info('retention.done', { ...done }),
        (error: unknown) => {
          if (!signal.aborted) control.logger.error('retention.failed', { error });
        },
      )
      .finally(() => {
        running = null;
      });
  });
  return async () => {
    await task.destroy();
    await running;
  };
}

/** One clean-up: finished jobs with their outputs and logs, old outputs, unused files and bundles, idempotency keys, webhooks, audit. */
export async function cleanUp(control: Control, signal: AbortSignal): Promise<CleanUp> {
  const { store, config, clock } = control;
  const { finishedDays, keepFinished, keepOutputsDays, unusedAssetsDays, idempotencyHours } =
    config.retention;
  const now = clock.now();
  let outputs = 0;
  let jobs = 0;
  for (let ids = ['']; ids.length > 0; ) {
    signal.throwIfAborted();
    const limits = { endedBefore: now - finishedDays * DAY_MS, keep: keepFinished, limit: JOBS_PER_STEP };
    ids = [...(await store.purgeJobs(limits))];
    jobs += ids.length;
    // The row goes first: an output that is left behind by a crash in between is found below by its age.
    for (const id of ids)
      outputs += await removeAll(control, objectKeys.outputsOfJob(id), () => true, signal);
    await breathe();
  }
  const outputsBefore = now - Math.min(keepOutputsDays, finishedDays) * DAY_MS;
  outputs += await removeOldOutputs(control, outputsBefore, signal);
  const unusedBefore = now - unusedAssetsDays * DAY_MS;
  const assets = await removeUnused(
    control,
    'assets/',
    unusedBefore,
    (ids) => store.assetsInUse(ids),
    signal,
  );
  const bundles = await removeUnused(
    control,
    'bundles/',
    unusedBefore,
    (ids) => store.bundlesInUse(ids),
    signal,
  );
  const keys = await store.purgeIdempotency(now - idempotencyHours * 3_600_000);
  signal.throwIfAborted();
  const uploads = (await control.objects.multipart?.abortBefore(now - UNFINISHED_UPLOAD_MS)) ?? 0;
  const { webhookDays, auditDays } = config.retention;
  const webhooks = await inSteps((limit) => store.purgeDeliveries(now - webhookDays * DAY_MS, limit), signal);
  const audit = await inSteps((limit) => store.purgeAudit(now - auditDays * DAY_MS, limit), signal);
  return { jobs, outputs, assets, bundles, keys, uploads, webhooks, audit };
}

async function removeOldOutputs(control: Control, before: number, signal: AbortSignal): Promise<number> {
  // A job that still runs needs its finished outputs, however old: a chunk of a long render, for instance.
  const unfinished = new Map<string, boolean>();
  const isOver = async (jobId: string): Promise<boolean> => {
    let over = unfinished.get(jobId);
    if (over === undefined) {
      const found = await control.store.getJob(jobId);
      over = found === null || found.job.endedAt !== null;
      unfinished.set(jobId, over);
    }
    return over;
  };
  return removeAll(
    control,
    'outputs/',
    async (info) => info.modifiedAt < before && (await isOver(info.key.split('/')[1] ?? '')),
    signal,
  );
}

async function removeAll(
  control: Control,
  prefix: string,
  isDue: (info: ObjectInfo) => boolean | Promise<boolean>,
  signal: AbortSignal,
): Promise<number> {
  let removed = 0;
  let seen = 0;
  let due: string[] = [];
  const flush = async (): Promise<void> => {
    signal.throwIfAborted();
    await control.objects.removeAll(due);
    removed += due.length;
    due = [];
  };
  for await (const info of control.objects.list(prefix)) {
    signal.throwIfAborted();
    seen += 1;
    if (seen % OBJECTS_PER_STEP === 0) await breathe();
    if (await isDue(info)) due.push(info.key);
    if (due.length >= OBJECTS_PER_STEP) await flush();
  }
  if (due.length > 0) await flush();
  return removed;
}

async function removeUnused(
  control: Control,
  prefix: string,
  before: number,
  inUse: (sha256s: readonly string[]) => Promise<ReadonlySet<string>>,
  signal: AbortSignal,
): Promise<number> {
  let removed = 0;
  let old: { key: string; sha256: string }[] = [];
  const flush = async (): Promise<void> => {
    signal.throwIfAborted();
    const remove = async (): Promise<void> => {
      const used = await inUse(old.map(({ sha256 }) => sha256));
      // Asked for a moment ago: the job that needs it may be on its way.
      const unused = old.filter(({ sha256 }) => !used.has(sha256) && !control.recentObjects.has(sha256));
      await control.objects.removeAll(unused.map(({ key }) => key));
      removed += unused.length;
    };
    const { shared } = control.store;
    await (shared === null ? remove() : shared.removingFiles(remove));
    old = [];
    await breathe();
  };
  for await (const { key, modifiedAt } of control.objects.list(prefix)) {
    const sha256 = /\/([0-9a-f]{64})(?:\.zip)?$/.exec(key)?.[1];
    if (sha256 === undefined || modifiedAt >= before) continue;
    old.push({ key, sha256 });
    if (old.length >= OBJECTS_PER_STEP) await flush();
  }
  if (old.length > 0) await flush();
  return removed;
}

/** Removes rows until there are no more; returns how many. */
async function inSteps(remove: (limit: number) => Promise<number>, signal: AbortSignal): Promise<number> {
  let removed = 0;
  for (;;) {
    signal.throwIfAborted();
    const count = await remove(ROWS_PER_STEP);
    removed += count;
    if (count < ROWS_PER_STEP) return removed;
    await breathe();
  }
}

/** Lets requests through between two steps. */
function breathe(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
