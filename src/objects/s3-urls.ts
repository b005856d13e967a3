/** Signed addresses of one bucket, and what the server does with an upload by such an address. */
import { randomUUID } from 'node:crypto';
import { FlatrenderError } from '../lib/errors.ts';
import { type DigestCheck, findDigestCheck, signedDigest } from './s3-digests.ts';
import { s3CodeIn } from './s3-errors.ts';
import type { S3ObjectStoreOptions, S3Server } from './s3-server.ts';
import { signS3Url } from './s3-sign.ts';

const PROBE_MS = 10_000;
const PROBE_SECONDS = 300;
// Until then every upload is read once: no harm, but work.
const PROBE_AGAIN_MS = 60_000;

/** Signs without asking the server, but for the first upload: see {@link digestCheck}. */
export class S3Urls {
  /** The addresses name this very machine. */
  readonly isLocalOnly: boolean;
  readonly #options: S3ObjectStoreOptions;
  readonly #server: S3Server;
  readonly #own: URL;
  readonly #shown: URL;
  #digestCheck: Promise<DigestCheck> | undefined;
  /** When the server is asked again because it could not be told; epoch milliseconds. */
  #probeAgainAt = Number.POSITIVE_INFINITY;

  constructor(options: S3ObjectStoreOptions, server: S3Server) {
    const shown = options.presignEndpoint ?? options.endpoint;
    this.#options = options;
    this.#server = server;
    this.#own = bucketUrl(options.endpoint, options);
    this.#shown = bucketUrl(shown, options);
    this.isLocalOnly = isLoopback(new URL(shown).hostname);
  }

  /** What the server compares when a file arrives; found out once. `none`, too, for a while, when that cannot be told. */
  digestCheck(): Promise<DigestCheck> {
    if (this.#options.clock.now() >= this.#probeAgainAt) this.#digestCheck = undefined;
    this.#digestCheck ??= this.#findDigestCheck();
    return this.#digestCheck;
  }

  sign(
    method: 'GET' | 'PUT',
    key: string,
    ttlSeconds: number,
    more: {
      readonly query?: Readonly<Record<string, string>>;
      readonly headers?: Readonly<Record<string, string>>;
      readonly payload?: string | undefined;
      readonly base?: URL;
    } = {},
  ): string {
    const { base = this.#shown, ...rest } = more;
    const url = new URL(base);
    url.pathname = `${base.pathname}${key}`;
    return signS3Url({ method, url, ttlSeconds, now: this.#options.clock.now(), ...rest }, this.#options);
  }

  async #findDigestCheck(): Promise<DigestCheck> {
    this.#probeAgainAt = Number.POSITIVE_INFINITY;
    const key = `check/${randomUUID()}`;
    try {
      const found = await this.#server.call('try an upload', () =>
        findDigestCheck(async (check, sha256, body) => {
          const { headers, payload } = signedDigest(check, sha256);
          const url = this.sign('PUT', key, PROBE_SECONDS, { headers, payload, base: this.#own });
          const signal = AbortSignal.timeout(PROBE_MS);
          const answer = await fetch(url, { method: 'PUT', headers, body, signal }).catch(
            (error: unknown) => {
              throw error instanceof TypeError && error.cause instanceof Error ? error.cause : error;
            },
          );
          const { status } = answer;
          const code = s3CodeIn(await answer.text());
          if (isBusy(status))
            throw new FlatrenderError('UNAVAILABLE', `HTTP ${status}`, { details: { status } });
          return { status, code };
        }),
      );
      return found ?? this.#notToldYet();
    } catch (error) {
      // It is there; whether it is still busy when a file comes is another matter.
      if (error instanceof FlatrenderError && isBusy(error.details?.status)) return this.#notToldYet();
      this.#digestCheck = undefined;
      throw error;
    } finally {
      await this.#server.client.removeObject(this.#options.bucket, key).catch(() => undefined);
    }
  }

  #notToldYet(): DigestCheck {
    this.#probeAgainAt = this.#options.clock.now() + PROBE_AGAIN_MS;
    return 'none';
  }
}

/** Statuses that another try may cure. */
function isBusy(status: unknown): boolean {
  return typeof status === 'number' && (status === 408 || status === 429 || status === 499 || status >= 500);
}

/** What keys are appended to. */
function bucketUrl(endpoint: string, options: S3ObjectStoreOptions): URL {
  const url = new URL(endpoint);
  const { bucket, pathStyle } = options;
  if (pathStyle) url.pathname = `/${bucket}/`;
  else url.hostname = `${bucket}.${url.hostname}`;
  return url;
}

function isLoopback(hostname: string): boolean {
  return hostname === 'localhost' || hostname === '[::1]' || hostname.startsWith('127.');
}
