import { existsSync } from 'node:fs';
import { join } from 'node:path';
import type { ControlConfig } from '../config/control-config.ts';
import type { Logger } from '../lib/logger.ts';
import type { Mesh } from '../mesh/mesh.ts';

/**
 * The mesh that this control plane may change: by itself as root, else through the helper's socket; null when there is
 * neither, which is said once: invitations have no tunnel then.
 */
export async function openMesh({ mesh }: ControlConfig, logger: Logger): Promise<Mesh | null> {
  if (process.platform !== 'linux') return null;
  const file = join(mesh.directory, `${mesh.interface}.conf`);
  if (process.geteuid?.() === 0 && existsSync(file)) {
    const { openLocalMesh } = await import('../mesh/local-mesh.ts');
    logger.info('mesh.found', { file });
    return openLocalMesh({ interface: mesh.interface, directory: mesh.directory });
  }
  if (existsSync(mesh.socket)) {
    const { connectMesh } = await import('../mesh/connect-mesh.ts');
    logger.info('mesh.found', { socket: mesh.socket });
    return connectMesh(mesh.socket);
  }
  logger.debug('mesh.none', { file, socket: mesh.socket });
  return null;
}
