import { ClientCommand } from '../../src/cli/client-command.ts';
import { nodeTable } from '../../src/cli/node-report.ts';
import type { NodeView } from '../../src/protocol/nodes.ts';

export default class NodeList extends ClientCommand {
  static override summary = 'List the nodes';
  static override examples = [
    '<%= config.bin %> <%= command.id %>',
    '<%= config.bin %> <%= command.id %> --json',
  ];

  async run(): Promise<{ nodes: readonly NodeView[] }> {
    await this.parse(NodeList);
    const nodes = await this.api.listNodes();
    if (nodes.length === 0) this.note('no nodes yet: add one with "flatrender node add NAME"');
    else this.print(nodeTable(nodes, Date.now()));
    return { nodes };
  }
}
