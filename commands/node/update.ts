import { Args } from '@oclif/core';
import { BaseCommand } from '../../src/cli/base-command.ts';
import type { Updated } from '../../src/setup/update-program.ts';

export default class NodeUpdate extends BaseCommand {
  static override summary =
    'Replace the program of this node by another version and start its service with it';
  static override description =
    'FILE is flatrender.exe on Windows, the tar.gz of a release on Linux. It is tried before anything is stopped; when the new ' +
    'version does not become healthy, the former one is put back and runs again. What is rendered meanwhile is handed back.';
  static override examples = [
    'sudo <%= config.bin %> <%= command.id %> flatrender-1.2.0-linux-x64.tar.gz',
    '<%= config.bin %> <%= command.id %> C:\\Users\\anna\\Downloads\\flatrender.exe',
  ];
  static override args = {
    file: Args.string({ required: true, description: 'the new program' }),
  };

  async run(): Promise<Updated> {
    const { args } = await this.parse(NodeUpdate);
    const { resolve } = await import('node:path');
    // Loaded before the files of this program are replaced.
    const [{ updateProgram }, { controlServiceState }] = await Promise.all([
      import('../../src/setup/update-program.ts'),
      import('../../src/setup/services.ts'),
    ]);
    const updated = await updateProgram(resolve(args.file), {
      signal: this.signal,
      say: (text) => this.note(text),
    });
    this.print(
      updated.from === updated.to
        ? `version ${updated.to} replaced by the same version`
        : `updated from version ${updated.from} to ${updated.to}`,
    );
    if (updated.old !== null) this.note(`the former program is ${updated.old}; the next update removes it`);
    if ((await controlServiceState(this.signal)).state === 'running') {
      this.note(
        'the control plane of this machine still runs the former version: flatrender control restart',
      );
    }
    return updated;
  }
}
