import { existsSync } from 'node:fs';
import { join } from 'node:path';
import type { ControlConfig } from '../config/control-config.ts';
import type { Logger } from '../lib/logger.ts';
import type { Mesh } from '../mesh/mesh.ts';

/**
 * Finds the mesh that this control plane may change: by itself as root, else through the helper's socket. null while there is
 * neither; it is looked for at each call until it is there, so that `wg init` may come after the start.
 */
export function meshFinder({ mesh }: ControlConfig, logger: Logger): () => Promise<Mesh | null> {
  const file = join(mesh.directory, `${mesh.interface}.conf`);
  let found: Mesh | null = null;
  return async () => {
    // Only Linux has what the server's end needs: wg, wg-quick, nft.
    if (found !== null || process.platform !== 'linux') return found;
    if (process.geteuid?.() === 0 && existsSync(file)) {
      const { openLocalMesh } = await import('../mesh/local-mesh.ts');
      logger.info('mesh.found', { file });
      found = openLocalMesh({ interface: mesh.interface, directory: mesh.directory });
    } else if (existsSync(mesh.socket)) {
      const { connectMesh } = await import('../mesh/connect-mesh.ts');
      logger.info('mesh.found', { socket: mesh.socket });
      found = connectMesh(mesh.socket);
    }
    return found;
  };
}
