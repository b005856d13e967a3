import { Args } from '@oclif/core';
import { ClientCommand } from '../../src/cli/client-command.ts';
import type { NodeView } from '../../src/protocol/nodes.ts';

export default class NodeDrain extends ClientCommand {
  static override summary = 'Let a node finish what it renders and claim nothing more';
  static override examples = ['<%= config.bin %> <%= command.id %> desktop'];
  static override args = { node: Args.string({ required: true, description: 'node id' }) };

  async run(): Promise<NodeView> {
    const { args } = await this.parse(NodeDrain);
    const node = await this.api.drainNode(args.node);
    const left = node.running.length;
    this.print(left === 0 ? `${node.id} is drained` : `${node.id} finishes ${left} more and claims nothing`);
    this.note(`back to work with "flatrender node resume ${node.id}"`);
    return node;
  }
}
