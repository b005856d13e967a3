/** Puts a control plane together, and takes it apart again. */
import { randomBytes } from 'node:crypto';
import type { AddressInfo } from 'node:net';
import { hostname } from 'node:os';
import { setTimeout } from 'node:timers/promises';
import { type ControlConfig, resolveInHome } from '../config/control-config.ts';
import { homePaths, loadFarmSecret } from '../config/home.ts';
import { unknownVariables } from '../config/unknown-variables.ts';
import { type Clock, systemClock } from '../lib/clock.ts';
import { FlatrenderError } from '../lib/errors.ts';
import type { Logger } from '../lib/logger.ts';
import { packageVersion } from '../lib/paths.ts';
import { noTracing, startTracing, type Tracing } from '../lib/tracing.ts';
import type { Mesh } from '../mesh/mesh.ts';
import type { Store } from '../store/store.ts';
import { assemble } from './assemble.ts';
import { startBackground } from './background.ts';
import type { Control } from './context.ts';
import { compareObjects, requireSameSecret } from './farm-identity.ts';
import { meshFinder } from './open-mesh.ts';
import { objectsPlace, openObjects, proveObjects } from './open-objects.ts';
import { waitForStore } from './open-store.ts';
import { createServer } from './server.ts';
import { startTicks } from './ticks.ts';

export interface ControlOptions {
  /** The state directory: farm.secret must be in it; relative paths of the configuration start there. */
  readonly directory: string;
  readonly config: ControlConfig;
  readonly logger: Logger;
  readonly clock?: Clock | undefined;
  /** The mesh that nodes join; default: the one of the configuration, when this machine has it. null: none. */
  readonly mesh?: Mesh | null | undefined;
  /** An open store instead of the configured one; closed with the control plane. */
  readonly store?: Store | undefined;
  /** Ends a start that is under way. A running control plane is ended by `close`. */
  readonly signal?: AbortSignal | undefined;
}

export interface RunningControl {
  /** Where it listens; a wildcard address is shown as this machine's loopback. */
  readonly url: string;
  /** Open state, for tests and for commands that run in the same process. */
  readonly control: Control;
  /** Answers who waits, writes what is behind and closes everything; the second call waits for the first. */
  close(): Promise<void>;
}

// The mesh comes up within seconds; a service that gives up is started again anyway.
const ADDRESS_SECONDS = 120;
// Requests under way get this long; then their connections are cut.
const DRAIN_MS = 5000;

/** Starts a control plane. CONFIG_MISSING, CONFIG_INVALID, ALREADY_RUNNING (port or database in use), STORE_FAILED. */
export async function startControl(options: ControlOptions): Promise<RunningControl> {
  const { directory, config, logger, clock = systemClock } = options;
  await using undo = new AsyncDisposableStack();
  const farmSecret = loadFarmSecret(directory);
  options.signal?.throwIfAborted();
  const store = options.store ?? (await waitForStore({ ...options, clock }));
  undo.defer(() => store.close());
  const { gateway } = config;
  const objects = await openObjects({ directory, config, secret: farmSecret.toString('hex'), clock, logger });
  undo.defer(() => objects.close());
  if (store.shared) await requireSameSecret(store.shared, farmSecret, homePaths(directory).farmSecret);
  const place = objectsPlace(directory, config);
  const compare = () => compareObjects({ store, objects, place, logger });
  const trouble = await proveObjects({ config, objects, clock, logger, signal: options.signal });
  const objectsStart = { trouble, compare, lack: trouble === null ? await compare() : null };
  const given = options.mesh;
  const mesh = given === undefined ? meshFinder(config, logger) : () => Promise.resolve(given);
  const tracing = await openTracing(config, logger);
  undo.defer(() => tracing.close());
  const { files } = config.hooks;
  const hookFiles = files === null ? null : resolveInHome(directory, files);
  const parts = { config, logger, clock, farmSecret, store, objects, objectsStart, mesh, tracing, hookFiles };
  const control = assemble(parts);
  undo.defer(() => {
    control.dispatcher.close();
    control.events.close();
    control.metrics.close();
  });
  undo.defer(() => control.enrolment.close());
  control.replicas.start();
  await control.nodeSync.begin();
  await control.registry.load();
  await control.enrolment.load();
  await control.leases.load();
  options.signal?.throwIfAborted();
  let isClosing = false;
  const bootId = randomBytes(4).toString('hex');
  const app = await createServer(control, { directory, bootId, isClosing: () => isClosing });
  undo.defer(() => app.close());
  await listen(() => app.listen({ host: gateway.host, port: gateway.port }), options);
  const ending = new AbortController();
  const stopTicks = startTicks(control);
  undo.defer(stopTicks);
  const stopBackground = startBackground(control, ending.signal);
  await control.dispatcher.promote();
  control.webhooks.poke();
  const running = undo.move();

  const url = localUrl(config, (app.server.address() as AddressInfo).port);
  for (const message of unknownVariables(process.env)) logger.warn('config.unknown-variable', { message });
  logger.info('control.started', { url, farm: config.farm.name, version: control.version, directory });
  let closed: Promise<void> | undefined;
  const close = async (): Promise<void> => {
    logger.info('control.stopping', { waiting: control.dispatcher.waiting, leases: control.leases.size });
    isClosing = true;
    ending.abort();
    // Long-polls are answered and streams ended first: nothing else would let their connections go.
    control.dispatcher.close();
    control.events.close();
    await stopBackground();
    const cut = globalThis.setTimeout(() => app.server.closeAllConnections(), DRAIN_MS);
    await app.close();
    clearTimeout(cut);
    await control.webhooks.close();
    await control.audit.close();
    await stopTicks();
    await running.disposeAsync();
    logger.info('control.stopped');
  };
  return {
    url,
    control,
    close: () => {
      closed ??= close();
      return closed;
    },
  };
}

function openTracing({ tracing: { endpoint } }: ControlConfig, logger: Logger): Promise<Tracing> {
  if (endpoint === null) return Promise.resolve(noTracing);
  const instance = hostname();
  return startTracing({
    endpoint,
    service: 'flatrender-control',
    instance,
    version: packageVersion(),
    logger,
  });
}

/** Listens. An address that is not there yet may come with the mesh: at boot, or when wg0 is restarted. */
async function listen(start: () => Promise<string>, options: ControlOptions): Promise<void> {
  const { config, logger, signal } = options;
  const where = `${config.gateway.host}:${config.gateway.port}`;
  for (let waited = 0; ; waited += 1) {
    try {
      await start();
      return;
    } catch (cause) {
      const code = cause instanceof Error && 'code' in cause ? cause.code : '';
      if (code !== 'EADDRNOTAVAIL' || waited >= ADDRESS_SECONDS) throw cannotListen(where, code, cause);
      if (waited % 15 === 0) {
        const message = `this machine does not have the address ${config.gateway.host} yet: is the mesh up (flatrender wg status)?`;
        logger.warn('control.waiting-for-address', { message, seconds: ADDRESS_SECONDS - waited });
      }
      // Nothing else keeps the process alive while it waits.
      await setTimeout(1000, undefined, { signal });
    }
  }
}

function cannotListen(where: string, code: unknown, cause: unknown): FlatrenderError {
  if (code === 'EADDRINUSE') {
    return new FlatrenderError('ALREADY_RUNNING', `something listens on ${where} already`, {
      cause,
      hint: 'run "flatrender control status"; choose another port with --port',
    });
  }
  const reason =
    code === 'EADDRNOTAVAIL'
      ? 'this machine does not have that address'
      : code === 'EACCES'
        ? 'not allowed'
        : String(cause);
  return new FlatrenderError('CONFIG_INVALID', `cannot listen on ${where}: ${reason}`, {
    cause,
    hint: 'gateway.host and gateway.port in flatrender.yaml; is the mesh up (flatrender wg status)?',
  });
}

/** Where programs on this machine reach a control plane: a wildcard address is shown as the loopback. */
export function localUrl({ gateway }: ControlConfig, port: number = gateway.port): string {
  const { host, tls } = gateway;
  const shown =
    host === '0.0.0.0' ? '127.0.0.1' : host === '::' ? '[::1]' : host.includes(':') ? `[${host}]` : host;
  return `${tls === null ? 'http' : 'https'}://${shown}:${port}`;
}
