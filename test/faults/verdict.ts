/** Compares what a healed farm says with what it had acknowledged: jobs, results, files. */
import { createHash } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import type { z } from 'zod';
import type { JobView, OutputAnswer } from '../../src/protocol/jobs.ts';
import type { FaultFarm } from './fault-farm.ts';
import type { Ledger } from './ledger.ts';
import type { Load } from './load.ts';

export interface Verdict {
  readonly submits: number;
  readonly completions: number;
  readonly cancels: number;
  /** Everything below must be empty; each entry says what is wrong with what. */
  readonly lostSubmits: readonly string[];
  readonly lostCompletions: readonly string[];
  readonly lostCancels: readonly string[];
  readonly stuck: readonly string[];
  readonly duplicates: readonly string[];
  readonly missingOutputs: readonly string[];
}

const OPEN = 'scheduled,queued,running';
// Longer than a lease, and the one that a control plane waits after an outage: a claim whose answer was lost comes back then.
const DRAIN_MS = 150_000;
const AT_ONCE = 8;

/** Ends the load, waits until the farm has nothing left to do, and looks at everything. */
export async function judge(farm: FaultFarm, load: Load, drainMs = DRAIN_MS): Promise<Verdict> {
  await load.stop();
  const stuck = await drain(farm, drainMs);
  if (stuck.length > 0) stuck.unshift(`of the nodes: ${load.nodesSaid()}`);
  await load.close();
  const { ledger } = load;
  const jobs = await listJobs(farm);
  const lostSubmits = [...ledger.submitted.keys()].filter((id) => !jobs.has(id));
  const duplicates = [...ledger.contradictions, ...sameName(jobs)];
  const missingOutputs: string[] = [];
  const seen = new Map<string, JobView>();
  await each([...jobs.values()], async ({ id, state }) => {
    const job = await get<JobView>(farm, `/v1/jobs/${id}`);
    seen.set(id, job);
    for (const task of job.tasks ?? []) {
      const accepted = (task.attempts ?? []).filter(({ outcome }) => outcome === 'succeeded');
      if (accepted.length > 1) duplicates.push(`task ${task.id}: ${accepted.length} accepted results`);
    }
    if (state === 'succeeded') missingOutputs.push(...(await checkOutputs(farm, id)));
  });
  return {
    submits: ledger.submitted.size,
    completions: ledger.completed.size,
    cancels: ledger.cancelled.size,
    lostSubmits,
    lostCompletions: lostCompletions(ledger, seen),
    lostCancels: [...ledger.cancelled].filter((id) => seen.get(id)?.state !== 'cancelled'),
    stuck,
    duplicates,
    missingOutputs,
  };
}

/** Nothing lost, nothing stuck, nothing twice: what is wrong otherwise, a line each. */
export function complaintsOf(verdict: Verdict): string[] {
  const groups = [
    'lostSubmits',
    'lostCompletions',
    'lostCancels',
    'stuck',
    'duplicates',
    'missingOutputs',
  ] as const;
  return groups.flatMap((name) => verdict[name].map((entry) => `${name}: ${entry}`));
}

function lostCompletions(ledger: Ledger, jobs: ReadonlyMap<string, JobView>): string[] {
  const lost: string[] = [];
  for (const { taskId, jobId, epoch, node, key, sha256 } of ledger.completed.values()) {
    const task = jobs.get(jobId)?.tasks?.find(({ id }) => id === taskId);
    const kept = task?.state === 'succeeded' && task.epoch === epoch && task.node === node;
    if (!kept || task.result?.key !== key || task.result.sha256 !== sha256)
      lost.push(
        `task ${taskId}, claim ${epoch} of ${node}, is ${task?.state}, claim ${task?.epoch} of ${task?.node}`,
      );
  }
  return lost;
}

function sameName(jobs: ReadonlyMap<string, JobView>): string[] {
  const byName = Map.groupBy(jobs.values(), ({ name }) => name ?? '');
  return [...byName]
    .filter(([name, same]) => name !== '' && same.length > 1)
    .map(([name, same]) => `${name} was stored ${same.length} times`);
}

/** The jobs that are not over when none has ended for so long: a machine that is busy with other things only takes longer. */
async function drain(farm: FaultFarm, ms: number): Promise<string[]> {
  let giveUpAt = performance.now() + ms;
  for (let fewest = Number.POSITIVE_INFINITY; ; ) {
    const { jobs } = await get<{ jobs: JobView[] }>(farm, `/v1/jobs?state=${OPEN}&limit=1000`);
    if (jobs.length === 0) return [];
    if (jobs.length < fewest) {
      fewest = jobs.length;
      giveUpAt = performance.now() + ms;
    }
    if (performance.now() > giveUpAt) return await Promise.all(jobs.map(({ id }) => describe(farm, id)));
    await delay(100);
  }
}

/** Where a job stands that should be over. */
async function describe(farm: FaultFarm, id: string): Promise<string> {
  const { name, state, tasks = [] } = await get<JobView>(farm, `/v1/jobs/${id}`);
  const told = tasks.map(({ state, epoch, node, losses, waiting, attempts = [] }) =>
    JSON.stringify({ state, epoch, node, losses, waiting, attempts }),
  );
  return `${name} ${id}: ${state} ${told.join(' ')}`;
}

async function listJobs(farm: FaultFarm): Promise<Map<string, JobView>> {
  const found = new Map<string, JobView>();
  for (let before = ''; ; ) {
    const { jobs, next } = await get<{ jobs: JobView[]; next: string | null }>(
      farm,
      `/v1/jobs?limit=1000${before}`,
    );
    for (const job of jobs) found.set(job.id, job);
    if (next === null) return found;
    before = `&before=${next}`;
  }
}

async function checkOutputs(farm: FaultFarm, id: string): Promise<string[]> {
  const { outputs } = await get<z.infer<typeof OutputAnswer>>(farm, `/v1/jobs/${id}/output`);
  if (outputs.length === 0) return [`job ${id} has no output`];
  const wrong: string[] = [];
  for (const { url, sha256, task } of outputs) {
    const answer = await fetch(url, { signal: AbortSignal.timeout(10_000) });
    const body = Buffer.from(await answer.arrayBuffer());
    const found = createHash('sha256').update(body).digest('hex');
    if (!answer.ok || found !== sha256)
      wrong.push(
        `task ${task}: ${answer.status}, ${body.length} bytes, sha256 ${found} instead of ${sha256}`,
      );
  }
  return wrong;
}

async function get<T>(farm: FaultFarm, path: string): Promise<T> {
  let last: unknown;
  for (let tries = 0; tries < 5; tries += 1) {
    try {
      const answer = await farm.client.call('GET', path, undefined, { timeoutMs: 15_000 });
      if (answer.status === 200) return answer.body as T;
      last = JSON.stringify(answer.body);
    } catch (error) {
      last = error;
    }
    await delay(200);
  }
  throw new Error(`GET ${path}`, { cause: last });
}

async function each<T>(items: readonly T[], work: (item: T) => Promise<void>): Promise<void> {
  const rest = items.values();
  await Promise.all(
    Array.from({ length: AT_ONCE }, async () => {
      for (const item of rest) await work(item);
    }),
  );
}
