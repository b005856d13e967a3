/** One call of a webhook. */
import { lookup } from 'node:dns/promises';
import { once } from 'node:events';
import { request as http, type IncomingMessage } from 'node:http';
import { request as https } from 'node:https';
import { isIP } from 'node:net';
import { untilAborted } from '../lib/abort.ts';
import { FlatrenderError } from '../lib/errors.ts';
import { isPrivateAddress } from './webhooks.ts';

export interface PostRequest {
  readonly url: string;
  readonly body: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly timeoutMs: number;
  readonly signal: AbortSignal;
}

export interface PostAnswer {
  readonly status: number;
  readonly retryAfter: string | undefined;
}

/**
 * Posts; what was answered. Rejects with a FlatrenderError when the address may not be called, with any other error when
 * it did not answer in time.
 */
export type PostWebhook = (request: PostRequest) => Promise<PostAnswer>;

/** Posts to addresses of the public internet, or to any (`allowPrivate`). Redirects are not followed. */
export function webhookPoster(allowPrivate: boolean): PostWebhook {
  return async ({ url, body, headers, timeoutMs, signal }) => {
    const limit = AbortSignal.any([signal, AbortSignal.timeout(timeoutMs)]);
    try {
      return await postOnce(url, body, headers, allowPrivate, limit);
    } catch (error) {
      if (signal.aborted || !limit.aborted) throw error;
      throw new Error(`no answer within ${timeoutMs / 1000} s`, { cause: error });
    }
  };
}

/** node:http rather than fetch: the address that was checked is the one that is connected to. */
async function postOnce(
  url: string,
  body: string,
  headers: PostRequest['headers'],
  allowPrivate: boolean,
  signal: AbortSignal,
): Promise<PostAnswer> {
  const { protocol, hostname } = new URL(url);
  const host = hostname.replace(/^\[|\]$/g, '');
  const addresses = isIP(host)
    ? [{ address: host, family: isIP(host) }]
    : // A resolver that does not answer can be left waiting, but not interrupted.
      await untilAborted(lookup(host, { all: true }), signal);
  const refused = allowPrivate ? undefined : addresses.find(({ address }) => isPrivateAddress(address));
  if (refused) {
    throw new FlatrenderError(
      'REQUEST_INVALID',
      `${refused.address} is a private address; webhooks.allowPrivate in flatrender.yaml permits it`,
    );
  }
  const [first] = addresses;
  const request = (protocol === 'https:' ? https : http)(url, {
    method: 'POST',
    headers: { ...headers, 'content-length': Buffer.byteLength(body) },
    signal,
    agent: false,
    lookup: (_, { all }, callback) =>
      all ? callback(null, addresses) : callback(null, first?.address ?? '', first?.family ?? 4),
  });
  request.on('error', () => undefined); // also after the answer; `once` below reports what comes before it
  request.end(body);
  const [response] = (await once(request, 'response')) as [IncomingMessage];
  // What it says does not matter; reading it would let the receiver keep us busy.
  response.destroy();
  return { status: response.statusCode ?? 0, retryAfter: response.headers['retry-after'] };
}
