/** One call of a webhook. */
import { once } from 'node:events';
import { request as http, type IncomingMessage } from 'node:http';
import { request as https } from 'node:https';
import { FlatrenderError } from '../lib/errors.ts';
import {
  hostOf,
  type OutsidePolicy,
  type RefusedTarget,
  refusedAtSight,
  resolveOutside,
} from '../lib/public-address.ts';

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

/** Posts to the addresses that the policy allows. Redirects are not followed. */
export function webhookPoster(policy: OutsidePolicy): PostWebhook {
  return async ({ url, body, headers, timeoutMs, signal }) => {
    const limit = AbortSignal.any([signal, AbortSignal.timeout(timeoutMs)]);
    try {
      return await postOnce(url, body, headers, policy, limit);
    } catch (error) {
      if (signal.aborted || !limit.aborted) throw error;
      throw new Error(`no answer within ${timeoutMs / 1000} s`, { cause: error });
    }
  };
}

/** Refuses an address that would never be called, as far as that can be seen without resolving its name. */
export function checkWebhook(url: string, policy: OutsidePolicy): void {
  const target = new URL(url);
  const refused = refusedAtSight(target, policy);
  if (refused !== null) throw notCalled(target, { ...refused, refused: `webhook: ${refused.refused}` });
}

function notCalled(target: URL, { refused, rule }: RefusedTarget): FlatrenderError {
  const host = hostOf(target);
  return new FlatrenderError('REQUEST_INVALID', refused, {
    hint:
      rule === 'private'
        ? `webhooks.allowHosts: [${host}] in flatrender.yaml permits it, webhooks.allowPrivate every private address`
        : rule === 'port' || rule === 'closed'
          ? `webhooks.allowHosts: [${host}] in flatrender.yaml permits it`
          : 'give an address of the form https://example.com/done',
  });
}

/** node:http rather than fetch: the address that was checked is the one that is connected to. */
async function postOnce(
  url: string,
  body: string,
  headers: PostRequest['headers'],
  policy: OutsidePolicy,
  signal: AbortSignal,
): Promise<PostAnswer> {
  const target = new URL(url);
  const found = await resolveOutside(target, policy, signal);
  if ('refused' in found) throw notCalled(target, found);
  const { addresses } = found;
  const [first] = addresses;
  const request = (target.protocol === 'https:' ? https : http)(target, {
    method: 'POST',
    headers: { ...headers, 'content-length': Buffer.byteLength(body) },
    signal,
    agent: false,
    lookup: (_, { all }, callback) =>
      all ? callback(null, [...addresses]) : callback(null, first?.address ?? '', first?.family ?? 4),
  });
  request.on('error', () => undefined); // also after the answer; `once` below reports what comes before it
  request.end(body);
  const [response] = (await once(request, 'response')) as [IncomingMessage];
  // What it says does not matter; reading it would let the receiver keep us busy.
  response.destroy();
  return { status: response.statusCode ?? 0, retryAfter: response.headers['retry-after'] };
}
