import { Flags } from '@oclif/core';
import { BaseCommand } from '../../../src/cli/base-command.ts';
import { table } from '../../../src/cli/output.ts';

export default class NodeConfigShow extends BaseCommand {
  static override summary = 'Show the settings of the agent on this machine, without its secret';
  static override examples = ['sudo <%= config.bin %> <%= command.id %>'];
  static override flags = {
    'agent-env': Flags.string({
      helpValue: '<path>',
      description: 'the file; default: the one of the service',
    }),
  };

  async run(): Promise<{ file: string; settings: Record<string, string | null> }> {
    const { flags } = await this.parse(NodeConfigShow);
    const [{ shownSettings }, { envFileOf }, { AGENT_KEYS }] = await Promise.all([
      import('../../../src/config/edit-agent-env.ts'),
      import('../../../src/setup/node-settings.ts'),
      import('../../../src/config/agent-config.ts'),
    ]);
    const file = envFileOf(flags['agent-env']);
    const settings = shownSettings(file);
    this.note(file);
    this.print(
      table(settings, [
        { title: 'setting', value: ({ key }) => key },
        { title: 'value', value: ({ value }) => value },
        { title: 'meaning', value: ({ key }) => AGENT_KEYS[key].description },
      ]),
    );
    return { file, settings: Object.fromEntries(settings.map(({ key, value }) => [key, value])) };
  }
}
