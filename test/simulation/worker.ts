/** Plays batches of schedules for `schedules.ts`. */
import { parentPort } from 'node:worker_threads';
import { intruders } from './sandbox.ts';
import type { Batch, BatchDone, Broken } from './schedules.ts';
import { simulate } from './simulate.ts';

parentPort?.on('message', async ({ seed, count, choice }: Batch) => {
  const broken: Broken[] = [];
  const counts: Record<string, number> = {};
  let steps = 0;
  let virtualSeconds = 0;
  for (let i = 0; i < count; i += 1) {
    const outcome = await simulate(seed + i, choice);
    steps += outcome.steps;
    virtualSeconds += outcome.virtualSeconds;
    for (const [kind, n] of Object.entries(outcome.counts)) counts[kind] = (counts[kind] ?? 0) + n;
    if (outcome.violation) broken.push({ seed: outcome.seed, violation: outcome.violation });
  }
  const done: BatchDone = {
    schedules: count,
    steps,
    virtualSeconds,
    counts,
    broken,
    intruders: [...intruders],
  };
  parentPort?.postMessage(done);
});
