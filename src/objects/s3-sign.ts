/**
 * Presigned URLs by AWS Signature Version 4 (Amazon S3 API Reference, "Authenticating Requests: Using Query Parameters").
 * The minio client signs no header but Host into a URL; here the digest of an upload is signed as well, so that the
 * server takes those bytes and no others.
 */
import { createHash, createHmac } from 'node:crypto';
import { FlatrenderError } from '../lib/errors.ts';

/** The longest life that Signature Version 4 allows. */
const LONGEST_TTL_SECONDS = 7 * 24 * 3600;
const ALGORITHM = 'AWS4-HMAC-SHA256';

export interface S3Signer {
  readonly accessKey: string;
  readonly secretKey: string;
  readonly region: string;
}

export interface SignS3Url {
  readonly method: 'GET' | 'PUT';
  /** Scheme, host and path; every character of the path is one that needs no escape. */
  readonly url: URL;
  readonly query?: Readonly<Record<string, string>> | undefined;
  /** Lower-case names; whoever uses the URL sends them unchanged. */
  readonly headers?: Readonly<Record<string, string>> | undefined;
  /** sha256 of the body in hex, or anything. */
  readonly payload?: string | undefined;
  /** 1 s to 7 days. */
  readonly ttlSeconds: number;
  /** Epoch milliseconds. */
  readonly now: number;
}

/** A URL that does one thing with one object until it expires. REQUEST_INVALID when it is to live too long. */
export function signS3Url(request: SignS3Url, signer: S3Signer): string {
  const { ttlSeconds, url } = request;
  if (!(ttlSeconds >= 1 && ttlSeconds <= LONGEST_TTL_SECONDS)) {
    throw new FlatrenderError('REQUEST_INVALID', `a URL cannot live for ${ttlSeconds} s: 1 s to 7 days`);
  }
  const time = new Date(request.now).toISOString().replace(/[:-]|\.\d{3}/g, '');
  const scope = `${time.slice(0, 8)}/${signer.region}/s3/aws4_request`;
  const headers = Object.entries({ host: url.host, ...request.headers }).sort(byName);
  const names = headers.map(([name]) => name).join(';');
  const query = Object.entries({
    ...request.query,
    'X-Amz-Algorithm': ALGORITHM,
    'X-Amz-Credential': `${signer.accessKey}/${scope}`,
    'X-Amz-Date': time,
    'X-Amz-Expires': String(Math.floor(ttlSeconds)),
    'X-Amz-SignedHeaders': names,
  })
    .map(([name, value]) => [escaped(name), escaped(value)] as const)
    .sort(byName)
    .map(([name, value]) => `${name}=${value}`)
    .join('&');
  const canonical = [
    request.method,
    url.pathname,
    query,
    ...headers.map(([name, value]) => `${name}:${value.trim()}`),
    '',
    names,
    request.payload ?? 'UNSIGNED-PAYLOAD',
  ].join('\n');
  const digest = createHash('sha256').update(canonical).digest('hex');
  const signature = createHmac('sha256', signingKey(signer, time.slice(0, 8)))
    .update([ALGORITHM, time, scope, digest].join('\n'))
    .digest('hex');
  return `${url.origin}${url.pathname}?${query}&X-Amz-Signature=${signature}`;
}

function byName(a: readonly [string, string], b: readonly [string, string]): number {
  return a[0] < b[0] ? -1 : a[0] > b[0] ? 1 : 0;
}

/** As S3 escapes: everything but A-Z a-z 0-9 - . _ ~. */
function escaped(text: string): string {
  return encodeURIComponent(text).replace(
    /[!'()*]/g,
    (char) => `%${char.charCodeAt(0).toString(16).toUpperCase()}`,
  );
}

let derived: { readonly of: string; readonly key: Buffer } | undefined;

/** One key a day and region. */
function signingKey({ secretKey, region }: S3Signer, day: string): Buffer {
  const of = JSON.stringify([secretKey, region, day]);
  if (derived?.of === of) return derived.key;
  let key = createHmac('sha256', `AWS4${secretKey}`).update(day).digest();
  for (const part of [region, 's3', 'aws4_request']) key = createHmac('sha256', key).update(part).digest();
  derived = { of, key };
  return key;
}
