/** Opens the object store that the configuration names. */
import { type ControlConfig, resolveInHome } from '../config/control-config.ts';
import type { Clock } from '../lib/clock.ts';
import type { Logger } from '../lib/logger.ts';
import { createFsObjectStore, type FsObjectStore } from '../objects/fs.ts';
import type { ObjectStore } from '../objects/object-store.ts';
import { openS3 } from '../objects/open-s3.ts';
import { isMistake } from '../objects/s3-errors.ts';

/** `verifyUrl`: the control plane serves the objects itself. */
export type FarmObjects = ObjectStore & Partial<Pick<FsObjectStore, 'verifyUrl'>>;

export interface OpenObjectsOptions {
  readonly directory: string;
  readonly config: ControlConfig;
  /** The farm secret in hex. */
  readonly secret: string;
  readonly clock: Clock;
  readonly logger: Logger;
}

/**
 * An S3 server that is away is no reason not to start: jobs wait. UNAVAILABLE when its settings are wrong (they stay so until
 * somebody corrects them), or when the directory cannot be used.
 */
export async function openObjects(options: OpenObjectsOptions): Promise<FarmObjects> {
  const { directory, config, secret, clock } = options;
  const { gateway, objects } = config;
  if (objects.type === 's3') return await openBucket(options);
  return await createFsObjectStore({
    directory: resolveInHome(directory, objects.path),
    secret,
    baseUrl: gateway.publicUrl ?? `http://${gateway.host}:${gateway.port}`,
    clock,
  });
}

async function openBucket({ config, clock, logger }: OpenObjectsOptions): Promise<FarmObjects> {
  const { endpoint, presignEndpoint, ...rest } = config.objects;
  const store = await openS3(config.objects, clock);
  const shown = presignEndpoint ?? endpoint;
  if (store.isLocalOnly) {
    const message = `files are signed for ${shown}, which is this machine for everybody: other nodes cannot reach it; set objects.presignEndpoint`;
    logger.warn('objects.presign-endpoint-local', { message });
  }
  try {
    await store.check();
    const digests = await store.digestCheck();
    logger.info('objects.opened', {
      type: 's3',
      endpoint,
      bucket: rest.bucket,
      presignEndpoint: shown,
      digests,
    });
    if (digests === 'none' && rest.checkOutputs) {
      const message =
        'this S3 server does not compare what arrives with its digest: the control plane reads every upload once';
      logger.warn('objects.digests-not-compared', { message });
    }
  } catch (error) {
    if (isMistake(error)) {
      await store.close();
      throw error;
    }
    logger.error('objects.unreachable', { error });
  }
  return store;
}
