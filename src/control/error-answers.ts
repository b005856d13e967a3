/** Whatever goes wrong, as `{ error: { code, message, hint, … } }`: never a stack, never text of ours that leaks. */
import type { Server } from 'node:http';
import type { Socket } from 'node:net';
import type { FastifyReply, FastifyRequest } from 'fastify';
import type { Clock } from '../lib/clock.ts';
import { FlatrenderError } from '../lib/errors.ts';
import type { Logger } from '../lib/logger.ts';
import { ROUTES } from '../protocol/routes.ts';

interface ErrorContext {
  readonly logger: Logger;
  readonly clock: Clock;
  /** `outage`: why the database cannot be reached. */
  readonly replicas: { readonly outage: FlatrenderError | null };
}

/** Codes of Fastify and Node (their documentation, "Errors") that are the client's doing. */
const FOREIGN: Readonly<Record<string, (error: Error) => FlatrenderError>> = {
  FST_ERR_CTP_BODY_TOO_LARGE: () => tooLarge(),
  FST_ERR_CTP_INVALID_MEDIA_TYPE: () =>
    new FlatrenderError('UNSUPPORTED_MEDIA_TYPE', 'this content type is not understood here', {
      hint: 'send "Content-Type: application/json"',
    }),
  FST_ERR_CTP_INVALID_CONTENT_LENGTH: () =>
    new FlatrenderError('REQUEST_INVALID', 'the body has another size than its Content-Length says'),
  FST_ERR_BAD_URL: () => new FlatrenderError('REQUEST_INVALID', 'the address is not a valid URL path'),
  FST_ERR_MAX_PARAM_LENGTH: () => new FlatrenderError('REQUEST_INVALID', 'a part of the address is too long'),
  ECONNRESET: () => new FlatrenderError('ABORTED', 'the client went away'),
};

/** Any thrown value as the error that is answered; what is not expected becomes INTERNAL. */
function answerableError(thrown: unknown): FlatrenderError {
  if (thrown instanceof FlatrenderError) return thrown;
  const code = thrown instanceof Error && 'code' in thrown ? String(thrown.code) : '';
  const known = FOREIGN[code];
  if (known && thrown instanceof Error) return known(thrown);
  return new FlatrenderError('INTERNAL', 'something went wrong inside the control plane', {
    cause: thrown,
    hint: 'its log has the details under this requestId',
  });
}

/** Answers a request with an error. */
export function sendError(
  context: ErrorContext,
  thrown: unknown,
  request: FastifyRequest,
  reply: FastifyReply,
): void {
  const error = answerableError(thrown);
  request.refusal = error;
  const { code, status } = error;
  if (code === 'INTERNAL') {
    const { method, routeOptions } = request;
    const route = routeOptions.url ?? request.url.split('?')[0];
    context.logger.error('request.failed', {
      requestId: request.id,
      method,
      route,
      error: error.cause ?? error,
    });
  } else if (status >= 500 && !(code === 'UNAVAILABLE' && context.replicas.outage !== null)) {
    // A database that is away is in the log once, not with every request.
    context.logger.warn('request.refused', { requestId: request.id, error });
  }
  const body = {
    ...error.toBody(),
    requestId: request.id,
    // A node whose clock is wrong learns the right time from the refusal.
    ...(status === 401 ? { serverTime: new Date(context.clock.now()).toISOString() } : {}),
  };
  if (code === 'TOKEN_MISSING' || code === 'TOKEN_INVALID') reply.header('www-authenticate', 'Bearer');
  if (code === 'RATE_LIMITED' || code === 'UNAVAILABLE') reply.header('retry-after', waitSeconds(error));
  // The next request may find another control plane of the farm that reaches the database.
  if (code === 'UNAVAILABLE' && context.replicas.outage !== null) reply.header('connection', 'close');
  // A body that nobody is going to read must not keep the connection busy.
  if (!request.raw.complete && announcesBody(request) && !reply.raw.headersSent)
    reply.header('connection', 'close');
  reply
    .code(status)
    .type('application/json; charset=utf-8')
    .send(JSON.stringify({ error: body }));
}

function waitSeconds({ details }: FlatrenderError): number {
  const waitMs = Number(details?.retryAfterMs ?? 0);
  return Math.max(1, Math.ceil(waitMs / 1000));
}

function announcesBody({ headers }: FastifyRequest): boolean {
  return headers['transfer-encoding'] !== undefined || Number(headers['content-length'] ?? 0) > 0;
}

const PATTERNS = Object.values(ROUTES).map(({ method, path }) => ({
  method: method as string,
  pattern: new RegExp(`^${path.replace(/:[a-z]+/g, '[^/]+').replace('*', '.+')}$`),
}));

/** What is wrong with a request that no route takes: its path, or only its method. */
export function noSuchRoute(method: string, url: string): { error: FlatrenderError; allow: string | null } {
  const path = url.split('?')[0] ?? '';
  const allowed = [
    ...new Set(PATTERNS.filter(({ pattern }) => pattern.test(path)).map((route) => route.method)),
  ];
  if (allowed.length === 0) {
    const shown = path.length > 200 ? `${path.slice(0, 200)}…` : path;
    const error = new FlatrenderError('ROUTE_NOT_FOUND', `there is nothing at ${JSON.stringify(shown)}`, {
      hint: 'see /openapi.json for what there is',
    });
    return { error, allow: null };
  }
  const allow = allowed.join(', ');
  return {
    error: new FlatrenderError('METHOD_NOT_ALLOWED', `${method} is not possible here, only ${allow}`),
    allow,
  };
}

/** Answers on a connection whose request was not even HTTP, or did not come in time. */
export function answerBrokenConnection(error: Error & { code?: string }, socket: Socket): void {
  // ECONNRESET: nobody is left to answer. Something was written already: a second answer would corrupt it.
  if (error.code === 'ECONNRESET' || !socket.writable || socket.bytesWritten > 0) {
    socket.destroy();
    return;
  }
  const refusal =
    error.code === 'HPE_HEADER_OVERFLOW'
      ? tooLarge('the headers are too large')
      : error.code === 'ERR_HTTP_REQUEST_TIMEOUT'
        ? new FlatrenderError('REQUEST_TIMEOUT', 'the request did not arrive in time')
        : new FlatrenderError('REQUEST_INVALID', 'this is not a valid HTTP request');
  refuse(socket, refusal);
}

/** Answers what Node would pass over in silence, or without a word of why. */
export function refuseOddities(server: Server): void {
  server.on('connect', (_, socket: Socket) => {
    socket.on('error', () => undefined);
    refuse(socket, new FlatrenderError('METHOD_NOT_ALLOWED', 'this is not a proxy'));
  });
  server.on('checkExpectation', (request, response) => {
    refuse(
      response.socket ?? request.socket,
      new FlatrenderError('REQUEST_INVALID', 'the only expectation that is met here is 100-continue'),
    );
  });
}

function refuse(socket: Socket, refusal: FlatrenderError): void {
  const body = JSON.stringify({ error: refusal.toBody() });
  socket.end(
    `HTTP/1.1 ${refusal.status} Refused\r\ncontent-type: application/json; charset=utf-8\r\ncontent-length: ${Buffer.byteLength(body)}\r\nconnection: close\r\n\r\n${body}`,
  );
}

function tooLarge(what = 'the body is too large'): FlatrenderError {
  return new FlatrenderError('REQUEST_TOO_LARGE', what, {
    hint: 'limits.bodyBytes in flatrender.yaml; files are uploaded with /v1/uploads, not inside requests',
  });
}
