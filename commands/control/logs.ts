import { Flags } from '@oclif/core';
import { ServiceCommand } from '../../src/cli/service-command.ts';

export default class ControlLogs extends ServiceCommand {
  static override summary = 'Show the log of the control plane’s service on this machine';
  static override description = 'From systemd’s journal on Linux. Ctrl-C ends --follow.';
  static override examples = [
    '<%= config.bin %> <%= command.id %> -n 100',
    '<%= config.bin %> <%= command.id %> --follow',
  ];
  static override flags = {
    follow: Flags.boolean({ char: 'f', description: 'go on with new lines' }),
    lines: Flags.integer({
      char: 'n',
      helpValue: '<n>',
      default: 30,
      min: 0,
      max: 1_000_000,
      description: 'so many of the last lines',
    }),
  };

  async run(): Promise<{ lines: string[] }> {
    const { flags } = await this.parse(ControlLogs);
    return await this.logs('control', flags.lines, flags.follow);
  }
}
