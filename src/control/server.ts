/** The HTTP server: limits, parsing, errors, signing, and the routes of the contract. */
import { readFileSync } from 'node:fs';
import type { Server } from 'node:http';
import fastifySwagger from '@fastify/swagger';
import { type FastifyInstance, type FastifyRequest, fastify } from 'fastify';
import { jsonSchemaTransform } from 'fastify-type-provider-zod';
import type { z } from 'zod';
import { resolveInHome } from '../config/control-config.ts';
import { FlatrenderError } from '../lib/errors.ts';
import { parseJson } from '../lib/json.ts';
import { ROUTES, type RouteName } from '../protocol/routes.ts';
import { contentDigest, digestMatches, signAnswer } from '../protocol/signatures.ts';
import { allowOnly } from './allowed-networks.ts';
import type { Control } from './context.ts';
import { answerBrokenConnection, noSuchRoute, refuseOddities, sendError } from './error-answers.ts';
import { agentRoutes } from './handlers/agent.ts';
import { auditRoutes } from './handlers/audit.ts';
import { farmRoutes } from './handlers/farm.ts';
import { hookRoutes } from './handlers/hooks.ts';
import { jobRoutes } from './handlers/jobs.ts';
import { nodeRoutes } from './handlers/nodes.ts';
import { objectRoutes } from './handlers/objects.ts';
import { reportRoutes } from './handlers/reports.ts';
import { submitRoutes } from './handlers/submit.ts';
import { templateRoutes } from './handlers/templates.ts';
import { tokenRoutes } from './handlers/tokens.ts';
import { webhookRoutes } from './handlers/webhooks.ts';
import { Routes, refuseRepeated, validator } from './route.ts';
import { SlowBodies } from './slow-bodies.ts';

// Longer than the 60 s after which common proxies and clients drop idle connections: the server is never the first.
const KEEP_ALIVE_MS = 72_000;
/** Long-polls and streams: their duration says nothing about the server. */
const UNTIMED: ReadonlySet<string> = new Set<RouteName>(['claim', 'events', 'putObject', 'getObject']);
const NO_BODY = Buffer.alloc(0);

/** A server that is ready to listen. `isClosing` refuses new work while it ends. */
export async function createServer(
  control: Control,
  options: { readonly directory: string; readonly bootId: string; readonly isClosing: () => boolean },
): Promise<FastifyInstance> {
  const { limits } = control.config;
  let requests = 0;
  const app = fastify({
    logger: false,
    bodyLimit: limits.bodyBytes,
    // Node's own limit would also end uploads that take their time: bodies are watched by SlowBodies.
    requestTimeout: 0,
    keepAliveTimeout: KEEP_ALIVE_MS,
    ...serverOptions(control, options.directory),
    forceCloseConnections: 'idle',
    return503OnClosing: false,
    exposeHeadRoutes: false,
    routerOptions: { maxParamLength: 600, ignoreTrailingSlash: false },
    genReqId: () => {
      requests += 1;
      return `${options.bootId}-${requests.toString(36)}`;
    },
    clientErrorHandler: answerBrokenConnection,
    frameworkErrors: (error, request, reply) => sendError(control, error, request, reply),
  });
  const server = app.server as Server;
  server.maxConnections = limits.connections;
  server.maxRequestsPerSocket = 0;
  refuseOddities(server);
  const { clock, logger, metrics } = control;
  const onRefused = (): void => metrics.refused();
  allowOnly(server, { networks: control.config.gateway.allow, clock, logger, onRefused });

  app.setValidatorCompiler(({ schema, httpPart }) => validator(schema as unknown as z.ZodType, httpPart));
  // Answers are made by this program: they are documented by their schemas, not checked against them.
  app.setSerializerCompiler(() => (data) => JSON.stringify(data));
  app.setErrorHandler((error, request, reply) =>
    sendError(control, control.rateLimits.refused(error, request.ip), request, reply),
  );
  app.setNotFoundHandler((request, reply) => {
    const { error, allow } = noSuchRoute(request.method, request.url);
    if (allow) reply.header('allow', allow);
    sendError(control, error, request, reply);
  });
  decorate(app, control, options.isClosing);
  addHooks(app, control);
  const slow = new SlowBodies(control.clock, limits.requestSeconds * 1000);
  slow.watch(app);
  addParsers(app, control);
  await describe(app, control);
  await app.register(async (scope) => addRoutes(scope, control));
  await app.register(async (scope) => addObjectRoutes(scope, control));
  await app.ready();
  return app;
}

function decorate(app: FastifyInstance, control: Control, isClosing: () => boolean): void {
  const { urlLength } = control.config.limits;
  app.decorateRequest('nodeCaller', null);
  app.decorateRequest('tokenRecord', null);
  app.decorateRequest('rawBody', null);
  app.decorateRequest('refusal', null);
  app.decorateRequest('audited', null);
  app.decorateRequest('hook', null);
  app.addHook('onRequest', (request, _, done) => {
    if (isClosing()) {
      return done(
        new FlatrenderError('UNAVAILABLE', 'the control plane is shutting down', {
          hint: 'try again in a moment',
        }),
      );
    }
    // Node would refuse it too, but without a word.
    if (request.raw.headers.host === undefined && request.raw.httpVersion === '1.1') {
      return done(new FlatrenderError('REQUEST_INVALID', 'the request has no Host header'));
    }
    try {
      refuseRepeated(request.raw.rawHeaders, 'host');
    } catch (error) {
      return done(error as Error);
    }
    if ((request.raw.url ?? '').length > urlLength) {
      return done(
        new FlatrenderError('REQUEST_TOO_LARGE', `the address is longer than ${urlLength} characters`),
      );
    }
    done();
  });
}

function addHooks(app: FastifyInstance, control: Control): void {
  // A signed request without a body has no parser run over it: its digest is checked here.
  app.addHook('preValidation', (request, _, done) => {
    if (request.nodeCaller && request.rawBody === null && !digestMatches(NO_BODY, request.raw.headers)) {
      return done(new FlatrenderError('DIGEST_MISMATCH', 'the content-digest is not that of an empty body'));
    }
    done();
  });
  app.addHook('onSend', (request, reply, payload, done) => {
    const caller = request.nodeCaller;
    if (caller) {
      const body = typeof payload === 'string' || Buffer.isBuffer(payload) ? payload : '';
      const key = { keyId: caller.entry.id, secret: caller.secret };
      const created = Math.floor(control.clock.now() / 1000);
      reply.headers({ ...signAnswer(reply.statusCode, body, key, { created, nonce: caller.nonce }) });
    }
    done(null, payload);
  });
  app.addHook('onSend', (request, reply, payload, done) => {
    const noted = control.audit.note(request, reply.statusCode, payload);
    if (noted === null) return done(null, payload);
    void noted.then(() => done(null, payload));
  });
  app.addHook('onResponse', (request, reply, done) => {
    const name = request.routeOptions.config?.name ?? 'none';
    if (!UNTIMED.has(name)) control.metrics.request(name, reply.statusCode, reply.elapsedTime / 1000);
    done();
  });
}

function addParsers(app: FastifyInstance, control: Control): void {
  const { jsonDepth } = control.config.limits;
  const check = (request: FastifyRequest, body: Buffer): void => {
    request.rawBody = body;
    if (request.nodeCaller) control.rateLimits.nodeBytes(request.nodeCaller.entry.id, body.length);
    if (request.nodeCaller && !digestMatches(body, request.raw.headers)) {
      throw new FlatrenderError(
        'DIGEST_MISMATCH',
        `the body is not the one that was signed (${contentDigest(body)})`,
      );
    }
  };
  app.removeAllContentTypeParsers();
  app.addContentTypeParser('application/json', { parseAs: 'buffer' }, (request, body: Buffer, done) => {
    try {
      check(request, body);
      // Commands without arguments come as `POST …/cancel` with nothing in it.
      done(null, body.length === 0 ? undefined : parseJson(body, { maxDepth: jsonDepth }));
    } catch (error) {
      done(error as Error);
    }
  });
  app.addContentTypeParser('image/jpeg', { parseAs: 'buffer' }, (request, body: Buffer, done) => {
    try {
      check(request, body);
      done(null, body);
    } catch (error) {
      done(error as Error);
    }
  });
}

function addRoutes(scope: FastifyInstance, control: Control): void {
  const routes = new Routes(scope, control);
  agentRoutes(routes, control);
  reportRoutes(routes, control);
  submitRoutes(routes, control);
  jobRoutes(routes, control);
  nodeRoutes(routes, control);
  templateRoutes(routes, control);
  tokenRoutes(routes, control);
  webhookRoutes(routes, control);
  hookRoutes(routes, control);
  auditRoutes(routes, control);
  farmRoutes(routes, control);
}

function addObjectRoutes(scope: FastifyInstance, control: Control): void {
  // Of any content type, and never in memory: the handler reads the request itself.
  scope.removeAllContentTypeParsers();
  scope.addContentTypeParser('*', (_, __, done) => done(null));
  objectRoutes(new Routes(scope, control), control);
}

async function describe(app: FastifyInstance, control: Control): Promise<void> {
  await app.register(fastifySwagger, {
    openapi: {
      openapi: '3.1.0',
      info: {
        title: 'flatrender control plane',
        version: control.version,
        description: `${Object.keys(ROUTES).length} routes. Errors are { error: { code, message, hint } } throughout.`,
        license: { name: 'MIT', identifier: 'MIT' },
      },
      components: {
        securitySchemes: {
          hook: { type: 'http', scheme: 'bearer', description: 'The token of one hook (frh_…)' },
          token: { type: 'http', scheme: 'bearer', description: 'A client token (fr_…) of sufficient role' },
          node: {
            type: 'apiKey',
            in: 'header',
            name: 'signature',
            description:
              'RFC 9421 HTTP message signature of a node: hmac-sha256 over method, path, query, content-digest',
          },
        },
      },
    },
    transform: jsonSchemaTransform,
  });
}

/** Options of Node's own server: with `gateway.tls` an https one. */
function serverOptions(control: Control, directory: string): object {
  const { config } = control;
  const options = {
    headersTimeout: config.limits.headerSeconds * 1000,
    connectionsCheckingInterval: 500,
    requireHostHeader: false,
  };
  const { tls } = config.gateway;
  if (tls === null) return { http: options };
  const read = (path: string, what: string): Buffer => {
    const file = resolveInHome(directory, path);
    try {
      return readFileSync(file);
    } catch (cause) {
      throw new FlatrenderError('CONFIG_INVALID', `gateway.tls.${what}: cannot read ${file}`, { cause });
    }
  };
  return { https: { ...options, cert: read(tls.cert, 'cert'), key: read(tls.key, 'key') } };
}
