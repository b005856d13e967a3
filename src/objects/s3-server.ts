/** The S3 server as the store calls it: the client, its errors in words, and what may pass tried again. */
import type { Agent } from 'node:http';
import { PassThrough, type Readable } from 'node:stream';
import { Client } from 'minio';
import type { Clock } from '../lib/clock.ts';
import { FlatrenderError } from '../lib/errors.ts';
import { retry } from '../lib/retry.ts';
import { isMistake, type S3Place, s3Error, wasFinal, wasMissing } from './s3-errors.ts';
import type { S3Parts } from './s3-multipart.ts';
import { createS3Transport } from './s3-transport.ts';

// A call that failed because a connection was cut or the server was busy. With the pauses some seconds in all.
const TRIES = 4;
const STREAM_BYTES = 1024 * 1024;

export interface S3ObjectStoreOptions {
  /** Scheme, host and port that the control plane itself uses. */
  readonly endpoint: string;
  /** Scheme, host and port in signed URLs: what nodes and clients reach. Default: `endpoint`. */
  readonly presignEndpoint?: string | undefined;
  readonly region: string;
  readonly bucket: string;
  readonly accessKey: string;
  readonly secretKey: string;
  /** `https://host/bucket/key` rather than `https://bucket.host/key`. */
  readonly pathStyle: boolean;
  /** Files larger than this go up in parts of this size; at least 5 MiB, as S3 demands. */
  readonly partBytes: number;
  /** Make the bucket when it is not there. */
  readonly createBucket: boolean;
  readonly clock: Clock;
}

/** The client, with what it does not show. */
class PartsClient extends Client {
  parts(bucket: string, key: string, uploadId: string) {
    return this.listParts(bucket, key, uploadId);
  }
}

/** One server and bucket. */
export class S3Server {
  readonly client: Client;
  readonly parts: S3Parts;
  readonly #place: S3Place;
  readonly #clock: Clock;
  readonly #closing = new AbortController();
  readonly #agent: Agent;

  constructor(options: S3ObjectStoreOptions) {
    const { endpoint, region, bucket, accessKey, secretKey, pathStyle, partBytes } = options;
    this.#clock = options.clock;
    this.#place = { endpoint, bucket, region, accessKey };
    const url = new URL(endpoint);
    const isTls = url.protocol === 'https:';
    const { transport, agent } = createS3Transport(isTls);
    const client = new PartsClient({
      endPoint: url.hostname.replace(/^\[|\]$/g, ''),
      port: url.port === '' ? (isTls ? 443 : 80) : Number(url.port),
      useSSL: isTls,
      accessKey,
      secretKey,
      // Without it the client asks the server before it signs.
      region,
      pathStyle,
      partSize: partBytes,
      transport,
      transportAgent: agent,
      retryOptions: { disableRetry: true },
    });
    this.#agent = agent;
    this.client = client;
    this.parts = partsOf(client, bucket);
  }

  /** Whatever is about to be tried again is not. */
  close(): void {
    this.#closing.abort(new FlatrenderError('ABORTED', 'the object store was closed'));
    this.#agent.destroy();
  }

  /** The same bytes; when they break off, the error says so in words. */
  inWords(answer: Readable, what: string): Readable {
    const stream = new PassThrough({ highWaterMark: STREAM_BYTES });
    answer.once('error', (error) => stream.destroy(s3Error(error, this.#place, what)));
    stream.once('close', () => answer.destroy());
    return answer.pipe(stream);
  }

  /** Calls the server; what may pass (a connection that was cut, a busy server) is tried again. */
  async call<T>(what: string, work: () => Promise<T>): Promise<T> {
    return await retry(
      async () => {
        try {
          return await work();
        } catch (error) {
          throw s3Error(error, this.#place, what);
        }
      },
      {
        clock: this.#clock,
        signal: this.#closing.signal,
        tries: TRIES,
        isRetryable: (error) =>
          error instanceof FlatrenderError &&
          error.code === 'UNAVAILABLE' &&
          !isMistake(error) &&
          !wasMissing(error) &&
          !wasFinal(error),
      },
    );
  }
}

function partsOf(client: PartsClient, bucket: string): S3Parts {
  return {
    begin: (key, headers) => client.initiateNewMultipartUpload(bucket, key, headers),
    async send(key, uploadId, part, bytes) {
      const config = {
        bucketName: bucket,
        objectName: key,
        uploadID: uploadId,
        partNumber: part,
        headers: {},
      };
      return (await client.uploadPart(config, bytes)).etag;
    },
    parts: (key, uploadId) => client.parts(bucket, key, uploadId),
    async complete(key, uploadId, parts) {
      await client.completeMultipartUpload(bucket, key, uploadId, [...parts]);
    },
    abort: (key, uploadId) => client.abortMultipartUpload(bucket, key, uploadId),
    unfinished: (prefix, after) =>
      client.listIncompleteUploadsQuery(bucket, prefix, after.key, after.uploadId, ''),
  };
}
