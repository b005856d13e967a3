import { Args } from '@oclif/core';
import { BaseCommand } from '../../src/cli/base-command.ts';
import type { ProjectReport } from '../../src/cli/project-report.ts';

export default class TemplateInspect extends BaseCommand {
  static override summary =
    'Show what is in an After Effects project: compositions, layers, footage, fonts, effects';
  static override description =
    'Reads the .aep itself; After Effects is not needed. Warns about footage that is not beside the project and about absolute paths, which other machines do not have.';
  static override examples = [
    '<%= config.bin %> <%= command.id %> spot.aep',
    '<%= config.bin %> <%= command.id %> spot.aep --json',
  ];
  static override args = {
    project: Args.string({ required: true, description: 'the .aep (or .aet)' }),
  };

  async run(): Promise<ProjectReport> {
    const { args } = await this.parse(TemplateInspect);
    const { reportProject } = await import('../../src/cli/project-report.ts');
    const { projectText, treeLines } = await import('../../src/cli/project-tree.ts');
    const report = await reportProject(args.project, this.signal);
    this.print(projectText(report, treeLines(process.stdout, process.env, process.platform)));
    return report;
  }
}
