import { MeshCommand, peerTable } from '../../src/cli/mesh-command.ts';
import type { PeerStatus } from '../../src/mesh/mesh.ts';

export default class WgList extends MeshCommand {
  static override summary = 'List the peers of the mesh and the reserved addresses';
  static override examples = [
    'sudo <%= config.bin %> <%= command.id %>',
    'sudo <%= config.bin %> <%= command.id %> --json',
  ];

  async run(): Promise<{ peers: readonly PeerStatus[] }> {
    await this.parse(WgList);
    const peers = await (await this.openMesh()).status();
    if (peers.length === 0)
      this.note('no peers yet: flatrender node add NAME, or flatrender wg add-peer NAME');
    else this.print(peerTable(peers, Date.now()));
    return { peers };
  }
}
