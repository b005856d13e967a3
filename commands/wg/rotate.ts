import { Args, Flags } from '@oclif/core';
import { MeshCommand, peerText } from '../../src/cli/mesh-command.ts';
import { confirm } from '../../src/cli/prompt.ts';
import type { MeshPeer } from '../../src/mesh/mesh.ts';

export default class WgRotate extends MeshCommand {
  static override summary = 'Another key for a peer, or (without NAME) for the control plane';
  static override description =
    'The old key is dead at once. A peer: --public-key with the machine’s new key, or a pair is made and the configuration printed. ' +
    'The control plane: every node must then get its new public key, which is printed; "flatrender node invite NAME" does it per node.';
  static override examples = [
    'sudo <%= config.bin %> <%= command.id %> desktop --public-key K5dS…=',
    'sudo <%= config.bin %> <%= command.id %> --yes',
  ];
  static override args = {
    name: Args.string({ description: 'name of the peer; left out: the control plane' }),
  };
  static override flags = {
    'public-key': Flags.string({ helpValue: '<key>', description: 'the machine’s new public key' }),
    output: Flags.string({ char: 'o', helpValue: '<path>', description: 'write the configuration there' }),
    yes: Flags.boolean({ char: 'y', description: 'do not ask' }),
  };

  async run(): Promise<{ peer: MeshPeer | null; publicKey: string; config: string | null }> {
    const { args, flags } = await this.parse(WgRotate);
    const mesh = await this.openMesh();
    const { rotatePeer, rotateServer } = await import('../../src/mesh/add-peer.ts');
    if (args.name === undefined) {
      const peers = (await mesh.peers()).filter(({ publicKey }) => publicKey !== null);
      await confirm(
        `Change the control plane's key? ${peers.length} peers are cut until they know it.`,
        flags.yes,
      );
      const publicKey = await rotateServer(mesh);
      this.print(publicKey);
      this.note(
        'on every node: PublicKey in wg-flatrender.conf, then restart the tunnel; or flatrender node invite NAME',
      );
      return { peer: null, publicKey, config: null };
    }
    await confirm(
      `Change the key of ${args.name}? Its tunnel is cut until the machine uses the new one.`,
      flags.yes,
    );
    const options = { name: args.name, publicKey: flags['public-key'], output: flags.output };
    const { peer, config } = await rotatePeer(mesh, options);
    this.note(peerText(peer));
    this.print(flags.output ?? config);
    return { peer, publicKey: peer.publicKey ?? '', config };
  }
}
