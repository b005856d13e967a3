import { Args, Flags } from '@oclif/core';
import { BaseCommand } from '../../src/cli/base-command.ts';
import type { InitResult } from '../../src/cli/template-init.ts';

export default class TemplateInit extends BaseCommand {
  static override summary = 'Start a new template in a folder';
  static override description =
    'Copies a starter template, or writes a small one with a commented template.yaml (--from empty). Files that are there are never written over without --force.';
  static override examples = [
    '<%= config.bin %> <%= command.id %> my-template',
    '<%= config.bin %> <%= command.id %> my-intro --from title-card',
    '<%= config.bin %> <%= command.id %> my-filter --engine ffmpeg',
  ];
  static override args = {
    directory: Args.string({
      required: true,
      description: 'folder of the template; made when it is not there',
    }),
  };
  static override flags = {
    from: Flags.string({
      description: 'starter template (title-card, audio-visualiser), or empty',
      default: 'empty',
      helpValue: '<starter>',
    }),
    engine: Flags.string({
      description: 'with --from empty: what is to render it',
      options: ['lottie', 'ffmpeg', 'mock'],
      default: 'lottie',
    }),
    name: Flags.string({ description: 'name of the template; default: the folder’s', helpValue: '<name>' }),
    force: Flags.boolean({ description: 'write over files that are there' }),
  };

  async run(): Promise<InitResult> {
    const { args, flags } = await this.parse(TemplateInit);
    const { EMPTY_ENGINES, initTemplate } = await import('../../src/cli/template-init.ts');
    const engine = EMPTY_ENGINES.find((name) => name === flags.engine) ?? 'lottie';
    const { from, name, force } = flags;
    const result = await initTemplate(args.directory, { from, engine, name, force });
    for (const file of result.files) this.print(`wrote ${args.directory.replace(/\/+$/, '')}/${file}`);
    this.note(`\nedit ${args.directory}/template.yaml, then:`);
    this.note(`  flatrender template validate ${args.directory}`);
    this.note(`  flatrender template push ${args.directory}`);
    return result;
  }
}
