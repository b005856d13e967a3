import { Flags } from '@oclif/core';
import { ClientCommand } from '../../src/cli/client-command.ts';
import { jobFailure, mockWarning, savedText } from '../../src/cli/job-report.ts';
import { plural } from '../../src/cli/output.ts';
import { checkTarget, type SavedFile, saveOutputs } from '../../src/cli/save-outputs.ts';
import { parseStartTime } from '../../src/cli/start-time.ts';
import { submitJobs } from '../../src/cli/submit-jobs.ts';
import { watchJobs } from '../../src/cli/watch-jobs.ts';
import type { JobView } from '../../src/protocol/jobs.ts';

interface SubmitResult {
  jobs: readonly JobView[];
  batch: string | null;
  files: readonly SavedFile[];
  /** What the control plane has to say, e.g. that only nodes in mock mode are there. */
  warnings: readonly string[];
}

export default class JobSubmit extends ClientCommand {
  static override summary = 'Submit a job, or a batch of jobs';
  static override description =
    `Inputs are given with --set, or in a file with --inputs, or both (--set wins). Their types come from the template.
A value @PATH is a file: it is uploaded for image, audio, video and font inputs, and read for text inputs. A text that itself starts with @ is written with two: --set handle=@@flatrender.
In a CSV file the first line names the inputs and each further line is a job; an empty cell means the template's default. Files are relative to the file that names them.`;
  static override examples = [
    '<%= config.bin %> <%= command.id %> -t title-card --set title="Hello" --set accent=#ff3366 --wait',
    '<%= config.bin %> <%= command.id %> -t title-card@1.0.0 --set logo=@logo.png --format square-1080 --output hello.mp4',
    '<%= config.bin %> <%= command.id %> -t title-card --inputs episodes.csv --output rendered/ --priority 80',
    '<%= config.bin %> <%= command.id %> -t audio-visualiser --set audio=@song.mp3 --at 22:00 --node desktop --no-fallback',
  ];
  static override flags = {
    template: Flags.string({
      char: 't',
      required: true,
      helpValue: '<name[@version]>',
      description: 'template; default version: the newest',
    }),
    set: Flags.string({
      multiple: true,
      multipleNonGreedy: true,
      helpValue: '<input=value>',
      description: 'an input',
    }),
    inputs: Flags.string({
      helpValue: '<file>',
      description: 'inputs as .yaml, .json (a list is several jobs) or .csv (a row is a job)',
    }),
    format: Flags.string({
      char: 'f',
      aliases: ['outputs'],
      multiple: true,
      multipleNonGreedy: true,
      helpValue: '<name>',
      description: 'output or preset, such as youtube-1080p; default: the first of the template',
    }),
    name: Flags.string({
      char: 'n',
      helpValue: '<text>',
      description: 'name for people; also begins the file name',
    }),
    priority: Flags.integer({
      min: 0,
      max: 100,
      default: 50,
      helpValue: '<0-100>',
      description: 'higher goes first',
    }),
    node: Flags.string({
      helpValue: '<id>',
      description: 'render on this node; on another when it is offline',
    }),
    fallback: Flags.boolean({
      allowNo: true,
      dependsOn: ['node'],
      description: 'may another node take it while that one is offline',
    }),
    tag: Flags.string({
      multiple: true,
      multipleNonGreedy: true,
      helpValue: '<tag>',
      description: 'only nodes with this tag',
    }),
    at: Flags.string({
      helpValue: '<time>',
      description: 'do not start before: 22:00, +10m or an ISO 8601 instant',
    }),
    anyway: Flags.boolean({
      description: 'queue it although no node that is online can render it',
    }),
    webhook: Flags.string({ helpValue: '<url>', description: 'called when the job is over' }),
    wait: Flags.boolean({ char: 'w', description: 'wait for the end; exit 1 when a job fails' }),
    output: Flags.string({
      char: 'o',
      helpValue: '<path>',
      description: 'wait, then download to this file or directory',
    }),
    force: Flags.boolean({ dependsOn: ['output'], description: 'replace files that exist' }),
  };

  async run(): Promise<SubmitResult> {
    const { flags } = await this.parse(JobSubmit);
    await checkTarget(flags.output, flags.force);
    const warnings: string[] = [];
    const jobs = await submitJobs(this.api, {
      template: flags.template,
      set: flags.set ?? [],
      inputsFile: flags.inputs,
      signal: this.signal,
      job: {
        ...(flags.format ? { outputs: flags.format } : {}),
        ...(flags.name === undefined ? {} : { name: flags.name }),
        ...(flags.node === undefined ? {} : { node: flags.node, fallback: flags.fallback ?? true }),
        ...(flags.tag ? { tags: flags.tag } : {}),
        ...(flags.at === undefined ? {} : { runAt: parseStartTime(flags.at, Date.now()).toISOString() }),
        ...(flags.webhook === undefined ? {} : { webhook: flags.webhook }),
        priority: flags.priority,
        ifNoNode: flags.anyway ? 'queue' : 'refuse',
      },
      onUpload: (path) => this.note(`uploaded ${path}`),
      onAddress: (input, address) => this.note(`${input}: the control plane fetches ${address}`),
      onWarning: (warning) => {
        warnings.push(warning);
        this.note(`warning: ${warning}`);
      },
    });
    const batch = jobs[0]?.batch ?? null;
    for (const job of jobs) this.print(job.id);
    const ids = jobs.slice(0, 3).map((job) => job.id);
    if (!flags.wait && flags.output === undefined) {
      this.note(
        `submitted ${plural(jobs.length, 'job')}; follow with "flatrender job watch ${batch && jobs.length > 3 ? `--batch ${batch}` : ids.join(' ')}"`,
      );
      return { jobs, batch, files: [], warnings };
    }
    return { ...(await this.finish(jobs, flags)), batch, warnings };
  }

  private async finish(
    jobs: readonly JobView[],
    { output, force }: { output?: string | undefined; force: boolean },
  ): Promise<Pick<SubmitResult, 'jobs' | 'files'>> {
    const [first] = jobs;
    this.goesOn =
      jobs.length === 1
        ? `the job goes on; "flatrender job cancel ${first?.id}" stops it, too`
        : `the jobs go on; follow them with "flatrender job watch --batch ${first?.batch}"`;
    const ended = await watchJobs(
      this.api,
      jobs.map((job) => job.id),
      { signal: this.signal, quiet: this.jsonEnabled() },
    );
    this.goesOn = undefined;
    const succeeded = ended.filter((job) => job.state === 'succeeded');
    const failed = ended.find((job) => job.state !== 'succeeded');
    if (failed && jobs.length === 1) throw jobFailure(failed);
    const files =
      output === undefined
        ? []
        : await saveOutputs(this.api, succeeded, { target: output, force, signal: this.signal });
    for (const file of files) this.print(savedText(file));
    const mocked = mockWarning(ended);
    if (mocked !== null) this.note(`warning: ${mocked}`);
    if (failed) {
      process.exitCode = 1;
      this.note(
        `${succeeded.length} of ${plural(jobs.length, 'job')} succeeded; "flatrender job show ${failed.id}" says why one did not`,
      );
    }
    return { jobs: ended, files };
  }
}
