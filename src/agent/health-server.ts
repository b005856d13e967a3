/** `GET /health` and `GET /api/health`: what other systems ask a node. */
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Clock } from '../lib/clock.ts';
import type { Logger } from '../lib/logger.ts';
import type { SystemInfo } from '../protocol/nodes.ts';

/** What the answer is made of. */
export interface HealthFacts {
  readonly machineId: string;
  /** Reports that wait in the outbox. */
  readonly pending: number;
  /** Tasks at work; more than 0 is shown as busy. */
  readonly processing: number;
  readonly system: SystemInfo;
  /** Beyond the fixed fields: what flatrender's own tools look at. */
  readonly agent: {
    readonly nodeId: string;
    readonly version: string;
    readonly connected: boolean;
    readonly draining: boolean;
    readonly engines: readonly string[];
  };
}

export interface HealthServer extends AsyncDisposable {
  /** `http://host:port`, or null while the port is taken. */
  readonly url: string | null;
}

export interface HealthServerOptions {
  readonly host: string;
  readonly port: number;
  readonly facts: () => HealthFacts;
  readonly clock: Clock;
  readonly logger: Logger;
}

// Another program (or the agent this one replaces) has the port: rendering does not need it, so it is tried again.
const RETRY_MS = 10_000;

/** Listens; a port that is taken is a warning, not a failure. */
export async function startHealthServer(options: HealthServerOptions): Promise<HealthServer> {
  const { host, port, clock, logger } = options;
  const server = createServer(
    { requestTimeout: 5_000, headersTimeout: 5_000, maxHeaderSize: 8192 },
    (request, response) => {
      const path = (request.url ?? '').split('?', 1)[0];
      const isKnown = path === '/health' || path === '/api/health';
      const isRead = request.method === 'GET' || request.method === 'HEAD';
      const status = !isKnown ? 404 : isRead ? 200 : 405;
      const body = `${JSON.stringify(status === 200 ? healthOf(options.facts(), clock.now()) : refusalOf(status, path ?? ''))}\n`;
      response.writeHead(status, {
        'content-type': 'application/json; charset=utf-8',
        'content-length': Buffer.byteLength(body),
        'cache-control': 'no-store',
        ...(status === 405 ? { allow: 'GET, HEAD' } : {}),
      });
      response.end(request.method === 'HEAD' ? undefined : body);
    },
  );
  // The agent's other work keeps the process alive, and decides when it ends.
  server.unref();
  let url: string | null = null;
  let cancel = (): void => undefined;
  const tryListen = async (): Promise<void> => {
    try {
      await listen(server, host, port);
      const { port: actual, address, family } = server.address() as AddressInfo;
      url = `http://${family === 'IPv6' ? `[${address}]` : address}:${actual}`;
      logger.info('health.listening', { url });
    } catch (error) {
      const message = `the health endpoint cannot listen on ${host}:${port}; the agent works without it (HEALTH_PORT chooses another port)`;
      logger.warn('health.unavailable', { message, error, retryInMs: RETRY_MS });
      cancel = clock.after(RETRY_MS, () => void tryListen());
    }
  };
  await tryListen();
  return {
    get url() {
      return url;
    },
    async [Symbol.asyncDispose]() {
      cancel();
      if (!server.listening) return;
      server.closeAllConnections();
      await new Promise<void>((resolve) => {
        server.close(() => resolve());
      });
    },
  };
}

/** The answer's fixed shape; sizes in MB. */
function healthOf(facts: HealthFacts, now: number): Record<string, unknown> {
  const { gpu, memory, disk } = facts.system;
  return {
    status: 'online',
    machineId: facts.machineId,
    timestamp: new Date(now).toISOString().replace(/\.\d{3}Z$/, 'Z'),
    queue: { pending: facts.pending, processing: facts.processing },
    system: { gpu, memory, disk },
    agent: facts.agent,
  };
}

function refusalOf(status: number, path: string): unknown {
  const message = status === 404 ? `there is no ${path.slice(0, 200)}` : 'only GET';
  return {
    error: { code: status === 404 ? 'ROUTE_NOT_FOUND' : 'METHOD_NOT_ALLOWED', message, hint: 'GET /health' },
  };
}

function listen(server: Server, host: string, port: number): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, host, () => {
      server.off('error', reject);
      resolve();
    });
  });
}
