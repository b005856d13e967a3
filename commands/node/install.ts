import { Flags } from '@oclif/core';
import { type InstallResult, ServiceCommand } from '../../src/cli/service-command.ts';

export default class NodeInstall extends ServiceCommand {
  static override summary =
    'Run the agent as a service of this machine: at every boot, restarted when it fails';
  static override description =
    'systemd on Linux, a Windows service, launchd on macOS. Run again, it updates the service in place and says "already" when ' +
    'there is nothing to do. Needs agent.env, which "node join" writes. With --interactive the agent runs in the session of ' +
    'the user who is logged in, where After Effects has the graphics card and the fonts of that user.';
  static override examples = [
    'sudo <%= config.bin %> <%= command.id %>',
    '<%= config.bin %> <%= command.id %> --interactive',
    '<%= config.bin %> <%= command.id %> --dry-run --platform win32',
  ];
  static override flags = {
    interactive: Flags.boolean({
      description: 'in the session of the user who is logged in (Windows, macOS)',
    }),
    start: Flags.boolean({ allowNo: true, default: true, description: 'start it now' }),
    'dry-run': Flags.boolean({ description: 'only show files and commands' }),
    platform: Flags.option({ options: ['linux', 'win32', 'darwin'] as const })({
      description: 'with --dry-run: of this system; default: this one',
      dependsOn: ['dry-run'],
    }),
  };

  async run(): Promise<InstallResult> {
    const { flags } = await this.parse(NodeInstall);
    const { interactive: isInteractive, platform, start } = flags;
    return await this.install('agent', { dryRun: flags['dry-run'], platform, isInteractive, start });
  }
}
