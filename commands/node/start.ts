import { ServiceCommand } from '../../src/cli/service-command.ts';
import type { ServiceState } from '../../src/service/service-spec.ts';

export default class NodeStart extends ServiceCommand {
  static override summary = 'Start the service of the agent and wait until it runs';
  static override description =
    'With the last lines of its log when it does not. Harmless when it runs already.';
  static override examples = ['sudo <%= config.bin %> <%= command.id %>'];

  async run(): Promise<ServiceState> {
    await this.parse(NodeStart);
    return await this.start('agent');
  }
}
