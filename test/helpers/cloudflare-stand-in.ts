/**
 * What is between a node and the control plane when they meet through a Cloudflare Tunnel, as documented:
 * - HTTPS with HTTP/2 or 1.1 in front; HTTP/1.1 with kept connections to the service behind (cloudflared's http2Origin is off)
 * - Host stays; cf-connecting-ip, cf-ray, x-forwarded-for, x-forwarded-proto: https, accept-encoding: gzip, br are set
 *   (Cloudflare documentation, "HTTP request headers"); what belongs to one connection is not passed on (RFC 9110, 7.6.1)
 * - 413 for a larger request body (100 MB on small plans), 524 when no answer began in 100 s, 502 when nothing listens
 * - answers of types that compress are compressed for who accepts it, which weakens a strong etag
 * - request bodies may be buffered whole; event streams are not (cloudflared 2026.8.2, connection/connection.go: flushableContentTypes)
 */
import { once } from 'node:events';
import { Agent, type IncomingHttpHeaders, type IncomingMessage, request } from 'node:http';
import { createSecureServer, type Http2ServerRequest, type Http2ServerResponse } from 'node:http2';
import type { AddressInfo, Socket } from 'node:net';
import { Readable } from 'node:stream';
import { createGzip } from 'node:zlib';
import type { Certificate } from './certificate.ts';

export interface PassedRequest {
  readonly method: string;
  /** Without the query, which may carry a signature. */
  readonly path: string;
  readonly httpVersion: string;
  /** null while it waits for the answer to begin. */
  status: number | null;
  bodyBytes: number;
}

export interface CloudflareStandIn extends AsyncDisposable {
  /** `https://localhost:port`. */
  readonly url: string;
  /** Everything that came by, oldest first. */
  readonly passed: readonly PassedRequest[];
  /** What applies to the next requests. */
  limits: { uploadBytes: number; answerMs: number };
}

const OF_ONE_CONNECTION = new Set([
  'connection',
  'keep-alive',
  'proxy-connection',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
  'expect',
]);
const COMPRESSIBLE = /^(application\/json|text\/(plain|html|css)|application\/javascript)/;

/** Starts one in front of `target` (http://127.0.0.1:port). */
export async function startCloudflareStandIn(
  target: string,
  certificate: Certificate,
): Promise<CloudflareStandIn> {
  const agent = new Agent({ keepAlive: true, timeout: 60_000 });
  const passed: PassedRequest[] = [];
  const state = { limits: { uploadBytes: 100_000_000, answerMs: 100_000 } };
  const server = createSecureServer({ ...certificate, allowHTTP1: true }, (incoming, outgoing) => {
    const entry: PassedRequest = {
      method: incoming.method,
      path: incoming.url.split('?', 1)[0] ?? '',
      httpVersion: incoming.httpVersion,
      status: null,
      bodyBytes: 0,
    };
    passed.push(entry);
    outgoing.on('error', () => undefined);
    pass({ incoming, outgoing, target: new URL(target), agent, entry, ...state.limits }).catch(() =>
      outgoing.stream?.destroy(),
    );
  });
  const sockets = new Set<Socket>();
  server.on('connection', (socket: Socket) => {
    sockets.add(socket);
    socket.on('close', () => sockets.delete(socket));
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    url: `https://localhost:${(server.address() as AddressInfo).port}`,
    passed,
    get limits() {
      return state.limits;
    },
    set limits(limits) {
      state.limits = limits;
    },
    async [Symbol.asyncDispose]() {
      agent.destroy();
      for (const socket of sockets) socket.destroy();
      server.close();
      await once(server, 'close');
    },
  };
}

interface Passing {
  readonly incoming: Http2ServerRequest;
  readonly outgoing: Http2ServerResponse;
  readonly target: URL;
  readonly agent: Agent;
  readonly entry: PassedRequest;
  readonly uploadBytes: number;
  readonly answerMs: number;
}

async function pass(passing: Passing): Promise<void> {
  const { incoming, outgoing, target, agent, entry, uploadBytes, answerMs } = passing;
  const body: Buffer[] = [];
  if (Number(incoming.headers['content-length'] ?? 0) > uploadBytes)
    return refuse(passing, 413, 'Payload Too Large');
  for await (const chunk of incoming) {
    body.push(chunk);
    entry.bodyBytes += chunk.length;
    if (entry.bodyBytes > uploadBytes) return refuse(passing, 413, 'Payload Too Large');
  }
  const origin = request({
    host: target.hostname,
    port: target.port,
    method: incoming.method,
    path: incoming.url,
    headers: headersToOrigin(incoming, entry.bodyBytes),
    agent,
  });
  const timer = setTimeout(() => origin.destroy(new Error('524')), answerMs);
  outgoing.on('close', () => {
    clearTimeout(timer);
    origin.destroy();
  });
  origin.end(Buffer.concat(body));
  try {
    const [answer] = (await once(origin, 'response')) as [IncomingMessage];
    clearTimeout(timer);
    origin.on('error', () => undefined);
    respond(passing, answer);
  } catch (error) {
    origin.on('error', () => undefined);
    if (error instanceof Error && error.message === '524') refuse(passing, 524, 'A timeout occurred');
    else refuse(passing, 502, 'Bad gateway');
  }
}

function headersToOrigin(incoming: Http2ServerRequest, bodyBytes: number): Record<string, string | string[]> {
  const headers: Record<string, string | string[]> = {};
  for (const [name, value] of Object.entries(incoming.headers)) {
    if (value !== undefined && !name.startsWith(':') && !OF_ONE_CONNECTION.has(name)) headers[name] = value;
  }
  const hasBody = bodyBytes > 0 || incoming.headers['content-length'] !== undefined;
  return {
    ...headers,
    host: incoming.headers.host ?? incoming.authority,
    ...(hasBody ? { 'content-length': String(bodyBytes) } : {}),
    'accept-encoding': 'gzip, br',
    'cdn-loop': 'cloudflare; loops=1',
    'cf-connecting-ip': '198.51.100.7',
    'cf-ipcountry': 'XX',
    'cf-ray': '8f0000000000abcd-TST',
    'cf-visitor': '{"scheme":"https"}',
    'x-forwarded-for': '198.51.100.7',
    'x-forwarded-proto': 'https',
  };
}

function respond({ incoming, outgoing, entry }: Passing, answer: IncomingMessage): void {
  const headers: IncomingHttpHeaders = {};
  for (const [name, value] of Object.entries(answer.headers))
    if (!OF_ONE_CONNECTION.has(name)) headers[name] = value;
  const isCompressed =
    COMPRESSIBLE.test(answer.headers['content-type'] ?? '') &&
    answer.headers['content-encoding'] === undefined &&
    /\bgzip\b/.test(String(incoming.headers['accept-encoding'] ?? ''));
  if (isCompressed) {
    delete headers['content-length'];
    headers['content-encoding'] = 'gzip';
    if (headers.etag?.startsWith('"')) headers.etag = `W/${headers.etag}`;
  }
  entry.status = answer.statusCode ?? 0;
  outgoing.writeHead(entry.status, { ...headers, ...OWN_HEADERS });
  // An event stream has no bytes for a while: its headers must not wait for them.
  if (answer.headers['content-length'] === undefined) outgoing.write('');
  answer.on('error', () => outgoing.destroy());
  answer.on('aborted', () => outgoing.destroy());
  (isCompressed ? answer.pipe(createGzip()) : answer).pipe(outgoing as unknown as NodeJS.WritableStream);
}

const OWN_HEADERS = { server: 'cloudflare', 'cf-ray': '8f0000000000abcd-TST', 'cf-cache-status': 'DYNAMIC' };

function refuse({ incoming, outgoing, entry }: Passing, status: number, title: string): void {
  entry.status = status;
  outgoing.writeHead(status, { ...OWN_HEADERS, 'content-type': 'text/html; charset=UTF-8' });
  Readable.from([`<html><head><title>${status} ${title}</title></head><body>cloudflare</body></html>`]).pipe(
    outgoing as unknown as NodeJS.WritableStream,
  );
  incoming.resume();
}
