import { MeshCommand, peerTable } from '../../src/cli/mesh-command.ts';
import type { MeshServer, PeerStatus } from '../../src/mesh/mesh.ts';

export default class WgStatus extends MeshCommand {
  static override summary = 'Is the mesh up, who is online, when was the last handshake';
  static override description = 'Exit code 1 when the interface is not up.';
  static override examples = [
    'sudo <%= config.bin %> <%= command.id %>',
    'sudo <%= config.bin %> <%= command.id %> --json',
  ];

  async run(): Promise<{ up: boolean; server: MeshServer; peers: readonly PeerStatus[] }> {
    await this.parse(WgStatus);
    const mesh = await this.openMesh();
    const [server, peers, up] = [await mesh.server(), await mesh.status(), await mesh.isUp()];
    this.print(
      `${server.interface} is ${up ? 'up' : 'down'}: ${server.address} in ${server.network}, UDP ${server.listenPort}`,
    );
    this.print(`nodes dial ${server.endpoint ?? 'nothing yet (flatrender wg init --endpoint HOST)'}`);
    if (peers.length > 0) this.print(`\n${peerTable(peers, Date.now())}`);
    if (!up) {
      process.exitCode = 1;
      this.note(`bring it up: systemctl enable --now wg-quick@${server.interface}`);
    }
    return { up, server, peers };
  }
}
