import { Args } from '@oclif/core';
import { MeshCommand, peerText } from '../../src/cli/mesh-command.ts';
import type { MeshPeer } from '../../src/mesh/mesh.ts';

export default class WgRename extends MeshCommand {
  static override summary = 'Give a peer another name; its key, address and session stay';
  static override examples = ['sudo <%= config.bin %> <%= command.id %> desktop studio-1'];
  static override args = {
    from: Args.string({ required: true, description: 'name now' }),
    to: Args.string({ required: true, description: 'name from now on' }),
  };

  async run(): Promise<{ peer: MeshPeer }> {
    const { args } = await this.parse(WgRename);
    const peer = await (await this.openMesh()).renamePeer(args.from, args.to);
    this.print(peerText(peer));
    return { peer };
  }
}
