/** What a job costs besides rendering, with a real agent: a 100 MB template, cold and from the node's cache. */
import { join } from 'node:path';
import { pushBenchTemplate } from './bench-template.ts';
import { freePort, initFarm, startControlProcess, startProgram, waitForHealth } from './farm-process.ts';
import { LoadClient, percentile } from './load-client.ts';

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
  const farm = await initFarm();
  const control = await startControlProcess(farm);
  const client = new LoadClient(farm.url, farm.token, 4);
  const healthPort = await freePort();
  const created = await client.call('POST', '/v1/nodes', { id: 'worker' });
  const agent = startProgram(farm.home, ['agent', 'run'], 'agent.log', {
    NODE_ID: 'worker',
    NODE_HMAC_SECRET: String(created.body?.secret),
    ORCHESTRATOR_URL: farm.url,
    HEALTH_PORT: String(healthPort),
    STATE_DIR: join(farm.home, 'agent'),
  });
  try {
    await waitForHealth(`http://127.0.0.1:${healthPort}/health`);
    // The first job of a fresh host pays for compiling the encoder; that is not overhead of a job.
    await pushBenchTemplate(farm, 'small');
    await oneJob(client, 'small');
    await pushBenchTemplate(farm, 'bench', templateMb);
    const cold = await oneJob(client, 'bench');
    const cached: { overheadMs: number; renderMs: number }[] = [];
    for (let n = 0; n < jobs; n += 1) cached.push(await oneJob(client, 'bench'));
    const overheads = cached.map((job) => job.overheadMs);
    return {
      templateMb,
      coldMs: Math.round(cold.overheadMs),
      cachedP50Ms: Math.round(percentile(overheads, 0.5)),
      cachedP95Ms: Math.round(percentile(overheads, 0.95)),
      renderP50Ms: Math.round(percentile(cached.map((job) => job.renderMs), 0.5)),
      agentRssMb: agent.rssMb(),
    };
  } finally {
    await agent.stop();
    await client.close();
    await control.stop();
    await farm.remove();
  }
}

/** Submits one job and asks until it is over. */
async function oneJob(client: LoadClient, template: string): Promise<{ overheadMs: number; renderMs: number }> {
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
    if (state === 'failed' || state === 'cancelled') throw new Error(`job ${state}: ${JSON.stringify(error)}`);
    const result = tasks[0]?.result;
    if (state === 'succeeded' && result) {
      const wallMs = performance.now() - startedAt;
      return { overheadMs: wallMs - result.renderMs, renderMs: result.renderMs };
    }
    await new Promise((resolve) => setTimeout(resolve, 3));
  }
}

