import { FlatrenderError } from '../lib/errors.ts';
import type { JobView } from '../protocol/jobs.ts';
import { plural } from './output.ts';

/**
 * Does the same to several jobs, one after the other; an error of one does not spare the rest. One id: its error as it
 * is. Several: the first one's code, with all messages.
 */
export async function forEachJob(
  ids: readonly string[],
  work: (id: string) => Promise<JobView>,
  onDone: (id: string) => void,
): Promise<readonly JobView[]> {
  const jobs: JobView[] = [];
  const errors: FlatrenderError[] = [];
  for (const id of ids) {
    try {
      jobs.push(await work(id));
      onDone(id);
    } catch (error) {
      if (!(error instanceof FlatrenderError) || error.exit !== 1 || error.retryable) throw error;
      errors.push(error);
    }
  }
  const [first] = errors;
  if (!first) return jobs;
  if (ids.length === 1) throw first;
  throw new FlatrenderError(first.code, errors.map((error) => error.message).join('\n'), {
    hint: `the other ${plural(jobs.length, 'job')} went well`,
    details: { done: jobs.map((job) => job.id) },
  });
}
