import { Args, Flags } from '@oclif/core';
import { MeshCommand, peerText, syncText } from '../../src/cli/mesh-command.ts';
import type { MeshPeer } from '../../src/mesh/mesh.ts';

export default class WgAddPeer extends MeshCommand {
  static override summary = 'Add a machine to the mesh by hand; the others go on undisturbed';
  static override description =
    '"flatrender node add" does this and more. Here: with --public-key (from "flatrender node key" on the machine) the private ' +
    'key never leaves it; without, a key pair is made and the machine’s whole configuration is printed once.';
  static override examples = [
    'sudo <%= config.bin %> <%= command.id %> desktop --public-key K5dS…=',
    'sudo <%= config.bin %> <%= command.id %> desktop --output wg-flatrender.conf',
  ];
  static override args = {
    name: Args.string({ required: true, description: 'name of the peer, as a node’s' }),
  };
  static override flags = {
    'public-key': Flags.string({ helpValue: '<key>', description: 'the machine’s own public key' }),
    ip: Flags.string({
      helpValue: '<address>',
      description: 'address in the mesh; default: the next free one',
    }),
    output: Flags.string({
      char: 'o',
      helpValue: '<path>',
      description: 'write the machine’s wg-flatrender.conf there (mode 0600) instead of printing it',
    }),
    'dry-run': Flags.boolean({ description: 'only show what would be written' }),
  };

  async run(): Promise<{ peer: MeshPeer; config: string; planned?: true }> {
    const { args, flags } = await this.parse(WgAddPeer);
    const mesh = await this.openMesh();
    const { addPeer } = await import('../../src/mesh/add-peer.ts');
    const added = await addPeer(mesh, {
      name: args.name,
      publicKey: flags['public-key'],
      address: flags.ip,
      dryRun: flags['dry-run'],
      output: flags.output,
    });
    const { peer, config, changed } = added;
    this.note(flags['dry-run'] ? 'would add' : changed ? 'added' : 'already');
    this.note(flags['dry-run'] ? `${peer.name}  ${peer.address}` : peerText(peer));
    if (flags.output !== undefined && !flags['dry-run']) this.print(flags.output);
    else this.print(config);
    if (flags['dry-run']) {
      this.print(`\nwould write ${mesh.file}, then: ${syncText(mesh.file, this.place.interface)}`);
    }
    if (flags['public-key'] === undefined && !flags['dry-run']) {
      this.note('the private key in it is shown this once; on the machine it goes into wg-flatrender.conf');
    }
    return { peer, config, ...(flags['dry-run'] ? { planned: true } : {}) };
  }
}
