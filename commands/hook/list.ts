import { ClientCommand } from '../../src/cli/client-command.ts';
import { hookTable } from '../../src/cli/hook-report.ts';
import type { HookView } from '../../src/protocol/hooks.ts';

export default class HookList extends ClientCommand {
  static override summary = 'List the hooks and what they make of a call';
  static override examples = ['<%= config.bin %> <%= command.id %>'];

  async run(): Promise<{ hooks: readonly HookView[] }> {
    await this.parse(HookList);
    const hooks = await this.api.listHooks();
    if (hooks.length === 0) this.note('no hooks; make one with "flatrender hook add NAME"');
    else this.print(hookTable(hooks, Date.now()));
    return { hooks };
  }
}
