import { Flags } from '@oclif/core';
import { ClientCommand } from '../../src/cli/client-command.ts';
import { templateTable } from '../../src/cli/template-report.ts';
import type { TemplateView } from '../../src/protocol/templates.ts';

export default class TemplateList extends ClientCommand {
  static override summary = 'List the templates of the farm';
  static override examples = [
    '<%= config.bin %> <%= command.id %>',
    '<%= config.bin %> <%= command.id %> --all',
  ];
  static override flags = {
    all: Flags.boolean({ char: 'a', description: 'older versions, too' }),
  };

  async run(): Promise<{ templates: readonly TemplateView[] }> {
    const { flags } = await this.parse(TemplateList);
    const all = await this.api.listTemplates();
    const templates = flags.all ? all : all.filter((template) => template.latest);
    if (templates.length === 0)
      this.note('no templates yet: push one with "flatrender template push DIRECTORY"');
    else this.print(templateTable(templates, Date.now()));
    return { templates };
  }
}
