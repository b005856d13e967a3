import { MeshCommand } from '../../src/cli/mesh-command.ts';

export default class WgServe extends MeshCommand {
  static override summary = 'Answer one call of the control plane (started by flatrender-mesh.socket)';
  static override hidden = true;
  static override examples = ['<%= config.bin %> <%= command.id %>'];

  async run(): Promise<void> {
    await this.parse(WgServe);
    const mesh = await this.openMesh();
    const { answerMeshCall } = await import('../../src/mesh/serve-mesh.ts');
    process.stdin.setEncoding('utf8');
    const answer = await answerMeshCall(mesh, process.stdin);
    await new Promise<void>((resolve) => {
      process.stdout.write(answer, () => resolve());
    });
    process.stdin.destroy();
  }
}
