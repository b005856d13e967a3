import { LOG_FLAGS, ServiceCommand } from '../../src/cli/service-command.ts';

export default class ControlLogs extends ServiceCommand {
  static override summary = 'Show the log of the control plane’s service on this machine';
  static override description = 'From systemd’s journal on Linux. Ctrl-C ends --follow.';
  static override examples = [
    '<%= config.bin %> <%= command.id %> -n 100',
    '<%= config.bin %> <%= command.id %> --follow',
  ];
  static override flags = LOG_FLAGS;

  async run(): Promise<{ lines: string[] }> {
    const { flags } = await this.parse(ControlLogs);
    return await this.logs('control', flags.lines, flags.follow);
  }
}
