import { Flags } from '@oclif/core';
import { readSecret } from '../../../src/cli/prompt.ts';
import { ServiceCommand } from '../../../src/cli/service-command.ts';
import { FlatrenderError } from '../../../src/lib/errors.ts';

export default class NodeConfigSet extends ServiceCommand {
  static override summary = 'Change settings of the agent on this machine (agent.env)';
  static override description =
    'Values are checked first; comments, owner and rights of the file stay. The agent reads its settings when it starts: ' +
    '--restart does that at once. KEY=- reads the value from stdin, so that a secret is in no list of processes.';
  static override examples = [
    'sudo <%= config.bin %> <%= command.id %> MAX_CONCURRENT_JOBS=2 NODE_TAGS=gpu,fast --restart',
    'sudo <%= config.bin %> <%= command.id %> NODE_HMAC_SECRET=- --restart <secret.txt',
  ];
  static override strict = false;
  static override flags = {
    'agent-env': Flags.string({
      helpValue: '<path>',
      description: 'the file; default: the one of the service',
    }),
    restart: Flags.boolean({ description: 'restart the service when something changed' }),
  };

  async run(): Promise<{ file: string; changed: readonly string[]; restarted: boolean }> {
    const { flags, argv } = await this.parse(NodeConfigSet);
    const [{ parseSetting, changeEnvFile }, { envFileOf }, { installService, serviceStatus }] =
      await Promise.all([
        import('../../../src/config/edit-agent-env.ts'),
        import('../../../src/setup/node-settings.ts'),
        import('../../../src/setup/services.ts'),
      ]);
    if (argv.length === 0)
      throw new FlatrenderError('USAGE', 'which setting?', { hint: 'such as MAX_CONCURRENT_JOBS=2' });
    const settings = argv.map((each) => parseSetting(String(each)));
    const secret = settings.find(({ key, value }) => key === 'NODE_HMAC_SECRET' && value !== '-');
    if (secret) {
      throw new FlatrenderError('USAGE', `${secret.key} on the command line can be read by others`, {
        hint: `flatrender node config set ${secret.key}=- <file`,
      });
    }
    const given = settings.some(({ value }) => value === '-') ? await readSecret() : '';
    const file = envFileOf(flags['agent-env']);
    const values = Object.fromEntries(settings.map(({ key, value }) => [key, value === '-' ? given : value]));
    const changed = changeEnvFile(file, values);
    this.print(
      changed.length === 0 ? `already: nothing changed in ${file}` : `${file}: ${changed.join(', ')} changed`,
    );
    const { state, manager } = await serviceStatus('agent', this.signal);
    const isInstalled = state !== 'not-installed';
    if (changed.length > 0 && isInstalled && flags.restart) {
      // Other directories may be in the service's own description.
      const isInteractive = manager === 'windows-task' || manager === 'launchd-user';
      await installService(
        { role: 'agent', isInteractive },
        { signal: this.signal, onStep: this.say, start: false },
      );
      await this.restart('agent');
      return { file, changed, restarted: true };
    }
    if (changed.length > 0 && isInstalled) this.note('in use after: flatrender node restart');
    return { file, changed, restarted: false };
  }
}
