import { Args } from '@oclif/core';
import { ClientCommand } from '../../src/cli/client-command.ts';
import { nodeDetails } from '../../src/cli/node-report.ts';
import type { NodeView } from '../../src/protocol/nodes.ts';

export default class NodeShow extends ClientCommand {
  static override summary = 'Show a node: status, hardware, engines, what it renders';
  static override examples = ['<%= config.bin %> <%= command.id %> desktop'];
  static override args = { node: Args.string({ required: true, description: 'node id' }) };

  async run(): Promise<NodeView> {
    const { args } = await this.parse(NodeShow);
    const node = await this.api.getNode(args.node);
    this.print(nodeDetails(node, Date.now()));
    return node;
  }
}
