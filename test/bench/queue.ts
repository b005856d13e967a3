/**
 * The queue under load, over signed HTTP against the shipped program: submits/s, claim→complete cycles/s, CPU per
 * operation, RSS and what a claim costs that matches nothing, at 1 k, 50 k and 1 M stored jobs.
 */
import { join } from 'node:path';
import { systemClock } from '../../src/lib/clock.ts';
import { newId } from '../../src/lib/ids.ts';
import { openSqliteStore } from '../../src/store/sqlite/sqlite-store.ts';
import type { JobWithTasks, NewJob, Store } from '../../src/store/store.ts';
import { type Farm, mockTemplate, startFarm, UNLIMITED } from '../helpers/farm.ts';
import { LoadClient, percentile, runWorkers } from '../helpers/load-client.ts';
import { addNode, claimOnce, completeOnce, type NodeKey } from '../helpers/load-node.ts';
import { cpuSeconds, round, rssMb } from './process-usage.ts';

export interface QueueFigures {
  readonly storedJobs: number;
  readonly workers: number;
  readonly submitsPerSecond: number;
  readonly cpuMsPerSubmit: number;
  readonly cyclesPerSecond: number;
  readonly cpuMsPerCycle: number;
  readonly claimP50Ms: number;
  readonly claimP99Ms: number;
  readonly fruitlessClaimP50Ms: number;
  readonly rssMb: number;
}

/** About the size of a real submission (1.1 kB of JSON). */
export const JOB_REQUEST = {
  template: 'bench',
  inputs: { title: `Quarterly review ${'x'.repeat(900)}` },
  outputs: ['main'],
};

/** Measures every size with every number of workers; `report` gets a row as soon as it is known. */
export async function benchQueue(
  sizes: readonly number[],
  workerCounts: readonly number[],
  operations: number,
  report: (row: QueueFigures) => void,
): Promise<QueueFigures[]> {
  // A cycle is one claim and one completion; uploads are the object store's figure, not the queue's.
  await using farm = await startFarm({
    mode: 'built',
    settings: { ...UNLIMITED, 'objects.checkOutputs': false },
  });
  const { nodes, misfit, sample } = await prepareFarm(farm, Math.max(...workerCounts));
  const rows: QueueFigures[] = [];
  for (const size of sizes) {
    await seedJobs(farm, sample, size);
    for (const workers of workerCounts) {
      const row = await measure(farm, size, workers, operations, nodes, misfit);
      report(row);
      rows.push(row);
    }
  }
  return rows;
}

/** Template, nodes that can render it, one that cannot, and one job as the store keeps it (to copy). */
export async function prepareFarm(
  farm: Farm,
  nodeCount: number,
): Promise<{ nodes: NodeKey[]; misfit: NodeKey; sample: JobWithTasks }> {
  await farm.pushTemplate(mockTemplate('bench', 0));
  const nodes: NodeKey[] = [];
  for (let n = 0; n < nodeCount; n += 1) nodes.push(await addNode(farm.client, `node-${n}`, 'mock'));
  const misfit = await addNode(farm.client, 'misfit', 'ffmpeg');
  await submitOne(farm.client);
  await farm.control().stop();
  const store = await openStore(farm);
  const [sample] = await store.listJobs({ limit: 1 });
  await store.close();
  if (sample === undefined) throw new Error('the submitted job is not in the store');
  return { nodes, misfit, sample };
}

async function measure(
  farm: Farm,
  size: number,
  workers: number,
  operations: number,
  nodes: readonly NodeKey[],
  misfit: NodeKey,
): Promise<QueueFigures> {
  const control = await farm.startControl();
  const client = new LoadClient(farm.url, farm.token, workers);
  try {
    await runWorkers(workers, 200, () => submitOne(client)); // warm: compiled code, prepared statements
    let cpu = cpuSeconds(control);
    const submitMs = await runWorkers(workers, operations, () => submitOne(client));
    const cpuMsPerSubmit = ((cpuSeconds(control) - cpu) * 1000) / operations;

    const claimMs: number[] = [];
    const cycle = (n: number) => cycleOne(client, nodeOf(nodes, n % workers), claimMs);
    await runWorkers(workers, 100, cycle);
    claimMs.length = 0;
    cpu = cpuSeconds(control);
    const cycleMs = await runWorkers(workers, operations, cycle);
    const cpuMsPerCycle = ((cpuSeconds(control) - cpu) * 1000) / operations;

    const fruitless: number[] = [];
    await runWorkers(1, 300, async () => {
      const startedAt = performance.now();
      if ((await claimOnce(client, misfit, 0)) !== null)
        throw new Error('a node without the engine got a task');
      fruitless.push(performance.now() - startedAt);
    });
    return {
      storedJobs: size,
      workers,
      submitsPerSecond: Math.round((operations / submitMs) * 1000),
      cpuMsPerSubmit: round(cpuMsPerSubmit),
      cyclesPerSecond: Math.round((operations / cycleMs) * 1000),
      cpuMsPerCycle: round(cpuMsPerCycle),
      claimP50Ms: round(percentile(claimMs, 0.5)),
      claimP99Ms: round(percentile(claimMs, 0.99)),
      fruitlessClaimP50Ms: round(percentile(fruitless, 0.5)),
      rssMb: rssMb(control),
    };
  } finally {
    await client.close();
    await control.stop();
  }
}

async function submitOne(client: LoadClient): Promise<void> {
  const answer = await client.call('POST', '/v1/jobs', JOB_REQUEST);
  if (answer.status >= 300) throw new Error(`submit refused: ${JSON.stringify(answer.body)}`);
}

async function cycleOne(client: LoadClient, node: NodeKey, claimMs: number[]): Promise<void> {
  const startedAt = performance.now();
  const task = await claimOnce(client, node, 1000);
  claimMs.push(performance.now() - startedAt);
  if (task === null) throw new Error('nothing to claim');
  const status = await completeOnce(client, node, task);
  if (status !== 200) throw new Error(`complete was answered ${status}`);
}

/** Fills the store with copies of a real job until it holds `size`; straight into the store, the farm is down. */
export async function seedJobs(farm: Farm, sample: JobWithTasks, size: number): Promise<void> {
  const store = await openStore(farm);
  try {
    const { jobs } = store.stats();
    let stored = Object.values(jobs).reduce((sum, count) => sum + count, 0);
    while (stored < size) {
      const batch = Array.from({ length: Math.min(2000, size - stored) }, (): NewJob => {
        const now = Date.now();
        return { ...sample.job, id: newId('j', now), createdAt: now, tasks: sample.tasks };
      });
      await store.submit(batch);
      stored += batch.length;
    }
  } finally {
    await store.close();
  }
}

function openStore(farm: Farm): Promise<Store> {
  return openSqliteStore({ path: join(farm.home, '.flatrender', 'flatrender.db'), clock: systemClock });
}

function nodeOf(nodes: readonly NodeKey[], n: number): NodeKey {
  const node = nodes[n];
  if (node === undefined) throw new Error(`no node ${n}`);
  return node;
}
