import { Args, Flags } from '@oclif/core';
import { ClientCommand } from '../../src/cli/client-command.ts';
import { savedText } from '../../src/cli/job-report.ts';
import { formatBytes } from '../../src/cli/output.ts';
import { type SavedFile, saveOutputs } from '../../src/cli/save-outputs.ts';

export default class JobDownload extends ClientCommand {
  static override summary = 'Download what jobs rendered';
  static override description =
    'Files are verified by sha256; an interrupted download is resumed. An existing file is only replaced with --force.';
  static override examples = [
    '<%= config.bin %> <%= command.id %> j01h2x3y4z5a6b7c8',
    '<%= config.bin %> <%= command.id %> j01h2x3y4z5a6b7c8 --output hello.mp4 --force',
  ];
  static override strict = false;
  static override args = { job: Args.string({ required: true, description: 'job ids' }) };
  static override flags = {
    output: Flags.string({
      char: 'o',
      helpValue: '<path>',
      description: 'file or directory; default: the current directory',
    }),
    format: Flags.string({
      char: 'f',
      multiple: true,
      multipleNonGreedy: true,
      helpValue: '<name>',
      description: 'only this output of the job',
    }),
    force: Flags.boolean({ description: 'replace files that exist' }),
  };

  async run(): Promise<{ files: readonly SavedFile[] }> {
    const { argv, flags } = await this.parse(JobDownload);
    const jobs = [];
    for (const id of argv) jobs.push(await this.api.getJob(String(id)));
    const files = await saveOutputs(this.api, jobs, {
      target: flags.output,
      force: flags.force,
      names: flags.format,
      signal: this.signal,
    });
    for (const file of files) this.print(savedText(file));
    if (files.length > 1)
      this.note(
        `${files.length} files, ${formatBytes(files.reduce((sum, file) => sum + file.sizeBytes, 0))}`,
      );
    return { files };
  }
}
