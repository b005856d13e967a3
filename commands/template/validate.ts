import { Args } from '@oclif/core';
import { BaseCommand } from '../../src/cli/base-command.ts';
import type { TemplateReport } from '../../src/cli/template-check.ts';

export default class TemplateValidate extends BaseCommand {
  static override summary = 'Check a template: manifest, files, fonts, layers';
  static override description =
    'Finds what would keep the template from being pushed or rendered, with file, line and column. Exit code 1 when there are errors; warnings do no harm.';
  static override examples = [
    '<%= config.bin %> <%= command.id %> my-template',
    '<%= config.bin %> <%= command.id %> bundle.zip --json',
  ];
  static override args = {
    path: Args.string({ description: 'folder or zip of the template', default: '.' }),
  };

  async run(): Promise<TemplateReport> {
    const { args } = await this.parse(TemplateValidate);
    const { checkTemplate } = await import('../../src/cli/template-check.ts');
    const { reportText } = await import('../../src/cli/template-report.ts');
    const report = await checkTemplate(args.path, this.signal);
    this.print(reportText(report));
    if (!report.ok) process.exitCode = 1;
    return report;
  }
}
