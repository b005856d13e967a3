import { Flags } from '@oclif/core';
import { MeshCommand, syncText } from '../../src/cli/mesh-command.ts';
import { FlatrenderError } from '../../src/lib/errors.ts';

export default class WgSync extends MeshCommand {
  static override summary = 'Check wg0.conf and bring the running interface in line with it';
  static override description = 'After an edit by hand. Sessions of peers that did not change go on.';
  static override examples = ['sudo <%= config.bin %> <%= command.id %>'];

  static override flags = {
    'dry-run': Flags.boolean({ description: 'only check the file and say what would be run' }),
  };

  async run(): Promise<{ file: string; peers: number; planned?: true }> {
    const { flags } = await this.parse(WgSync);
    const mesh = await this.openMesh();
    const { peers } = await mesh.read();
    if (flags['dry-run']) {
      this.print(syncText(mesh.file, this.place.interface));
      return { file: mesh.file, peers: peers.length, planned: true };
    }
    if (!(await mesh.sync())) {
      throw new FlatrenderError(
        'MESH_UNAVAILABLE',
        `${mesh.file} is in order, but ${this.place.interface} is not up`,
        {
          hint: `systemctl enable --now wg-quick@${this.place.interface}`,
        },
      );
    }
    this.print(`${this.place.interface} is what ${mesh.file} says (${peers.length} peers)`);
    return { file: mesh.file, peers: peers.length };
  }
}
