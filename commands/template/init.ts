import { Args, Flags } from '@oclif/core';
import { BaseCommand } from '../../src/cli/base-command.ts';
import type { ProjectInitResult } from '../../src/cli/project-init.ts';
import type { InitResult } from '../../src/cli/template-init.ts';
import { FlatrenderError } from '../../src/lib/errors.ts';

export default class TemplateInit extends BaseCommand {
  static override summary = 'Start a new template in a folder, or out of an After Effects project';
  static override description =
    'Copies a starter template, or writes a small one with a commented template.yaml (--from empty). Of an .aep it copies the project with the footage and fonts that are found beside it, and proposes inputs: texts, pictures, videos, sounds and colours. Files that are there are never written over without --force.';
  static override examples = [
    '<%= config.bin %> <%= command.id %> my-template',
    '<%= config.bin %> <%= command.id %> my-intro --from title-card',
    '<%= config.bin %> <%= command.id %> my-filter --engine ffmpeg',
    '<%= config.bin %> <%= command.id %> spot.aep',
    '<%= config.bin %> <%= command.id %> spot.aep my-spot --composition Main --fonts ./fonts',
  ];
  static override args = {
    directory: Args.string({
      required: true,
      description: 'folder of the template, made when it is not there; or an After Effects project (.aep)',
    }),
    into: Args.string({
      description: 'of an .aep: folder of the template; default: named after the project',
    }),
  };
  static override flags = {
    from: Flags.string({
      description: 'starter template (title-card, audio-visualiser), or empty',
      default: 'empty',
      helpValue: '<starter>',
    }),
    engine: Flags.string({
      description: 'with --from empty: what is to render it; aerender begins with an .aep',
      options: ['aerender', 'lottie', 'ffmpeg', 'mock'],
      default: 'lottie',
    }),
    name: Flags.string({ description: 'name of the template; default: the folder’s', helpValue: '<name>' }),
    composition: Flags.string({
      description: 'of an .aep: what is rendered; default: the composition that no other one shows',
      helpValue: '<name>',
    }),
    fonts: Flags.string({
      description: 'of an .aep: folder with the fonts it uses; default: beside the project',
      helpValue: '<folder>',
    }),
    'all-colors': Flags.boolean({
      description: 'of an .aep: every solid and Fill effect becomes an input, whatever its layer is called',
    }),
    force: Flags.boolean({ description: 'write over files that are there' }),
  };

  async run(): Promise<InitResult | ProjectInitResult> {
    const { args, flags, metadata } = await this.parse(TemplateInit);
    const { directory, into } = args;
    const { from, name, force, composition, fonts } = flags;
    const { EMPTY_ENGINES, initTemplate, isProjectFile, refuseFlags } = await import(
      '../../src/cli/template-init.ts'
    );
    if (await isProjectFile(directory)) {
      const given = (['from', 'engine'] as const).filter((flag) => !metadata.flags[flag]?.setFromDefault);
      refuseFlags(given, 'for a starter, not for an .aep');
      const { initFromProject } = await import('../../src/cli/project-init.ts');
      const { initReport } = await import('../../src/cli/init-report.ts');
      const options = { directory: into, name, composition, fonts, force, signal: this.signal };
      const result = await initFromProject(directory, { ...options, allColors: flags['all-colors'] });
      const report = initReport(result, process.cwd());
      this.print(report.done);
      this.note(report.next);
      return result;
    }
    const given = (['composition', 'fonts', 'all-colors'] as const).filter((flag) => flags[flag]);
    refuseFlags([...given, ...(into === undefined ? [] : [`a second folder (${into})`])], 'for an .aep');
    if (flags.engine === 'aerender') {
      throw new FlatrenderError('USAGE', 'a template for After Effects begins with a project', {
        hint: 'flatrender template init project.aep',
      });
    }
    const engine = EMPTY_ENGINES.find((name) => name === flags.engine) ?? 'lottie';
    const result = await initTemplate(directory, { from, engine, name, force });
    for (const file of result.files) this.print(`wrote ${directory.replace(/\/+$/, '')}/${file}`);
    this.note(`\nedit ${directory}/template.yaml, then:`);
    this.note(`  flatrender template validate ${directory}`);
    this.note(`  flatrender template push ${directory}`);
    return result;
  }
}
