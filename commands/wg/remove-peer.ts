import { Args, Flags } from '@oclif/core';
import { MeshCommand } from '../../src/cli/mesh-command.ts';
import { confirm } from '../../src/cli/prompt.ts';

export default class WgRemovePeer extends MeshCommand {
  static override summary = 'Cut a peer from the mesh, at once';
  static override description =
    'Its tunnel is dead when the command returns. "flatrender node remove" does this as well, and revokes the node.';
  static override examples = ['sudo <%= config.bin %> <%= command.id %> desktop --yes'];
  static override args = { name: Args.string({ required: true, description: 'name of the peer' }) };
  static override flags = {
    'keep-address': Flags.boolean({ description: 'keep its address reserved for the name' }),
    yes: Flags.boolean({ char: 'y', description: 'do not ask' }),
    'dry-run': Flags.boolean({ description: 'only say what would be done' }),
  };

  async run(): Promise<{ removed: string; address: string; planned?: true }> {
    const { args, flags } = await this.parse(WgRemovePeer);
    const mesh = await this.openMesh();
    const [{ peerNotFound }, config] = await Promise.all([
      import('../../src/mesh/edit-config.ts'),
      mesh.read(),
    ]);
    const peer = (await mesh.peers()).find(({ name }) => name === args.name);
    if (!peer) throw peerNotFound(args.name, config);
    if (flags['dry-run']) {
      this.print(`would remove ${peer.name} (${peer.address}) from ${mesh.file} and ${this.place.interface}`);
      if (peer.publicKey !== null) {
        this.print(`wg set ${this.place.interface} peer ${peer.publicKey} remove`);
      }
      return { removed: peer.name, address: peer.address, planned: true };
    }
    await confirm(`Cut ${peer.name} (${peer.address}) from the mesh?`, flags.yes);
    await mesh.removePeer(peer.name, { keepAddress: flags['keep-address'] });
    this.print(`removed ${peer.name}${flags['keep-address'] ? `; ${peer.address} stays reserved` : ''}`);
    return { removed: peer.name, address: peer.address };
  }
}
