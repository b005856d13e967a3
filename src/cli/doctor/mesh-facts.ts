import { existsSync } from 'node:fs';
import { join } from 'node:path';
import type { ControlConfig } from '../../config/control-config.ts';
import { run } from '../../lib/exec.ts';
import { openLocalMesh } from '../../mesh/local-mesh.ts';
import type { MeshFacts } from './mesh-checks.ts';
import { isUdpTaken } from './ports.ts';

const ASK_MS = 5000;

/** The mesh that the configuration names, as this machine has it. */
export function meshFacts({ mesh }: Pick<ControlConfig, 'mesh'>, signal: AbortSignal): MeshFacts {
  const { interface: device, directory } = mesh;
  const limits = { timeoutMs: ASK_MS, signal };
  return {
    mesh: openLocalMesh({ interface: device, directory, signal }),
    exists: existsSync(join(directory, `${device}.conf`)),
    interface: device,
    async hasFirewall() {
      const args = ['list', 'table', 'inet', 'flatrender_mesh'];
      const asked = await run('nft', args, { ...limits, anyExitCode: true }).catch(() => null);
      if (asked === null || /not permitted/i.test(asked.stderr)) return null;
      return asked.exitCode === 0;
    },
    async listenPort() {
      const asked = await run('wg', ['show', device, 'listen-port'], { ...limits, anyExitCode: true }).catch(
        () => null,
      );
      return asked?.exitCode === 0 ? Number(asked.stdout) : null;
    },
    isUdpTaken,
    async loadFirewall() {
      await run('nft', ['-f', join(directory, `flatrender-${device}.nft`)], limits);
    },
  };
}
