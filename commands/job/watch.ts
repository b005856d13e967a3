import { Args, Flags } from '@oclif/core';
import { ClientCommand } from '../../src/cli/client-command.ts';
import { jobFailure, mockWarning } from '../../src/cli/job-report.ts';
import { plural } from '../../src/cli/output.ts';
import { watchJobs } from '../../src/cli/watch-jobs.ts';
import { FlatrenderError } from '../../src/lib/errors.ts';
import type { JobView } from '../../src/protocol/jobs.ts';

export default class JobWatch extends ClientCommand {
  static override summary = 'Watch jobs until all are over';
  static override description =
    'Exit code 0 when all succeeded, 1 when one failed or was cancelled. Ctrl-C stops watching; the jobs go on.';
  static override examples = [
    '<%= config.bin %> <%= command.id %> j01h2x3y4z5a6b7c8 j01h2x3y4z5a6b7c9',
    '<%= config.bin %> <%= command.id %> --batch b01h2x3y4z5a6b7c8',
  ];
  static override strict = false;
  static override args = { job: Args.string({ description: 'job ids; default: all that run or wait' }) };
  static override flags = {
    batch: Flags.string({ helpValue: '<id>', description: 'all jobs of this batch' }),
  };

  async run(): Promise<{ jobs: readonly JobView[] }> {
    const { argv, flags } = await this.parse(JobWatch);
    const ids = argv.length > 0 ? argv.map(String) : await this.findJobs(flags.batch);
    if (ids.length === 0) {
      this.note('nothing runs or waits');
      return { jobs: [] };
    }
    this.goesOn = 'what renders goes on; "flatrender job cancel" stops it, too';
    const jobs = await watchJobs(this.api, ids, { signal: this.signal, quiet: this.jsonEnabled() });
    const mocked = mockWarning(jobs);
    if (mocked !== null) this.note(`warning: ${mocked}`);
    const failed = jobs.find((job) => job.state !== 'succeeded');
    if (failed) {
      process.exitCode = jobFailure(failed).exit;
      const succeeded = jobs.filter((job) => job.state === 'succeeded').length;
      this.note(
        `${succeeded} of ${plural(jobs.length, 'job')} succeeded; "flatrender job show ${failed.id}" says why one did not`,
      );
    }
    return { jobs };
  }

  private async findJobs(batch: string | undefined): Promise<string[]> {
    const states = batch === undefined ? (['scheduled', 'queued', 'running'] as const) : undefined;
    const { jobs, next } = await this.api.listJobs({ batch, states, limit: 200 });
    if (batch !== undefined && jobs.length === 0) {
      // Not "all succeeded": a script that mistyped the id would go on.
      throw new FlatrenderError('JOB_NOT_FOUND', `there is no batch "${batch}"`, {
        hint: 'run "flatrender job list --json" to see the batch of a job',
      });
    }
    if (next !== null) {
      throw new FlatrenderError('USAGE', 'more than 200 jobs: too many to watch at once', {
        hint: 'name the jobs, or look at "flatrender job list"',
      });
    }
    return jobs.map((job) => job.id);
  }
}
