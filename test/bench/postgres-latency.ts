/** submit at one control plane's store → the claim at another one's, which hears of it from the database. */
import { openPostgresStore } from '../../src/store/postgres/postgres-store.ts';
import { percentile } from '../helpers/load-client.ts';
import { noPostgres, startPostgres } from '../helpers/postgres.ts';
import { benchJob } from './bench-job.ts';
import { round } from './process-usage.ts';

export interface ReplicaLatencyFigures {
  readonly submits: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
}

/** One submit at a time; null without PostgreSQL. */
export async function benchReplicaLatency(submits: number): Promise<ReplicaLatencyFigures | null> {
  if (noPostgres !== false) return null;
  await using cluster = await startPostgres({ durable: true });
  const { url } = await cluster.createDatabase();
  const [submitting, claiming] = [await openPostgresStore({ url }), await openPostgresStore({ url })];
  try {
    await submitting.createNode({ id: 'node-a', name: 'node-a' }, Date.now());
    let heard: () => void = () => undefined;
    claiming.shared?.listen({
      onChanges(changes) {
        if (changes.some(({ kind }) => kind === 'queued')) heard();
      },
      onGap: () => undefined,
      onLeader: () => undefined,
    });
    const samples: number[] = [];
    for (let n = 0; n < submits; n += 1) {
      const told = new Promise<void>((resolve) => {
        heard = resolve;
      });
      const at = performance.now();
      await submitting.submit([benchJob(n)]);
      await told;
      const now = Date.now();
      const lease = { now, leaseUntil: now + 60_000 };
      const claimed = await claiming.claim({
        nodeId: 'node-a',
        claimId: `c${n}`,
        accepts: () => true,
        ...lease,
      });
      if (claimed === null) throw new Error('what was announced is not there');
      samples.push(performance.now() - at);
    }
    return { submits, p50Ms: round(percentile(samples, 0.5)), p99Ms: round(percentile(samples, 0.99)) };
  } finally {
    await Promise.all([submitting.close(), claiming.close()]);
  }
}
