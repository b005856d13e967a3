import { LOG_FLAGS, ServiceCommand } from '../../src/cli/service-command.ts';

export default class NodeLogs extends ServiceCommand {
  static override summary = 'Show the log of the agent’s service on this machine';
  static override description =
    'From systemd’s journal on Linux, from the log file elsewhere. Ctrl-C ends --follow.';
  static override examples = [
    '<%= config.bin %> <%= command.id %> -n 100',
    '<%= config.bin %> <%= command.id %> --follow',
  ];
  static override flags = LOG_FLAGS;

  async run(): Promise<{ lines: string[] }> {
    const { flags } = await this.parse(NodeLogs);
    return await this.logs('agent', flags.lines, flags.follow);
  }
}
