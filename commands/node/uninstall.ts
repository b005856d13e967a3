import { Flags } from '@oclif/core';
import { confirm } from '../../src/cli/prompt.ts';
import { ServiceCommand } from '../../src/cli/service-command.ts';

export default class NodeUninstall extends ServiceCommand {
  static override summary = 'Stop the service of the agent and remove it';
  static override description =
    'What it renders is handed back to the farm. Settings, cache and tunnel stay, so that "node install" brings it back; ' +
    '--purge removes them as well: this machine is no node any more.';
  static override examples = [
    'sudo <%= config.bin %> <%= command.id %>',
    'sudo <%= config.bin %> <%= command.id %> --purge --yes',
  ];
  static override flags = {
    purge: Flags.boolean({ description: 'also remove agent.env with the secret, the state and the tunnel' }),
    yes: Flags.boolean({ char: 'y', description: 'with --purge: do not ask' }),
  };

  async run(): Promise<{ wasInstalled: boolean; purged: boolean }> {
    const { flags } = await this.parse(NodeUninstall);
    if (flags.purge) await confirm('Remove settings, secret, cache and tunnel of this node?', flags.yes);
    const { wasInstalled } = await this.uninstall('agent');
    if (flags.purge) {
      const { purgeService } = await import('../../src/setup/purge.ts');
      await purgeService('agent', { signal: this.signal, onStep: this.say });
      this.note('on the control plane: flatrender node remove NAME');
    } else this.note('agent.env, state and tunnel stay; --purge removes them');
    return { wasInstalled, purged: flags.purge };
  }
}
