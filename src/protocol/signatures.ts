/**
 * RFC 9421 (HTTP Message Signatures) in the one profile that nodes and the control plane use:
 * hmac-sha256 over a fixed list of components, label `sig1`, parameters created, nonce, keyid, alg.
 *
 *   request:  ("@method" "@path" "@query" "content-digest")
 *   answer:   ("@status" "content-digest"), with the nonce of the request it answers
 *
 * Content digests are RFC 9530, sha-256. A fixed profile leaves nothing to negotiate, so nothing to downgrade:
 * anything that is not exactly this shape is refused. Checked in tests against the RFC's own example and an
 * independent implementation.
 */
import { createHash, createHmac, hkdfSync, timingSafeEqual } from 'node:crypto';
import { FlatrenderError } from '../lib/errors.ts';

/** How far a node's clock may be off, seconds. */
export const CLOCK_TOLERANCE_SECONDS = 300;

const REQUEST_COMPONENTS = '("@method" "@path" "@query" "content-digest")';
const ANSWER_COMPONENTS = '("@status" "content-digest")';
const INPUT_FORM =
  /^sig1=(\("@(?:method" "@path" "@query|status)" "content-digest"\));created=(\d{1,12});nonce="([A-Za-z0-9_-]{16,64})";keyid="([a-z0-9][a-z0-9-]{0,62})";alg="hmac-sha256"$/;
const SIGNATURE_FORM = /^sig1=:([A-Za-z0-9+/]{43}=):$/;

/** The headers of a signed message. */
export interface SignatureHeaders {
  readonly 'content-digest': string;
  readonly 'signature-input': string;
  readonly signature: string;
}

/** What is signed of a request. `path` as sent (encoded), `query` without the question mark. */
export interface SignedRequest {
  readonly method: string;
  readonly path: string;
  readonly query: string;
}

/** The parameters of a signature, parsed but not yet believed. */
export interface SignatureParams {
  readonly created: number;
  readonly nonce: string;
  readonly keyId: string;
}

/**
 * A node's secret: HKDF-SHA256 of the farm secret for this node and generation, 32 bytes as base64url.
 * Nothing about it is stored; the next generation replaces it.
 */
export function deriveNodeSecret(farmSecret: Uint8Array, nodeId: string, generation: number): string {
  return Buffer.from(
    hkdfSync('sha256', farmSecret, 'flatrender node secret', `${nodeId}\n${generation}`, 32),
  ).toString('base64url');
}

/** RFC 9530 digest of a body. */
export function contentDigest(body: Uint8Array | string): string {
  return `sha-256=:${createHash('sha256').update(body).digest('base64')}:`;
}

/** Signs a request; `created` in epoch seconds, `nonce` fresh per request. */
export function signRequest(
  request: SignedRequest,
  body: Uint8Array | string,
  key: { readonly keyId: string; readonly secret: string },
  stamp: { readonly created: number; readonly nonce: string },
): SignatureHeaders {
  const digest = contentDigest(body);
  const params = paramsText(REQUEST_COMPONENTS, stamp.created, stamp.nonce, key.keyId);
  return finish(params, requestBase(request, digest, params), digest, key.secret);
}

/** Signs an answer to the request that carried `nonce`. */
export function signAnswer(
  status: number,
  body: Uint8Array | string,
  key: { readonly keyId: string; readonly secret: string },
  stamp: { readonly created: number; readonly nonce: string },
): SignatureHeaders {
  const digest = contentDigest(body);
  const params = paramsText(ANSWER_COMPONENTS, stamp.created, stamp.nonce, key.keyId);
  return finish(params, answerBase(status, digest, params), digest, key.secret);
}

type HeaderBag = Readonly<Record<string, string | readonly string[] | undefined>>;

/** Reads the signature headers of a request; SIGNATURE_MISSING or SIGNATURE_INVALID says what is wrong. */
export function parseRequestSignature(headers: HeaderBag): SignatureParams {
  return parse(headers, REQUEST_COMPONENTS);
}

/** Constant-time check of a request's signature over its headers; the body is checked with {@link digestMatches}. */
export function requestSignatureMatches(request: SignedRequest, headers: HeaderBag, secret: string): boolean {
  const input = String(headers['signature-input']).slice('sig1='.length);
  return macMatches(requestBase(request, String(headers['content-digest']), input), headers, secret);
}

/** Whether the body is the one that the (already verified) content-digest header speaks of. */
export function digestMatches(body: Uint8Array | string, headers: HeaderBag): boolean {
  const claimed = Buffer.from(String(headers['content-digest']));
  const actual = Buffer.from(contentDigest(body));
  return claimed.length === actual.length && timingSafeEqual(claimed, actual);
}

/**
 * Checks an answer to a signed request: same nonce, right secret, right body. ANSWER_UNSIGNED when the answer
 * does not prove that it comes from the control plane this node was enrolled with.
 */
export function verifyAnswer(
  answer: { readonly status: number; readonly headers: HeaderBag; readonly body: Uint8Array | string },
  expected: { readonly nonce: string; readonly secret: string },
): void {
  const why = whyNotOurs(answer, expected);
  if (why === null) return;
  throw new FlatrenderError(
    'ANSWER_UNSIGNED',
    `the answer (HTTP ${answer.status}) is not from this farm's control plane: ${why}`,
    { hint: 'check ORCHESTRATOR_URL, and NODE_HMAC_SECRET against "flatrender node add <id> --rotate"' },
  );
}

function whyNotOurs(
  answer: { readonly status: number; readonly headers: HeaderBag; readonly body: Uint8Array | string },
  expected: { readonly nonce: string; readonly secret: string },
): string | null {
  let params: SignatureParams;
  try {
    params = parse(answer.headers, ANSWER_COMPONENTS);
  } catch (error) {
    return error instanceof Error ? error.message : 'unreadable signature';
  }
  if (params.nonce !== expected.nonce) return 'it answers another request';
  const digest = String(answer.headers['content-digest']);
  const input = String(answer.headers['signature-input']).slice('sig1='.length);
  if (!macMatches(answerBase(answer.status, digest, input), answer.headers, expected.secret))
    return 'its signature is wrong';
  return digestMatches(answer.body, answer.headers) ? null : 'its body was changed';
}

function paramsText(components: string, created: number, nonce: string, keyId: string): string {
  return `${components};created=${created};nonce="${nonce}";keyid="${keyId}";alg="hmac-sha256"`;
}

// RFC 9421 section 2.5: one line per component, then the parameters; no line end after the last.
function requestBase(request: SignedRequest, digest: string, params: string): string {
  return `"@method": ${request.method}\n"@path": ${request.path}\n"@query": ?${request.query}\n"content-digest": ${digest}\n"@signature-params": ${params}`;
}

function answerBase(status: number, digest: string, params: string): string {
  return `"@status": ${status}\n"content-digest": ${digest}\n"@signature-params": ${params}`;
}

/** The signature of a signature base, as RFC 9421 section 3.3.3 computes it. */
export function mac(base: string, secret: string | Uint8Array): Buffer {
  return createHmac('sha256', secret).update(base).digest();
}

function finish(params: string, base: string, digest: string, secret: string): SignatureHeaders {
  return {
    'content-digest': digest,
    'signature-input': `sig1=${params}`,
    signature: `sig1=:${mac(base, secret).toString('base64')}:`,
  };
}

function macMatches(base: string, headers: HeaderBag, secret: string): boolean {
  const encoded = SIGNATURE_FORM.exec(String(headers.signature))?.[1];
  if (encoded === undefined) return false;
  const claimed = Buffer.from(encoded, 'base64');
  return claimed.length === 32 && timingSafeEqual(claimed, mac(base, secret));
}

function parse(headers: HeaderBag, components: string): SignatureParams {
  const input = headers['signature-input'];
  const signature = headers.signature;
  const digest = headers['content-digest'];
  for (const [name, value] of Object.entries({
    'signature-input': input,
    signature,
    'content-digest': digest,
  })) {
    if (value === undefined) throw new FlatrenderError('SIGNATURE_MISSING', `no ${name} header`);
    if (typeof value !== 'string')
      throw new FlatrenderError('SIGNATURE_INVALID', `more than one ${name} header`);
  }
  const match = INPUT_FORM.exec(String(input));
  if (match === null || match[1] !== components || !SIGNATURE_FORM.test(String(signature))) {
    throw new FlatrenderError(
      'SIGNATURE_INVALID',
      'the signature headers do not have the form that flatrender nodes send',
    );
  }
  return { created: Number(match[2]), nonce: String(match[3]), keyId: String(match[4]) };
}
