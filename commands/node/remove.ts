import { Args, Flags } from '@oclif/core';
import { ClientCommand } from '../../src/cli/client-command.ts';
import { paint } from '../../src/cli/paint.ts';
import { confirm } from '../../src/cli/prompt.ts';

export default class NodeRemove extends ClientCommand {
  static override summary =
    'Remove a node; its secret and its tunnel stop working at once, its tasks are queued again';
  static override examples = ['<%= config.bin %> <%= command.id %> desktop --yes'];
  static override args = { node: Args.string({ required: true, description: 'node id' }) };
  static override flags = {
    yes: Flags.boolean({ char: 'y', description: 'do not ask' }),
  };

  async run(): Promise<{ removed: string; tunnel?: string }> {
    const { args, flags } = await this.parse(NodeRemove);
    const node = await this.api.getNode(args.node);
    const busy =
      node.running.length > 0 ? ` It renders ${node.running.length} right now; that is queued again.` : '';
    await confirm(`Remove node ${node.id}?${busy}`, flags.yes);
    const left = await this.api.removeNode(node.id);
    this.print(`removed ${node.id}`);
    if (left === null) return { removed: node.id };
    const { message } = left.tunnel;
    const fix = `on the control plane: sudo flatrender wg remove-peer ${node.id}`;
    this.note(
      paint('warning', `its secret is dead, but its tunnel could not be cut: ${message}`, process.stderr),
    );
    this.note(fix);
    return { removed: node.id, tunnel: message };
  }
}
