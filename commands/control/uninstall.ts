import { Flags } from '@oclif/core';
import { confirm } from '../../src/cli/prompt.ts';
import { ServiceCommand } from '../../src/cli/service-command.ts';

export default class ControlUninstall extends ServiceCommand {
  static override summary = 'Stop the service of the control plane and remove it';
  static override description =
    'The farm itself (configuration, database, files) stays; --purge deletes it for good. The mesh stays too.';
  static override examples = ['sudo <%= config.bin %> <%= command.id %>'];
  static override flags = {
    purge: Flags.boolean({ description: 'also delete the farm: jobs, templates, outputs, the farm secret' }),
    yes: Flags.boolean({ char: 'y', description: 'with --purge: do not ask' }),
  };

  async run(): Promise<{ wasInstalled: boolean; purged: boolean }> {
    const { flags } = await this.parse(ControlUninstall);
    const { controlHome } = await import('../../src/config/home.ts');
    const home = controlHome();
    if (flags.purge) await confirm(`Delete the farm in ${home} for good?`, flags.yes);
    const { wasInstalled } = await this.uninstall('control');
    if (flags.purge) {
      const { purgeService } = await import('../../src/setup/purge.ts');
      await purgeService('control', { signal: this.signal, onStep: this.say });
    } else this.note(`the farm stays in ${home}; --purge deletes it`);
    return { wasInstalled, purged: flags.purge };
  }
}
