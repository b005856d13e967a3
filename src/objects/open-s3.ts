import type { ControlConfig } from '../config/control-config.ts';
import type { Clock } from '../lib/clock.ts';
import type { S3ObjectStore } from './s3.ts';

/** The store of a configuration with `objects.type: s3`. The client is only loaded here; nothing is asked of the server yet. */
export async function openS3(objects: ControlConfig['objects'], clock: Clock): Promise<S3ObjectStore> {
  const { createS3ObjectStore } = await import('./s3.ts');
  const { endpoint, presignEndpoint, accessKey, secretKey, ...rest } = objects;
  return createS3ObjectStore({
    ...rest,
    // The schema does not let them be null.
    endpoint: endpoint ?? '',
    presignEndpoint: presignEndpoint ?? undefined,
    accessKey: accessKey ?? '',
    secretKey: secretKey ?? '',
    clock,
  });
}
