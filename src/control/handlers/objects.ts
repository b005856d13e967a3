/** Files of the embedded object store, by signed URLs: whoever has one may do what it says until it expires. */
import type { IncomingMessage } from 'node:http';
import { Readable } from 'node:stream';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { FlatrenderError } from '../../lib/errors.ts';
import type { ObjectGrant } from '../../objects/fs.ts';
import type { ByteRange, ObjectInfo } from '../../objects/object-store.ts';
import type { Control } from '../context.ts';
import type { Routes } from '../route.ts';

const TYPES: Readonly<Record<string, string>> = {
  mp4: 'video/mp4',
  mov: 'video/quicktime',
  webm: 'video/webm',
  gif: 'image/gif',
  png: 'image/png',
  zip: 'application/zip',
};

/** How long a refused upload may go on before the connection is cut. */
const LINGER_MS = 1000;

/** Registers the routes of objects; they read bodies as streams, of any content type. */
export function objectRoutes(routes: Routes, control: Control): void {
  routes.add('getObject', {
    answers: {
      200: { description: 'The object', type: 'application/octet-stream' },
      206: { description: 'A part of it', type: 'application/octet-stream' },
    },
    handle: ({ request, reply }) => getObject(control, request, reply),
  });
  routes.add('putObject', {
    answers: { 200: { description: 'Stored and verified' } },
    async handle({ request, reply }) {
      try {
        return await putObject(control, request, reply);
      } catch (error) {
        await readAway(request.raw, control);
        throw error;
      }
    },
  });
}

async function getObject(
  control: Control,
  request: FastifyRequest,
  reply: FastifyReply,
): Promise<FastifyReply> {
  const { key } = grantOf(control, request);
  const info = await control.objects.head(key);
  if (info === null) throw new FlatrenderError('OBJECT_NOT_FOUND', `there is no object ${key}`);
  describe(reply, info);
  const etag = etagOf(info);
  if (request.headers['if-none-match'] === etag) return reply.code(304).send();
  const range = rangeOf(request.headers, info, etag);
  if (range) reply.header('content-range', `bytes ${range.start}-${range.end}/${info.sizeBytes}`);
  reply.header('content-length', range ? range.end - range.start + 1 : info.sizeBytes);
  reply.code(range ? 206 : 200);
  if (request.method === 'HEAD') return reply.send();
  // Status and headers go out by Fastify, so that an error before the first byte is still a proper answer.
  return reply.send((await control.objects.get(key, range ?? undefined)).stream);
}

async function putObject(
  control: Control,
  request: FastifyRequest,
  reply: FastifyReply,
): Promise<FastifyReply> {
  const { key, sizeBytes, sha256 } = grantOf(control, request);
  const announced = request.headers['content-length'];
  if (announced !== undefined && sizeBytes !== undefined && Number(announced) !== sizeBytes) {
    throw new FlatrenderError('OBJECT_CORRUPT', `${key} is to have ${sizeBytes} bytes, not ${announced}`);
  }
  const ending = new AbortController();
  const body = request.raw;
  const stop = watchIdle(body, control, () =>
    ending.abort(new FlatrenderError('REQUEST_TIMEOUT', `the upload of ${key} stood still for too long`)),
  );
  const onClose = (): void => {
    if (!body.complete) ending.abort(new FlatrenderError('ABORTED', `the upload of ${key} was cut off`));
  };
  body.once('close', onClose);
  try {
    // A store that refuses destroys what it reads: not the connection, on which it is to be told why.
    const bytes = Readable.from(body.iterator({ destroyOnReturn: false }), { objectMode: false });
    const info = await control.objects.put(key, bytes, { sizeBytes, sha256, signal: ending.signal });
    control.uploads.note(key, info.sizeBytes);
    return reply.code(200).header('etag', etagOf(info)).type('application/json').send('{}');
  } finally {
    stop();
    body.off('close', onClose);
  }
}

/**
 * Lets a refused upload run dry for a moment. A connection that is closed with unread bytes is reset, and the reset
 * overtakes the answer that says why.
 */
function readAway(body: IncomingMessage, { clock }: Control): Promise<void> {
  if (body.complete || body.destroyed) return Promise.resolve();
  return new Promise((resolve) => {
    const cancel = clock.after(LINGER_MS, resolve);
    body.once('close', () => {
      cancel();
      resolve();
    });
    body.once('end', () => {
      cancel();
      resolve();
    });
    body.resume();
  });
}

function grantOf(control: Control, request: FastifyRequest): ObjectGrant {
  if (!control.verifyObjectUrl) throw new FlatrenderError('ROUTE_NOT_FOUND', 'objects are not served here');
  const { '*': key = '' } = request.params as { '*'?: string };
  const query = request.query as Readonly<Record<string, unknown>>;
  return control.verifyObjectUrl({ method: request.method, key, query, now: control.clock.now() });
}

/**
 * Calls back when no byte arrives for limits.uploadIdleSeconds. Looks at the socket's counter: a data listener would
 * start the stream before the store reads it.
 */
function watchIdle({ socket }: IncomingMessage, control: Control, onIdle: () => void): () => void {
  const idleMs = control.config.limits.uploadIdleSeconds * 1000;
  let seen = socket.bytesRead;
  let cancel = (): void => undefined;
  const arm = (): void => {
    cancel = control.clock.after(idleMs, () => {
      if (socket.bytesRead === seen) return onIdle();
      seen = socket.bytesRead;
      arm();
    });
  };
  arm();
  return () => cancel();
}

function describe(reply: FastifyReply, info: ObjectInfo): void {
  const extension = /\.([a-z0-9]+)$/.exec(info.key)?.[1] ?? '';
  reply.headers({
    'content-type': TYPES[extension] ?? 'application/octet-stream',
    'accept-ranges': 'bytes',
    etag: etagOf(info),
    'last-modified': new Date(info.modifiedAt).toUTCString(),
    // What is stored under a key never changes, and the URL is secret.
    'cache-control': 'private, immutable, max-age=86400',
    // Input files come from strangers: a browser must neither guess their type nor run them.
    'x-content-type-options': 'nosniff',
    'content-security-policy': "default-src 'none'; sandbox",
  });
}

function etagOf(info: ObjectInfo): string {
  return `"${info.sha256 ?? `${info.sizeBytes}-${info.modifiedAt}`}"`;
}

/** The one range a client asked for; null: everything. Several ranges are answered with everything (RFC 9110, 14.2). */
function rangeOf(
  headers: IncomingMessage['headers'],
  info: ObjectInfo,
  etag: string,
): (ByteRange & { readonly end: number }) | null {
  const match = /^bytes=(\d{0,15})-(\d{0,15})$/.exec(headers.range ?? '');
  if (!match || (match[1] === '' && match[2] === '')) return null;
  const ifRange = headers['if-range'];
  if (ifRange !== undefined && ifRange !== etag) return null;
  const last = info.sizeBytes - 1;
  const [start, end] =
    match[1] === ''
      ? [Math.max(0, info.sizeBytes - Number(match[2])), last]
      : [Number(match[1]), match[2] === '' ? last : Math.min(Number(match[2]), last)];
  if (start > last || end < start || (match[1] === '' && Number(match[2]) === 0)) {
    throw new FlatrenderError(
      'OBJECT_RANGE',
      `${info.key} has ${info.sizeBytes} bytes; ${headers.range} is not in it`,
      {
        details: { sizeBytes: info.sizeBytes },
      },
    );
  }
  return { start, end };
}
