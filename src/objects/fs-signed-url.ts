/** URLs of the fs store: whoever has one may do exactly one thing with one object until it expires. */
import { createHmac, hkdfSync, timingSafeEqual } from 'node:crypto';
import { FlatrenderError } from '../lib/errors.ts';
import { checkObjectKey } from './object-key.ts';

/** The longest life of an S3 presigned URL; the stores agree so that code written for one works with the other. */
const LONGEST_TTL_SECONDS = 7 * 24 * 3600;

export interface SignObjectUrl {
  /** The farm secret; the URL key is derived from it. */
  readonly secret: string;
  /** Scheme, host, port and optional path prefix, without `/objects`. */
  readonly baseUrl: string;
  readonly method: 'GET' | 'PUT';
  readonly key: string;
  /** Epoch milliseconds. */
  readonly now: number;
  /** 1 s to 7 days. */
  readonly ttlSeconds: number;
  /** PUT: the upload must have exactly this size and digest. */
  readonly sizeBytes?: number | undefined;
  readonly sha256?: string | undefined;
}

export interface VerifyObjectUrl {
  readonly secret: string;
  /** Method of the request; HEAD is allowed where GET is. */
  readonly method: string;
  /** What follows `/objects/` in the path, decoded. */
  readonly key: string;
  /** The parsed query; a repeated parameter (an array) is refused. */
  readonly query: Readonly<Record<string, unknown>>;
  /** Epoch milliseconds. */
  readonly now: number;
}

/** What a verified URL allows. */
export interface ObjectGrant {
  readonly method: 'GET' | 'PUT';
  readonly key: string;
  /** To be passed on to `put`, which enforces them. Undefined with GET. */
  readonly sizeBytes: number | undefined;
  readonly sha256: string | undefined;
}

/** `${baseUrl}/objects/<key>?method=…&expires=…[&size=…&sha256=…]&sig=…`; `expires` is in epoch seconds. */
export function signObjectUrl(request: SignObjectUrl): string {
  checkObjectKey(request.key);
  const { ttlSeconds } = request;
  if (!(ttlSeconds >= 1 && ttlSeconds <= LONGEST_TTL_SECONDS)) {
    throw new FlatrenderError('REQUEST_INVALID', `a URL cannot live for ${ttlSeconds} s: 1 s to 7 days`);
  }
  const expires = String(Math.ceil(request.now / 1000 + ttlSeconds));
  const size = request.sizeBytes === undefined ? undefined : String(request.sizeBytes);
  const signature = sign(request.secret, [request.method, request.key, expires, size, request.sha256]);
  const query = new URLSearchParams({ method: request.method, expires });
  if (size !== undefined) query.set('size', size);
  if (request.sha256 !== undefined) query.set('sha256', request.sha256);
  query.set('sig', signature.toString('base64url'));
  return `${request.baseUrl.replace(/\/+$/, '')}/objects/${request.key}?${query}`;
}

/**
 * What the URL allows. OBJECT_URL_INVALID when it was not signed with this secret, for another object or for another
 * method; OBJECT_URL_EXPIRED when its time is over. Compared in constant time.
 */
export function verifyObjectUrl(request: VerifyObjectUrl): ObjectGrant {
  const method = parameter(request.query, 'method');
  const expires = parameter(request.query, 'expires');
  const sig = parameter(request.query, 'sig');
  const size = parameter(request.query, 'size');
  const sha256 = parameter(request.query, 'sha256');
  if (method === undefined || expires === undefined || sig === undefined) throw invalid('is not signed');
  const claimed = Buffer.from(sig, 'base64url');
  const expected = sign(request.secret, [method, request.key, expires, size, sha256]);
  if (claimed.length !== expected.length || !timingSafeEqual(claimed, expected)) {
    throw invalid('has a wrong signature');
  }
  if (method !== 'GET' && method !== 'PUT') throw invalid('has a wrong signature');
  if (method !== (request.method === 'HEAD' ? 'GET' : request.method)) {
    throw invalid(`is for ${method}, not ${request.method}`);
  }
  const late = request.now - Number(expires) * 1000;
  if (late > 0) {
    const at = new Date(Number(expires) * 1000).toISOString();
    throw new FlatrenderError('OBJECT_URL_EXPIRED', `this object URL expired at ${at}`, {
      hint: 'ask for a new one; if that one is expired too, compare the clocks of the two machines',
    });
  }
  checkObjectKey(request.key);
  return { method, key: request.key, sizeBytes: size === undefined ? undefined : Number(size), sha256 };
}

function parameter(query: Readonly<Record<string, unknown>>, name: string): string | undefined {
  const value = query[name];
  if (value !== undefined && typeof value !== 'string') throw invalid(`has more than one ${name}`);
  return value;
}

function invalid(reason: string): FlatrenderError {
  return new FlatrenderError('OBJECT_URL_INVALID', `this object URL ${reason}`, {
    hint: 'use the URL unchanged, as the control plane gave it',
  });
}

function sign(secret: string, parts: readonly (string | undefined)[]): Buffer {
  // A JSON array cannot be read in two ways, whatever the parts contain.
  return createHmac('sha256', urlKey(secret))
    .update(JSON.stringify(parts.map((part) => part ?? null)))
    .digest();
}

let derived: { readonly secret: string; readonly key: Buffer } | undefined;

/** The farm secret also signs for nodes: each use has a key of its own, derived once. */
function urlKey(secret: string): Buffer {
  if (derived?.secret !== secret) {
    const key = Buffer.from(hkdfSync('sha256', secret, '', 'flatrender object urls v1', 32));
    derived = { secret, key };
  }
  return derived.key;
}
