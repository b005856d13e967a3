import { ServiceCommand } from '../../src/cli/service-command.ts';
import type { ServiceState } from '../../src/service/service-spec.ts';

export default class NodeStop extends ServiceCommand {
  static override summary = 'Stop the service of the agent until the next boot';
  static override description =
    'Waits until it has ended: a render that does not end within 10 s is handed back to the farm and goes on elsewhere.';
  static override examples = ['sudo <%= config.bin %> <%= command.id %>'];

  async run(): Promise<ServiceState> {
    await this.parse(NodeStop);
    return await this.stop('agent');
  }
}
