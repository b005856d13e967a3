import { Args } from '@oclif/core';
import { ClientCommand } from '../../src/cli/client-command.ts';
import type { NodeView } from '../../src/protocol/nodes.ts';

export default class NodeResume extends ClientCommand {
  static override summary = 'Let a node claim work again; lifts drain, quarantine and template blocks';
  static override examples = ['<%= config.bin %> <%= command.id %> desktop'];
  static override args = { node: Args.string({ required: true, description: 'node id' }) };

  async run(): Promise<NodeView> {
    const { args } = await this.parse(NodeResume);
    const node = await this.api.resumeNode(args.node);
    this.print(`${node.id} is ${node.status}`);
    return node;
  }
}
