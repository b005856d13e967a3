import { ServiceCommand } from '../../src/cli/service-command.ts';
import type { ServiceState } from '../../src/service/service-spec.ts';

export default class NodeRestart extends ServiceCommand {
  static override summary = 'Restart the service of the agent';
  static override description = 'A render that does not end within 10 s is handed back to the farm first.';
  static override examples = ['sudo <%= config.bin %> <%= command.id %>'];

  async run(): Promise<ServiceState> {
    await this.parse(NodeRestart);
    return await this.restart('agent');
  }
}
