import { Args, Flags } from '@oclif/core';
import { MeshCommand, peerText, syncText } from '../../src/cli/mesh-command.ts';
import { confirm } from '../../src/cli/prompt.ts';
import { FlatrenderError } from '../../src/lib/errors.ts';
import type { LocalMesh } from '../../src/mesh/local-mesh.ts';
import type { MeshPeer } from '../../src/mesh/mesh.ts';

interface Rotated {
  /** null: the control plane. */
  readonly peer: MeshPeer | null;
  /** null in a dry run: nobody has it yet. */
  readonly publicKey: string | null;
  readonly config: string | null;
  readonly planned?: true;
}

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
    'dry-run': Flags.boolean({ description: 'only say what would be done' }),
    yes: Flags.boolean({ char: 'y', description: 'do not ask' }),
  };

  async run(): Promise<Rotated> {
    const { args, flags } = await this.parse(WgRotate);
    const mesh = await this.openMesh();
    const { rotatePeer, rotateServer } = await import('../../src/mesh/add-peer.ts');
    if (args.name === undefined) {
      if (flags['public-key'] !== undefined || flags.output !== undefined) {
        throw new FlatrenderError(
          'USAGE',
          '--public-key and --output belong to a peer: its NAME is missing',
          {
            hint: 'flatrender wg rotate NAME --public-key KEY',
          },
        );
      }
      const peers = (await mesh.peers()).filter(({ publicKey }) => publicKey !== null);
      if (flags['dry-run']) {
        this.print(
          `would make another key in ${mesh.file}; ${peers.length} peers are cut until they know its public half`,
        );
        this.print(syncText(mesh.file, this.place.interface));
        return { peer: null, publicKey: null, config: null, planned: true };
      }
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
    if (flags['dry-run']) return await this.plan(mesh, { name: args.name, publicKey: flags['public-key'] });
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

  private async plan(mesh: LocalMesh, options: { name: string; publicKey?: string }): Promise<Rotated> {
    const { rotatePeer } = await import('../../src/mesh/add-peer.ts');
    const { peer, config } = await rotatePeer(mesh, { ...options, dryRun: true });
    this.print(`would change the key of ${peer.name} (${peer.address}) in ${mesh.file}`);
    this.print(`${syncText(mesh.file, this.place.interface)}\n`);
    this.print(config);
    return { peer, publicKey: options.publicKey ?? null, config, planned: true };
  }
}
