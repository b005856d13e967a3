/** What a job costs besides rendering, with a real agent: a 100 MB template, cold and from the node's cache. */
import { randomBytes } from 'node:crypto';
import { mockTemplate, startFarm } from '../helpers/farm.ts';
import { type LoadClient, percentile } from '../helpers/load-client.ts';
import { rssMb } from './process-usage.ts';

export interface OverheadFigures {
  readonly templateMb: number;
  /** submit → job over, minus the time in the engine. */
  readonly coldMs: number;
  readonly cachedP50Ms: number;
  readonly cachedP95Ms: number;
  /** Time in the engine of the cached runs (a mock render of ten frames), for scale. */
  readonly renderP50Ms: number;
  readonly agentRssMb: number;
}

export async function benchOverhead(templateMb: number, jobs: number): Promise<OverheadFigures> {
  await using farm = await startFarm({ mode: 'built' });
  const agent = await farm.startAgent('worker');
  // The first job of a fresh host pays for compiling the encoder; that is not overhead of a job.
  await farm.pushTemplate(mockTemplate('small', 0));
  await oneJob(farm.client, 'small');
  const ballast = randomBytes(templateMb * 1024 * 1024);
  await farm.pushTemplate({ ...mockTemplate('bench', 0), 'ballast.bin': ballast });
  const cold = await oneJob(farm.client, 'bench');
  const cached: { overheadMs: number; renderMs: number }[] = [];
  for (let n = 0; n < jobs; n += 1) cached.push(await oneJob(farm.client, 'bench'));
  const overheads = cached.map((job) => job.overheadMs);
  const renders = cached.map((job) => job.renderMs);
  return {
    templateMb,
    coldMs: Math.round(cold.overheadMs),
    cachedP50Ms: Math.round(percentile(overheads, 0.5)),
    cachedP95Ms: Math.round(percentile(overheads, 0.95)),
    renderP50Ms: Math.round(percentile(renders, 0.5)),
    agentRssMb: rssMb(agent),
  };
}

/** Submits one job and asks until it is over. */
async function oneJob(
  client: LoadClient,
  template: string,
): Promise<{ overheadMs: number; renderMs: number }> {
  const startedAt = performance.now();
  const submitted = await client.call('POST', '/v1/jobs', { template });
  const [job] = (submitted.body?.jobs ?? []) as { id: string }[];
  if (job === undefined) throw new Error(`submit refused: ${JSON.stringify(submitted.body)}`);
  for (;;) {
    const { body } = await client.call('GET', `/v1/jobs/${job.id}`);
    const { state, tasks, error } = body as {
      state: string;
      error: unknown;
      tasks: { result: { renderMs: number } | null }[];
    };
    if (state === 'failed' || state === 'cancelled')
      throw new Error(`job ${state}: ${JSON.stringify(error)}`);
    const result = tasks[0]?.result;
    if (state === 'succeeded' && result) {
      const wallMs = performance.now() - startedAt;
      return { overheadMs: wallMs - result.renderMs, renderMs: result.renderMs };
    }
    await new Promise((resolve) => setTimeout(resolve, 3));
  }
}
