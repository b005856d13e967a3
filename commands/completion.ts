import { Args } from '@oclif/core';
import { BaseCommand } from '../src/cli/base-command.ts';
import { completionPlaces } from '../src/cli/completion-model.ts';
import { completionHint, completionScript, SHELLS, type Shell } from '../src/cli/completion-scripts.ts';

export default class Completion extends BaseCommand {
  static override summary = 'Print the completion script for a shell';
  static override examples = [
    '<%= config.bin %> <%= command.id %> bash > ~/.local/share/bash-completion/completions/flatrender',
    'eval "$(<%= config.bin %> <%= command.id %> zsh)"',
    '<%= config.bin %> <%= command.id %> fish > ~/.config/fish/completions/flatrender.fish',
  ];
  static override args = {
    shell: Args.string({ options: [...SHELLS], required: true, description: 'your shell' }),
  };

  async run(): Promise<{ shell: Shell; script: string }> {
    const { args } = await this.parse(Completion);
    const shell = args.shell as Shell;
    const script = completionScript(shell, this.config.bin, completionPlaces(this.config));
    this.print(script.trimEnd());
    if (process.stdout.isTTY) this.note(`\n# to use it: ${completionHint(shell, this.config.bin)}`);
    return { shell, script };
  }
}
