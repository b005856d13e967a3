/** A control plane of the simulation: the real one without HTTP, on the simulated store, clock and network. */

import type { ZodType } from 'zod';
import { assemble, type ControlParts } from '../../src/control/assemble.ts';
import type { Control } from '../../src/control/context.ts';
import { agentRoutes } from '../../src/control/handlers/agent.ts';
import { jobRoutes } from '../../src/control/handlers/jobs.ts';
import { nodeRoutes } from '../../src/control/handlers/nodes.ts';
import { reportRoutes } from '../../src/control/handlers/reports.ts';
import { submitRoutes } from '../../src/control/handlers/submit.ts';
import type { Routes } from '../../src/control/route.ts';
import { startTicks } from '../../src/control/ticks.ts';
import { FlatrenderError } from '../../src/lib/errors.ts';
import type { LogFields } from '../../src/lib/logger.ts';
import type { Store, TokenRecord } from '../../src/store/store.ts';
import { simulatedLogger } from './logger.ts';
import type { Connection, Server, ServerCall } from './network.ts';
import type { Objects } from './objects.ts';
import type { Process } from './world.ts';

interface Handler {
  readonly body?: ZodType;
  readonly parseBody?: (body: unknown) => unknown;
  readonly handle: (call: object) => Promise<unknown> | unknown;
}

const OPERATOR: TokenRecord = {
  id: 'operator',
  name: 'operator',
  role: 'admin',
  hash: '',
  createdAt: 0,
  expiresAt: null,
  lastUsedAt: null,
};

const FARM_SECRET = Buffer.alloc(32, 7);

export interface ReplicaOptions {
  readonly process: Process;
  readonly address: string;
  readonly config: ControlParts['config'];
  readonly store: Store;
  readonly objects: Objects;
  readonly onLog: (event: string, fields: LogFields) => void;
  /** Changes parts before they are used: seeded bugs. */
  readonly spoil: (control: Control) => void;
}

/** The body as its schema reads it; the frequent ones, which agents build from nothing that can be wrong, go unchecked. */
function checked({ body: schema }: Handler, { route, body }: ServerCall): unknown {
  if (schema === undefined || route === 'heartbeat' || route === 'claim') return body;
  const { data, error } = schema.safeParse(body);
  if (error) throw new FlatrenderError('REQUEST_INVALID', error.message);
  return data;
}

export class Replica implements Server {
  readonly process: Process;
  readonly address: string;
  readonly control: Control;
  readonly #handlers = new Map<string, Handler>();
  #isReady = false;
  #stopTicks: () => Promise<void> = async () => undefined;

  constructor(options: ReplicaOptions) {
    const { process, store, objects, config } = options;
    this.process = process;
    this.address = options.address;
    this.control = assemble({
      config,
      logger: simulatedLogger(process, options.onLog),
      clock: process.clock,
      farmSecret: FARM_SECRET,
      store,
      objects: Object.assign(objects.asStore(), { verifyUrl: () => undefined }) as never,
      mesh: async () => null,
    });
    this.control.metrics.close();
    // Their deliveries are rows, and checked as such; the posts themselves are real network.
    Object.assign(this.control, { webhooks: new Proxy({}, { get: () => () => undefined }) });
    options.spoil(this.control);
    const routes = {
      add: (name: string, spec: Handler) => this.#handlers.set(name, spec),
    } as unknown as Routes;
    for (const register of [agentRoutes, reportRoutes, submitRoutes, jobRoutes, nodeRoutes])
      register(routes, this.control);
  }

  get isReady(): boolean {
    return this.#isReady && this.process.isAlive;
  }

  /** As `startControl` does; a store that refuses ends the process. */
  async start(): Promise<void> {
    const { registry, leases, dispatcher, replicas, nodeSync } = this.control;
    try {
      replicas.start();
      await nodeSync.begin();
      await registry.load();
      await this.control.enrolment.load();
      await leases.load();
    } catch (error) {
      this.process.kill(`cannot start: ${error instanceof Error ? error.message : error}`);
      return;
    }
    this.#stopTicks = startTicks(this.control);
    await dispatcher.promote();
    this.#isReady = true;
  }

  /** As a service manager stops it: answers who waits, writes what is behind. */
  async stop(): Promise<void> {
    this.#isReady = false;
    this.control.dispatcher.close();
    this.control.events.close();
    await this.#stopTicks();
    this.process.kill('stopped');
  }

  async answer(call: ServerCall, connection: Connection): Promise<unknown> {
    if (!this.#isReady) throw new FlatrenderError('UNAVAILABLE', 'the control plane is not ready');
    const handler = this.#handlers.get(call.route);
    if (handler === undefined) throw new FlatrenderError('ROUTE_NOT_FOUND', call.route);
    const raw = {
      once: (_: string, callback: () => void) => connection.onClose(callback),
      on: (_: string, callback: () => void) => connection.onClose(callback),
    };
    const reply = {
      raw,
      code: () => reply,
      header: () => reply,
      send: (value?: unknown) => value,
    };
    const request = {
      headers: { host: 'farm:8088', ...call.headers },
      rawBody: Buffer.from(JSON.stringify(call.body)),
    };
    const body = handler.parseBody ? handler.parseBody(call.body) : checked(handler, call);
    const node =
      call.caller === 'operator' ? null : { entry: await this.#nodeOf(call), nonce: '', secret: '' };
    return await handler.handle({
      body,
      params: call.params,
      query: {},
      request,
      reply,
      node,
      token: OPERATOR,
    });
  }

  /** As routes of nodes do: another control plane may have made the node, or its secret, a moment ago. */
  async #nodeOf(call: ServerCall) {
    try {
      return this.#verify(call);
    } catch (error) {
      if (!(await this.control.nodeSync.lookUp(call.caller))) throw error;
      return this.#verify(call);
    }
  }

  /** What `NodeAuth` does; the generation of the secret stands for the signature. */
  #verify({ caller, headers }: ServerCall) {
    const { registry } = this.control;
    const entry = registry.get(caller);
    if (!entry) throw new FlatrenderError('NODE_UNKNOWN', `this farm has no node "${caller}"`);
    const generation = Number(headers.generation);
    const { generation: newest, retiredGeneration } = entry.record;
    if (generation > newest || generation <= retiredGeneration)
      throw new FlatrenderError('SIGNATURE_INVALID', `the signature of node "${caller}" is wrong`);
    registry.touch(entry);
    return entry;
  }
}
