import { Args } from '@oclif/core';
import { ClientCommand } from '../../src/cli/client-command.ts';
import { forEachJob } from '../../src/cli/for-each-job.ts';
import type { JobView } from '../../src/protocol/jobs.ts';

export default class JobCancel extends ClientCommand {
  static override summary = 'Cancel jobs; what renders is stopped';
  static override examples = ['<%= config.bin %> <%= command.id %> j01h2x3y4z5a6b7c8'];
  static override strict = false;
  static override args = { job: Args.string({ required: true, description: 'job ids' }) };

  async run(): Promise<{ jobs: readonly JobView[] }> {
    const { argv } = await this.parse(JobCancel);
    const jobs = await forEachJob(
      argv.map(String),
      (id) => this.api.cancelJob(id),
      (id) => this.print(`cancelled ${id}`),
    );
    return { jobs };
  }
}
