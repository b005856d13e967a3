import { Flags } from '@oclif/core';
import { ClientCommand } from '../../src/cli/client-command.ts';
import { jobTable } from '../../src/cli/job-report.ts';
import type { JobState, JobView } from '../../src/protocol/jobs.ts';

const STATES: JobState[] = ['scheduled', 'queued', 'running', 'succeeded', 'failed', 'cancelled'];

/** As many as one page of the API holds. */
const PAGE = 200;

export default class JobList extends ClientCommand {
  static override summary = 'List jobs, newest first';
  static override examples = [
    '<%= config.bin %> <%= command.id %>',
    '<%= config.bin %> <%= command.id %> --state running --state queued',
    '<%= config.bin %> <%= command.id %> --template title-card --limit 100 --json',
  ];
  static override flags = {
    state: Flags.option({ options: STATES, multiple: true, multipleNonGreedy: true })({
      char: 's',
      description: 'only jobs in this state',
    }),
    template: Flags.string({ char: 't', helpValue: '<name>', description: 'only jobs of this template' }),
    batch: Flags.string({ helpValue: '<id>', description: 'only jobs of this batch' }),
    limit: Flags.integer({
      char: 'l',
      min: 1,
      max: 100_000,
      default: 20,
      helpValue: '<n>',
      description: 'at most so many',
    }),
    before: Flags.string({ helpValue: '<job>', description: 'continue after this job' }),
  };

  async run(): Promise<{ jobs: readonly JobView[]; next: string | null }> {
    const { flags } = await this.parse(JobList);
    const jobs: JobView[] = [];
    let next: string | null = flags.before ?? null;
    do {
      const page = await this.api.listJobs({
        states: flags.state,
        template: flags.template,
        batch: flags.batch,
        before: next ?? undefined,
        limit: Math.min(PAGE, flags.limit - jobs.length),
      });
      jobs.push(...page.jobs);
      next = page.next;
    } while (next !== null && jobs.length < flags.limit);
    if (jobs.length === 0) this.note('no jobs');
    else this.print(jobTable(jobs, Date.now()));
    if (next !== null) this.note(`there are more: --limit ${flags.limit * 5}, or --before ${next}`);
    return { jobs, next };
  }
}
