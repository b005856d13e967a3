import { Args, Flags } from '@oclif/core';
import { ClientCommand } from '../../src/cli/client-command.ts';
import { confirm } from '../../src/cli/prompt.ts';
import { splitTemplate } from '../../src/cli/submit-jobs.ts';

export default class TemplateRemove extends ClientCommand {
  static override summary = 'Remove a template, or one version of it';
  static override description =
    'Finished jobs and their outputs stay. Refused while unfinished jobs need the template.';
  static override examples = [
    '<%= config.bin %> <%= command.id %> title-card@1.0.0',
    '<%= config.bin %> <%= command.id %> title-card --yes',
  ];
  static override args = {
    template: Args.string({ required: true, description: 'name@version, or name for all versions' }),
  };
  static override flags = {
    yes: Flags.boolean({ char: 'y', description: 'do not ask' }),
  };

  async run(): Promise<{ removed: string[] }> {
    const { args, flags } = await this.parse(TemplateRemove);
    const { name, version } = splitTemplate(args.template);
    await this.api.getTemplate(name, version);
    const what =
      version === undefined ? `template ${name} with all its versions` : `template ${name}@${version}`;
    await confirm(`Remove ${what}?`, flags.yes);
    const removed = (await this.api.removeTemplate(name, version)).map(
      (view) => `${view.name}@${view.version}`,
    );
    for (const template of removed) this.print(`removed ${template}`);
    return { removed };
  }
}
