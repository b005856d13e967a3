/** What an answer of an object store, or of a proxy in front of it, means when it is no success. */
import type { Dispatcher } from 'undici';
import type { Clock } from '../lib/clock.ts';
import { FlatrenderError } from '../lib/errors.ts';
import { parseRetryAfter } from '../lib/retry.ts';
import { errorBodyOf } from './signed-http.ts';

/** The error of an answer that is no success: the store's own, or TRANSFER_FAILED with the status. */
export async function refusal(
  verb: string,
  url: string,
  answer: Dispatcher.ResponseData,
  clock: Clock,
): Promise<FlatrenderError> {
  const { statusCode, headers } = answer;
  const text = Buffer.from(await answer.body.arrayBuffer().catch(() => new ArrayBuffer(0)));
  const body = errorBodyOf(text);
  const retryAfterMs = parseRetryAfter(headers['retry-after'], clock.now());
  const details = {
    status: statusCode,
    ...body?.details,
    ...(retryAfterMs === undefined ? {} : { retryAfterMs }),
  };
  // S3 answers in XML: its code says more than the number.
  const reason = body?.message ?? /<Code>([^<]{1,100})<\/Code>/.exec(text.toString('utf8'))?.[1] ?? '';
  const hints: Readonly<Record<number, string>> = {
    403: 'the signed address may have expired: are the clocks right?',
    // Neither the control plane nor a store says so without a reason: it is a limit on the way (Cloudflare: 100 MB).
    413: 'a proxy in between refuses files of this size: set objects.publicUrl in flatrender.yaml to an address past it',
  };
  return new FlatrenderError(
    'TRANSFER_FAILED',
    `cannot ${verb} ${plainUrl(url)}: HTTP ${statusCode}${reason === '' ? '' : `, ${reason}`}`,
    {
      hint: body?.hint ?? hints[statusCode],
      retryable: statusCode >= 500 || statusCode === 429 || statusCode === 408,
      details: { ...details, ...(body ? { code: body.code } : {}) },
    },
  );
}

/** A signed URL as messages show it: without query, so without signature. */
export function plainUrl(url: string): string {
  const end = url.search(/[?#]/);
  return end < 0 ? url : url.slice(0, end);
}
