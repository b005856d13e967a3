import { Args } from '@oclif/core';
import { ClientCommand } from '../../src/cli/client-command.ts';
import { splitTemplate } from '../../src/cli/submit-jobs.ts';
import type { TemplateView } from '../../src/protocol/templates.ts';

export default class TemplateShow extends ClientCommand {
  static override summary = 'Show a template: inputs with their limits, outputs, engines';
  static override examples = [
    '<%= config.bin %> <%= command.id %> title-card',
    '<%= config.bin %> <%= command.id %> title-card@1.0.0 --json',
  ];
  static override args = {
    template: Args.string({
      required: true,
      description: 'name, or name@version; default: the newest version',
    }),
  };

  async run(): Promise<TemplateView> {
    const { args } = await this.parse(TemplateShow);
    const { name, version } = splitTemplate(args.template);
    const template = await this.api.getTemplate(name, version);
    if (!this.jsonEnabled()) {
      const { describeTemplate } = await import('../../src/cli/template-show.ts');
      this.print(describeTemplate(template));
    }
    return template;
  }
}
