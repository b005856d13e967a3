import { Args } from '@oclif/core';
import { ClientCommand } from '../../src/cli/client-command.ts';
import { jobDetails } from '../../src/cli/job-report.ts';
import type { JobView } from '../../src/protocol/jobs.ts';

export default class JobShow extends ClientCommand {
  static override summary = 'Show a job: inputs, tasks, attempts, errors';
  static override examples = ['<%= config.bin %> <%= command.id %> j01h2x3y4z5a6b7c8'];
  static override args = { job: Args.string({ required: true, description: 'job id' }) };

  async run(): Promise<JobView> {
    const { args } = await this.parse(JobShow);
    const job = await this.api.getJob(args.job);
    if (this.jsonEnabled()) return job;
    const { logs } = await this.api.jobLogFiles(job.id);
    this.print(jobDetails(job, Date.now(), logs.length > 0));
    return job;
  }
}
