/** Checks of this machine as the control plane: what it listens on, who can get there, where its files go. */
import { statfs } from 'node:fs/promises';
import { networkInterfaces } from 'node:os';
import { callJson } from '../../client/http.ts';
import { type ControlConfig, loadControlConfig, resolveInHome } from '../../config/control-config.ts';
import { loadFarmSecret } from '../../config/home.ts';
import { untilAborted } from '../../lib/abort.ts';
import { systemClock } from '../../lib/clock.ts';
import { FlatrenderError, toFlatrenderError } from '../../lib/errors.ts';
import type { HealthAnswer } from '../../protocol/tokens.ts';
import { formatBytes } from '../output.ts';
import type { Check, Finding } from './checks.ts';
import { checkFarmDatabase } from './database-check.ts';
import { meshChecks } from './mesh-checks.ts';
import { meshFacts } from './mesh-facts.ts';
import { isListening, whoHas } from './ports.ts';

/** Outputs of a day may be this much; below it a busy farm stops within hours. */
const OBJECTS_WARNING_BYTES = 20e9;
const OBJECTS_FAILED_BYTES = 1e9;
// One that takes what it is sent and says nothing would hold up the other checks for minutes.
const BUCKET_MS = 15_000;

export interface ControlOptions {
  /** The state directory of the control plane. */
  readonly directory: string;
  readonly version: string;
  readonly signal: AbortSignal;
}

/** The checks of a control plane whose state directory is on this machine. */
export function controlChecks(options: ControlOptions): readonly Check[] {
  const { directory } = options;
  const config = configOf(directory);
  const configuration: Check = {
    name: 'configuration',
    run: async () => {
      if (config instanceof FlatrenderError) throw config;
      loadFarmSecret(directory);
      return { status: 'ok', message: `${directory}: flatrender.yaml and farm secret` };
    },
  };
  if (config instanceof FlatrenderError) return [configuration];
  return [
    configuration,
    ...meshChecks(meshFacts(config, options.signal), config),
    { name: 'gateway', run: () => checkGateway(config, options) },
    { name: 'exposure', run: async () => checkExposure(config) },
    { name: 'database', run: () => checkFarmDatabase(config, directory) },
    { name: 'objects', run: () => checkObjects(config, options) },
  ];
}

function configOf(directory: string): ControlConfig | FlatrenderError {
  try {
    return loadControlConfig({ directory });
  } catch (error) {
    if (error instanceof FlatrenderError) return error;
    throw error;
  }
}

async function checkGateway({ gateway }: ControlConfig, options: ControlOptions): Promise<Finding> {
  const { host, port, tls } = gateway;
  const isWildcard = host === '0.0.0.0' || host === '::';
  if (!isWildcard && !isOwnAddress(host)) {
    return {
      status: 'failed',
      message: `gateway.host ${host} is no address of this machine now`,
      fix: 'is the mesh up? flatrender wg status; else correct gateway.host in flatrender.yaml',
    };
  }
  const address = isWildcard ? '127.0.0.1' : host;
  const url = `${tls ? 'https' : 'http'}://${address.includes(':') ? `[${address}]` : address}:${port}`;
  try {
    const health = await callJson<Partial<HealthAnswer>>(
      { url, signal: options.signal },
      { method: 'GET', path: '/health', timeoutMs: 5000, idempotent: false },
    );
    if (health.farm === undefined) throw new Error('not a control plane');
    if (health.objects?.message != null) {
      const { ok, message } = health.objects;
      return {
        status: 'warning',
        message: `farm "${health.farm}" answers at ${url}, but ${ok ? message : `it cannot reach its objects: ${message}`}`,
      };
    }
    const other =
      health.version === options.version
        ? ''
        : `; it runs version ${health.version}, this is ${options.version}`;
    return {
      status: other === '' ? 'ok' : 'warning',
      message: `farm "${health.farm}" answers at ${url}${other}`,
      ...(other === '' ? {} : { fix: 'flatrender control restart' }),
    };
  } catch (error) {
    if (options.signal.aborted) throw options.signal.reason;
    if (error instanceof FlatrenderError && error.details?.part === 'database') {
      return {
        status: 'failed',
        message: `the control plane runs at ${url}, but its database fails: ${error.message}`,
        fix: error.hint ?? 'it goes on by itself when the database is back; its log: flatrender control logs',
      };
    }
    if (await isListening(address, port)) {
      const why =
        error instanceof FlatrenderError && error.code !== 'UNREACHABLE' ? `: ${error.message}` : '';
      return {
        status: 'failed',
        message: `something else than a healthy control plane has port ${port} on ${address}${why}`,
        fix: `who has it: ${whoHas(port)}; another port: gateway.port in flatrender.yaml`,
      };
    }
    return {
      status: 'failed',
      message: `the control plane does not run: nothing listens on ${address}:${port}`,
      fix: 'flatrender control run --daemon',
    };
  }
}

/** Plain http on every interface lets anybody read what is rendered. */
function checkExposure({ gateway }: ControlConfig): Finding {
  const { host, tls, allow } = gateway;
  const isLocal = host === 'localhost' || host.startsWith('127.') || host === '::1';
  if (isLocal) return { status: 'ok', message: 'only programs of this machine reach the gateway' };
  if (allow !== null) return { status: 'ok', message: `only ${allow.join(', ')} reach the gateway` };
  if (tls !== null) return { status: 'ok', message: 'https; requests are authenticated' };
  const mesh = /^10\.66\./.test(host);
  return {
    status: 'warning',
    message: mesh
      ? `${host} can also be reached by neighbours of the public interface that route to it`
      : `plain http on ${host}: whoever shares a network with this machine can listen in`,
    fix: 'flatrender control init --mesh, or gateway.allow: [10.66.0.0/24] (or gateway.tls) in flatrender.yaml',
  };
}

/** Whether the bucket can be written and read, and whether others than this machine can use the addresses. */
async function checkBucket({ objects }: ControlConfig, signal: AbortSignal): Promise<Finding> {
  const { openS3 } = await import('../../objects/open-s3.ts');
  const store = await openS3(objects, systemClock);
  const where = `bucket "${objects.bucket}" at ${objects.endpoint}`;
  try {
    const late = AbortSignal.timeout(BUCKET_MS);
    await untilAborted(store.check(), AbortSignal.any([signal, late])).catch((error: unknown) => {
      signal.throwIfAborted();
      throw late.aborted ? noAnswer(objects.endpoint) : error;
    });
    if (store.isLocalOnly) {
      return {
        status: 'warning',
        message: `${where} works, but files are signed for ${objects.presignEndpoint ?? objects.endpoint}: nodes elsewhere cannot reach that`,
        fix: 'objects.presignEndpoint in flatrender.yaml: the address of the S3 server that nodes reach, e.g. http://10.66.0.1:9000',
      };
    }
    const compares = (await store.digestCheck()) !== 'none';
    const note = compares
      ? ''
      : '; it does not compare uploads with their digest, the control plane reads them';
    return { status: 'ok', message: `${where} can be written and read${note}` };
  } catch (error) {
    if (signal.aborted) throw signal.reason;
    const { message, hint } = toFlatrenderError(error);
    return { status: 'failed', message, fix: hint ?? 'see the log of the S3 server' };
  } finally {
    await store.close();
  }
}

function noAnswer(endpoint: string | null): FlatrenderError {
  const message = `the S3 server at ${endpoint} does not answer within ${BUCKET_MS / 1000} s`;
  return new FlatrenderError('UNAVAILABLE', message, {
    hint: 'is it running, and is objects.endpoint in flatrender.yaml right?',
  });
}

async function checkObjects(config: ControlConfig, { directory, signal }: ControlOptions): Promise<Finding> {
  const { objects } = config;
  if (objects.type === 's3') return await checkBucket(config, signal);
  const path = resolveInHome(directory, objects.path);
  const found = await statfs(path).catch(() => null);
  if (!found) return { status: 'skipped', message: `${path} does not exist yet: made at the first start` };
  const free = found.bavail * found.bsize;
  const message = `${formatBytes(free)} free for bundles and outputs at ${path}`;
  if (free >= OBJECTS_WARNING_BYTES) return { status: 'ok', message };
  const fix = 'make room, keep outputs for a shorter time (retention.keepOutputsDays), or move objects.path';
  return { status: free < OBJECTS_FAILED_BYTES ? 'failed' : 'warning', message, fix };
}

function isOwnAddress(host: string): boolean {
  // A name is resolved when the server listens; only addresses can be compared.
  if (!/^[\d.]+$|:/.test(host)) return true;
  return Object.values(networkInterfaces()).some((each) => each?.some(({ address }) => address === host));
}
