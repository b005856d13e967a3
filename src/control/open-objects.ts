/** Opens the object store that the configuration names. */
import { type ControlConfig, resolveInHome } from '../config/control-config.ts';
import { untilAborted } from '../lib/abort.ts';
import { type Clock, deadline } from '../lib/clock.ts';
import { FlatrenderError, toFlatrenderError } from '../lib/errors.ts';
import type { Logger } from '../lib/logger.ts';
import { createFsObjectStore, type FsObjectStore } from '../objects/fs.ts';
import type { ObjectStore } from '../objects/object-store.ts';
import { openS3 } from '../objects/open-s3.ts';
import type { S3ObjectStore } from '../objects/s3.ts';
import { isMistake } from '../objects/s3-errors.ts';

/** `verifyUrl`: the control plane serves the objects itself; `digestCheck`: an S3 server does. */
export type FarmObjects = ObjectStore &
  Partial<Pick<FsObjectStore, 'verifyUrl'> & Pick<S3ObjectStore, 'digestCheck'>>;

export interface OpenObjectsOptions {
  readonly directory: string;
  readonly config: ControlConfig;
  /** The farm secret in hex. */
  readonly secret: string;
  readonly clock: Clock;
  readonly logger: Logger;
}

/** Opens them; an S3 server is not asked yet (see {@link proveObjects}). UNAVAILABLE when a directory cannot be used. */
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
  const { endpoint, presignEndpoint } = config.objects;
  const store = await openS3(config.objects, clock);
  const shown = presignEndpoint ?? endpoint;
  if (store.isLocalOnly) {
    const message = `files are signed for ${shown}, which is this machine for everybody: other nodes cannot reach it; set objects.presignEndpoint`;
    logger.warn('objects.presign-endpoint-local', { message });
  }
  return store;
}

interface ProveOptions extends Pick<OpenObjectsOptions, 'config' | 'clock' | 'logger'> {
  readonly objects: FarmObjects;
  readonly signal?: AbortSignal | undefined;
}

// `control run --daemon` and service managers wait for a start; a server that takes what it is sent and says nothing holds it up.
const PROVE_MS = 10_000;

/**
 * Writes and reads an object when they are in a bucket. An S3 server that is away is no reason not to start, jobs wait: it is
 * answered why; null: it works. UNAVAILABLE when its settings are wrong: they stay so until somebody corrects them.
 */
export async function proveObjects(options: ProveOptions): Promise<FlatrenderError | null> {
  const { config, clock, logger, signal } = options;
  if (config.objects.type !== 's3') return null;
  using late = deadline(PROVE_MS, clock);
  try {
    const all = signal === undefined ? late.signal : AbortSignal.any([signal, late.signal]);
    await untilAborted(proveBucket(options), all);
    return null;
  } catch (error) {
    signal?.throwIfAborted();
    if (isMistake(error)) throw error;
    const trouble = late.signal.aborted ? noAnswer(config) : toFlatrenderError(error);
    logger.error('objects.unreachable', {
      message: `${trouble.message}; the queue goes on without it, and it is tried again every few seconds`,
      hint: trouble.hint,
    });
    return trouble;
  }
}

async function proveBucket({ config, objects, logger }: ProveOptions): Promise<void> {
  const { endpoint, presignEndpoint, bucket, checkOutputs } = config.objects;
  await objects.check();
  const digests = await objects.digestCheck?.();
  const shown = presignEndpoint ?? endpoint;
  logger.info('objects.opened', { type: 's3', endpoint, bucket, presignEndpoint: shown, digests });
  if (digests === 'none' && checkOutputs) {
    const message =
      'this S3 server does not compare what arrives with its digest: the control plane reads every upload once';
    logger.warn('objects.digests-not-compared', { message });
  }
}

function noAnswer({ objects: { endpoint } }: ControlConfig): FlatrenderError {
  const message = `the S3 server at ${endpoint} does not answer within ${PROVE_MS / 1000} s`;
  return new FlatrenderError('UNAVAILABLE', message, {
    hint: 'is it running, and is objects.endpoint in flatrender.yaml right?',
  });
}

/** Where objects are, for people. */
export function objectsPlace(directory: string, { objects }: ControlConfig): string {
  const { type, path, bucket, endpoint } = objects;
  return type === 'fs' ? resolveInHome(directory, path) : `the bucket "${bucket}" at ${endpoint}`;
}
