import { Args } from '@oclif/core';
import { ClientCommand } from '../../src/cli/client-command.ts';

export default class HookRemove extends ClientCommand {
  static override summary = 'Remove a hook; its token stops working at once';
  static override examples = ['<%= config.bin %> <%= command.id %> n8n'];
  static override args = { name: Args.string({ required: true, description: 'name of the hook' }) };

  async run(): Promise<{ removed: string }> {
    const { args } = await this.parse(HookRemove);
    await this.api.removeHook(args.name);
    this.print(`removed ${args.name}`);
    return { removed: args.name };
  }
}
