import { Args, Flags } from '@oclif/core';
import { MeshCommand, peerText } from '../../src/cli/mesh-command.ts';
import type { MeshPeer } from '../../src/mesh/mesh.ts';

export default class WgRename extends MeshCommand {
  static override summary = 'Give a peer another name; its key, address and session stay';
  static override examples = ['sudo <%= config.bin %> <%= command.id %> desktop studio-1'];
  static override args = {
    from: Args.string({ required: true, description: 'name now' }),
    to: Args.string({ required: true, description: 'name from now on' }),
  };
  static override flags = {
    'dry-run': Flags.boolean({ description: 'only say what would be done' }),
  };

  async run(): Promise<{ peer: MeshPeer; planned?: true }> {
    const { args, flags } = await this.parse(WgRename);
    const mesh = await this.openMesh();
    if (flags['dry-run']) {
      const { renamePeerText } = await import('../../src/mesh/edit-config.ts');
      const { peer } = renamePeerText(await mesh.read(), args.from, args.to);
      this.print(`would write ${mesh.file}: ${peerText(peer)}`);
      return { peer, planned: true };
    }
    const peer = await mesh.renamePeer(args.from, args.to);
    this.note(args.from === args.to ? 'already' : 'renamed');
    this.print(peerText(peer));
    if (args.from !== args.to) {
      // "node remove" looks for the peer by the name of its node.
      this.note(
        `a node "${args.from}" keeps its name: "flatrender node remove ${args.from}" no longer cuts this tunnel, ` +
          `"flatrender wg remove-peer ${args.to}" does`,
      );
    }
    return { peer };
  }
}
