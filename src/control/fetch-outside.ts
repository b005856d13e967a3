/** A file of the network, fetched for somebody else: each hop is checked, and the address that was checked is called. */
import { once } from 'node:events';
import { request as http, type IncomingMessage } from 'node:http';
import { request as https } from 'node:https';
import { FlatrenderError } from '../lib/errors.ts';
import {
  hostOf,
  type OutsidePolicy,
  type OutsideRule,
  type Resolve,
  resolveOutside,
  withoutSecrets,
} from '../lib/public-address.ts';

export interface FetchOutside {
  readonly url: URL;
  readonly policy: OutsidePolicy;
  readonly maxBytes: number;
  readonly signal: AbortSignal;
  readonly resolve?: Resolve | undefined;
}

export interface OutsideFile {
  /** Where it was in the end. */
  readonly url: URL;
  /** Without parameters, in lower case; empty: not said. */
  readonly contentType: string;
  /** Rejects with REQUEST_TOO_LARGE after `maxBytes`, and when fewer bytes came than were announced. */
  readonly bytes: AsyncIterable<Buffer>;
}

const REDIRECTS = 5;

/**
 * Opens a file. REQUEST_INVALID (`details.rule`) when an address may not be called, REQUEST_TOO_LARGE, TRANSFER_FAILED
 * when the server does not have it. Neither cookies nor credentials are sent, to nobody.
 */
export async function fetchOutside(options: FetchOutside): Promise<OutsideFile> {
  const { maxBytes, signal } = options;
  let { url } = options;
  for (let hop = 0; ; hop += 1) {
    const response = await openOnce(url, options);
    const { statusCode: status = 0, headers } = response;
    if (status === 200) {
      return {
        url,
        contentType: (headers['content-type'] ?? '').split(';')[0]?.trim().toLowerCase() ?? '',
        bytes: bytesOf(url, response, maxBytes, signal),
      };
    }
    response.destroy();
    const shown = withoutSecrets(url);
    if (![301, 302, 303, 307, 308].includes(status) || headers.location === undefined) {
      throw new FlatrenderError('TRANSFER_FAILED', `${shown} answered ${status}`, {
        retryable: status >= 500 || status === 429,
      });
    }
    if (hop === REDIRECTS) {
      throw new FlatrenderError('TRANSFER_FAILED', `${shown} redirects more than ${REDIRECTS} times`, {
        retryable: false,
      });
    }
    const next = URL.parse(headers.location, url);
    if (next === null) throw refused(url, 'it redirects to what is no address', 'scheme');
    if (url.protocol === 'https:' && next.protocol === 'http:') {
      throw refused(url, `it redirects from https to ${withoutSecrets(next)}`, 'scheme');
    }
    url = next;
  }
}

async function openOnce(url: URL, { policy, signal, resolve }: FetchOutside): Promise<IncomingMessage> {
  let request: ReturnType<typeof http> | undefined;
  try {
    const found = await resolveOutside(url, policy, signal, resolve);
    if ('refused' in found) throw refused(url, found.refused, found.rule);
    const [first] = found.addresses;
    request = (url.protocol === 'https:' ? https : http)(url, {
      headers: { accept: '*/*', 'accept-encoding': 'identity', 'user-agent': 'flatrender' },
      signal,
      agent: false,
      maxHeaderSize: 16_384,
      lookup: (_, { all }, callback) =>
        all ? callback(null, [...found.addresses]) : callback(null, first?.address ?? '', first?.family ?? 4),
    });
    request.on('error', () => undefined); // also after the answer; `once` below reports what comes before it
    request.end();
    const [response] = (await once(request, 'response')) as [IncomingMessage];
    return response;
  } catch (error) {
    request?.destroy();
    if (signal.aborted || error instanceof FlatrenderError) throw error;
    throw failed(url, error);
  }
}

async function* bytesOf(
  url: URL,
  response: IncomingMessage,
  maxBytes: number,
  signal: AbortSignal,
): AsyncGenerator<Buffer> {
  const shown = withoutSecrets(url);
  try {
    const encoding = response.headers['content-encoding'] ?? 'identity';
    if (encoding !== 'identity') {
      throw new FlatrenderError('TRANSFER_FAILED', `${shown} comes packed (${encoding}), unasked`, {
        retryable: false,
      });
    }
    const announced = Number(response.headers['content-length'] ?? 0);
    if (announced > maxBytes) throw tooLarge(shown, `has ${announced} bytes`, maxBytes);
    let count = 0;
    for await (const chunk of response as AsyncIterable<Buffer>) {
      count += chunk.length;
      if (count > maxBytes) throw tooLarge(shown, 'has more', maxBytes);
      yield chunk;
    }
  } catch (error) {
    if (signal.aborted) throw signal.reason;
    throw error instanceof FlatrenderError ? error : failed(url, error);
  } finally {
    response.destroy();
  }
}

function refused(url: URL, why: string, rule: OutsideRule): FlatrenderError {
  return new FlatrenderError('REQUEST_INVALID', `${withoutSecrets(url)}: ${why}`, {
    details: { rule, host: hostOf(url) },
  });
}

function tooLarge(shown: string, what: string, maxBytes: number): FlatrenderError {
  return new FlatrenderError('REQUEST_TOO_LARGE', `${shown} ${what}; at most ${maxBytes} bytes are fetched`);
}

function failed(url: URL, cause: unknown): FlatrenderError {
  const code = cause instanceof Error && 'code' in cause ? String(cause.code) : '';
  const why = WHY[code] ?? (cause instanceof Error ? cause.message : String(cause));
  return new FlatrenderError('TRANSFER_FAILED', `${withoutSecrets(url)}: ${why}`, { cause });
}

const WHY: Readonly<Record<string, string>> = {
  ENOTFOUND: 'there is no host of this name',
  EAI_AGAIN: 'the name service does not answer',
  ECONNREFUSED: 'nothing answers there (connection refused)',
  ECONNRESET: 'the connection was cut',
  ETIMEDOUT: 'nothing answers there (timeout)',
};
