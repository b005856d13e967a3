import { ServiceCommand } from '../../src/cli/service-command.ts';
import type { ServiceState } from '../../src/service/service-spec.ts';

export default class ControlRestart extends ServiceCommand {
  static override summary = 'Restart the service of the control plane';
  static override description = 'Nodes go on rendering meanwhile and report when it runs again.';
  static override examples = ['sudo <%= config.bin %> <%= command.id %>'];

  async run(): Promise<ServiceState> {
    await this.parse(ControlRestart);
    return await this.restart('control');
  }
}
