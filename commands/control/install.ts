import { Flags } from '@oclif/core';
import { type InstallResult, ServiceCommand } from '../../src/cli/service-command.ts';

export default class ControlInstall extends ServiceCommand {
  static override summary =
    'Run the control plane as a service of this machine: at every boot, restarted when it fails';
  static override description =
    'A systemd service with a user of its own, flatrender. What "control init" made in a home directory moves to ' +
    '/var/lib/flatrender/control; a directory named by FLATRENDER_HOME stays. With a mesh, a helper that changes its peers is ' +
    'installed too. Run again, it updates in place and says "already" when there is nothing to do.';
  static override examples = [
    'sudo <%= config.bin %> <%= command.id %>',
    '<%= config.bin %> <%= command.id %> --dry-run',
  ];
  static override flags = {
    start: Flags.boolean({ allowNo: true, default: true, description: 'start it now' }),
    'dry-run': Flags.boolean({ description: 'only show files and commands' }),
  };

  async run(): Promise<InstallResult> {
    const { flags } = await this.parse(ControlInstall);
    return await this.install('control', { dryRun: flags['dry-run'], start: flags.start });
  }
}
