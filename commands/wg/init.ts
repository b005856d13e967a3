import { accessSync, constants } from 'node:fs';
import { Flags } from '@oclif/core';
import { hasSystemd, MeshCommand } from '../../src/cli/mesh-command.ts';
import { planText, runPlan } from '../../src/lib/plan.ts';
import type { MeshServer } from '../../src/mesh/mesh.ts';

export default class WgInit extends MeshCommand {
  static override summary = 'Make this machine the middle of the mesh: keys, wg0.conf, firewall';
  static override description =
    'Run on the control plane, as root. Nodes dial the endpoint, one open UDP port; the addresses of the mesh are reached through ' +
    'the tunnel only. Run again, it keeps keys and peers; --endpoint may change.';
  static override examples = [
    'sudo <%= config.bin %> <%= command.id %> --endpoint farm.example.com',
    '<%= config.bin %> <%= command.id %> --endpoint 203.0.113.2:51820 --dry-run',
  ];
  static override flags = {
    endpoint: Flags.string({
      helpValue: '<host[:port]>',
      description: 'public name or address of this machine, as nodes reach it',
    }),
    network: Flags.string({ helpValue: '<cidr>', description: 'the mesh; default: 10.66.0.0/24' }),
    port: Flags.integer({
      helpValue: '<port>',
      description: 'UDP port; default: 51820',
      min: 1,
      max: 65_535,
    }),
    'dry-run': Flags.boolean({ description: 'only show files and commands' }),
  };

  async run(): Promise<MeshServer & { file: string; result: 'created' | 'changed' | 'already' | 'planned' }> {
    const { flags } = await this.parse(WgInit);
    if (!flags['dry-run']) this.requireRoot();
    const [{ planMesh }, { openLocalMesh }] = await Promise.all([
      import('../../src/mesh/init-mesh.ts'),
      import('../../src/mesh/local-mesh.ts'),
    ]);
    const mesh = openLocalMesh({ ...this.place, signal: this.signal });
    const isUp = await mesh.isUp().catch((error) => {
      if (flags['dry-run']) return false;
      throw error;
    });
    if (!flags['dry-run']) await requireTools(this.signal);
    const { steps, file, existed, ...server } = planMesh({
      ...this.place,
      endpoint: flags.endpoint,
      network: flags.network,
      listenPort: flags.port,
      hasSystemd: hasSystemd(),
      isUp,
    });
    const answer = { interface: this.place.interface, ...server, file };
    if (flags['dry-run']) {
      this.print(planText(steps));
      if (isClosed(this.place.directory)) {
        this.note(`\n${this.place.directory} may only be read by root: this is what a new mesh would be`);
      }
      this.note('\nnothing was changed');
      return { ...answer, result: 'planned' };
    }
    const done = await runPlan(steps, {
      signal: this.signal,
      onStep: ({ step, result }) => this.note(`${result}: ${step.what}`),
    });
    await mesh.sync();
    const isChanged = done.some(({ step, result }) => step.kind === 'write' && result === 'done');
    this.print(`mesh ${server.network} on ${this.place.interface}, control plane ${server.address}`);
    this.print(`public key ${server.publicKey}`);
    if (server.endpoint === null) {
      this.note(`nodes must know where to dial: flatrender wg init --endpoint HOST:${server.listenPort}`);
    } else {
      this.note(`nodes dial ${server.endpoint}: open UDP ${server.listenPort} to this machine, nothing else`);
      this.note('next: flatrender control init --mesh, then flatrender node add NAME');
    }
    return { ...answer, result: existed ? (isChanged ? 'changed' : 'already') : 'created' };
  }
}

/** Whether the directory is there and does not say what is in it. */
function isClosed(directory: string): boolean {
  try {
    accessSync(directory, constants.R_OK | constants.X_OK);
    return false;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EACCES';
  }
}

/** wg-quick without nft would take the interface down again, with a message that nobody understands. */
async function requireTools(signal: AbortSignal): Promise<void> {
  const [{ run }, { FlatrenderError }] = await Promise.all([
    import('../../src/lib/exec.ts'),
    import('../../src/lib/errors.ts'),
  ]);
  for (const [program, version] of [
    ['wg', '--version'],
    ['nft', '--version'],
  ] as const) {
    await run(program, [version], { signal, anyExitCode: true, timeoutMs: 10_000 }).catch((cause) => {
      throw new FlatrenderError('PROGRAM_MISSING', `${program} is not on this machine`, {
        cause,
        hint: 'install WireGuard and nftables, e.g. apt install wireguard-tools nftables',
      });
    });
  }
}
