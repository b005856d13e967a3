/** Waiting for jobs of a farm under test. */
import type { JobView } from '../../src/protocol/jobs.ts';
import type { Farm } from './farm.ts';

/** A job as the API shows it now. */
export async function jobView(farm: Farm, id: string): Promise<JobView> {
  const answer = await farm.client.call('GET', `/v1/jobs/${id}`);
  if (answer.status !== 200) throw new Error(`job ${id}: ${JSON.stringify(answer.body)}`);
  return answer.body as unknown as JobView;
}

/** Waits until the job is as wanted; says how it stood when it was not in time. A control plane that is down is waited for. */
export async function untilJob(
  farm: Farm,
  id: string,
  isWanted: (job: JobView) => boolean,
  timeoutMs = 60_000,
): Promise<JobView> {
  const giveUpAt = Date.now() + timeoutMs;
  let last: JobView | undefined;
  while (Date.now() < giveUpAt) {
    last = await jobView(farm, id).catch(() => undefined);
    if (last !== undefined && isWanted(last)) return last;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  throw new Error(`job ${id} is not as wanted after ${timeoutMs} ms: ${JSON.stringify(last, null, 1)}`);
}
