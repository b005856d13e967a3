import { Args, Flags } from '@oclif/core';
import { ClientCommand } from '../../src/cli/client-command.ts';
import { type FullLog, type LogLine, readFullLogs, readJobLog } from '../../src/cli/job-log.ts';
import { paint } from '../../src/cli/paint.ts';

export default class JobLogs extends ClientCommand {
  static override summary = 'Print what the nodes logged for a job';
  static override examples = [
    '<%= config.bin %> <%= command.id %> j01h2x3y4z5a6b7c8',
    '<%= config.bin %> <%= command.id %> j01h2x3y4z5a6b7c8 --follow',
    '<%= config.bin %> <%= command.id %> j01h2x3y4z5a6b7c8 --full > render.log',
  ];
  static override args = { job: Args.string({ required: true, description: 'job id' }) };
  static override flags = {
    follow: Flags.boolean({ char: 'f', description: 'wait for more until the job is over' }),
    full: Flags.boolean({
      exclusive: ['follow'],
      description: 'the complete logs of After Effects, kept when an attempt is over',
    }),
    task: Flags.string({ helpValue: '<id>', description: 'only this task' }),
  };

  async run(): Promise<{ lines: readonly LogLine[] } | { logs: readonly FullLog[] }> {
    const { args, flags } = await this.parse(JobLogs);
    if (flags.full) return { logs: await this.full(args.job, flags.task) };
    const kept: LogLine[] = [];
    let last = '';
    for await (const line of readJobLog(this.api, args.job, { follow: flags.follow, signal: this.signal })) {
      if (flags.task !== undefined && line.task !== flags.task) continue;
      if (this.jsonEnabled()) kept.push(line);
      const attempt = `${line.task} attempt ${line.epoch}`;
      if (attempt !== last) this.print(paint('bold', `${attempt}:`));
      last = attempt;
      this.print(
        `${paint('dim', line.at)} ${line.stream === 'agent' ? paint('busy', 'agent ') : 'engine'} ${line.line}`,
      );
    }
    if (last === '' && kept.length === 0) this.note('nothing was logged');
    return { lines: kept };
  }

  private async full(job: string, task: string | undefined): Promise<FullLog[]> {
    const kept: FullLog[] = [];
    for await (const log of readFullLogs(this.api, job, { task, signal: this.signal })) {
      if (this.jsonEnabled()) kept.push(log);
      this.print(paint('bold', `${log.task} attempt ${log.epoch}, ${log.name}:`));
      for (const line of log.lines) this.print(line);
    }
    return kept;
  }
}
