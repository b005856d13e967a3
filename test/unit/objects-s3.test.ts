import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { createServer } from 'node:http';
import { buffer } from 'node:stream/consumers';
import { test } from 'node:test';
import fc from 'fast-check';
import { Client } from 'minio';
import { systemClock } from '../../src/lib/clock.ts';
import { createS3ObjectStore } from '../../src/objects/s3.ts';
import {
  type DigestCheck,
  findDigestCheck,
  signedDigest,
  type TryUpload,
  type UploadVerdict,
} from '../../src/objects/s3-digests.ts';
import { isMistake, s3Error } from '../../src/objects/s3-errors.ts';
import { signS3Url } from '../../src/objects/s3-sign.ts';

test('an address is signed as in the example of the Amazon S3 API Reference', () => {
  // "Authenticating Requests: Using Query Parameters (AWS Signature Version 4)", An Example.
  const url = signS3Url(
    {
      method: 'GET',
      url: new URL('https://examplebucket.s3.amazonaws.com/test.txt'),
      ttlSeconds: 86_400,
      now: Date.UTC(2013, 4, 24),
    },
    {
      accessKey: 'AKIAIOSFODNN7EXAMPLE',
      secretKey: 'wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY',
      region: 'us-east-1',
    },
  );
  assert.equal(
    new URL(url).searchParams.get('X-Amz-Signature'),
    'aeeed9bbccd4d02ee5c0109b86d86835f995330da4c265957d157751f604d404',
  );
});

test('whatever the key, the query and the time, an address is the one that the minio client signs', async () => {
  const key = fc.stringMatching(/^[A-Za-z0-9][A-Za-z0-9._-]{0,20}(\/[A-Za-z0-9_-]{1,20}){0,3}$/);
  const text = fc.string({ minLength: 1, maxLength: 20 });
  await fc.assert(
    fc.asyncProperty(
      key,
      text,
      fc.integer({ min: 1, max: 604_800 }),
      fc.integer({ min: 1.5e12, max: 2e12 }),
      fc.constantFrom('us-east-1', 'eu-central-1', 'garage'),
      async (name, uploadId, ttlSeconds, now, region) => {
        const keys = { accessKey: 'key1', secretKey: 'secret/with+signs' };
        const client = new Client({ endPoint: 'files.local', port: 9000, useSSL: false, region, ...keys });
        const query = { partNumber: '7', uploadId };
        const theirs = new URL(
          await client.presignedUrl('PUT', 'films', name, ttlSeconds, query, new Date(now)),
        );
        const url = new URL(`http://files.local:9000/films/${name}`);
        const ours = new URL(signS3Url({ method: 'PUT', url, query, ttlSeconds, now }, { region, ...keys }));
        assert.equal(ours.pathname, theirs.pathname);
        assert.deepEqual(
          [...ours.searchParams].sort().map(String),
          [...theirs.searchParams].sort().map(String),
        );
      },
    ),
    { numRuns: 50 },
  );
});

/** A server that compares the content with one of the headers, and refuses it with this code. */
function comparing(compares: DigestCheck, code: string): TryUpload {
  return async (check, sha256, body) => {
    const isRight = createHash('sha256').update(body).digest('hex') === sha256;
    // One that does not know the signed hash of a body finds another signature.
    if (check === 'payload' && compares === 'checksum') return { status: 403, code: 'SignatureDoesNotMatch' };
    return compares === check && !isRight ? { status: 400, code } : TAKEN;
  };
}

const TAKEN: UploadVerdict = { status: 200, code: '' };

test('the server that compares nothing is found out, and one that compares by either header', async () => {
  assert.equal(await findDigestCheck(comparing('payload', 'XAmzContentSHA256Mismatch')), 'payload');
  assert.equal(await findDigestCheck(comparing('checksum', 'InvalidDigest')), 'checksum');
  assert.equal(await findDigestCheck(comparing('checksum', 'BadDigest')), 'checksum');
  assert.equal(await findDigestCheck(comparing('none', '')), 'none');
  assert.deepEqual(signedDigest('none', 'a'.repeat(64)), { headers: {}, payload: undefined });
  assert.equal(
    signedDigest('checksum', 'ff'.repeat(32)).headers['x-amz-checksum-sha256'],
    Buffer.alloc(32, 255).toString('base64'),
  );
});

test('whichever upload is refused for another reason, a server that compares nothing is never trusted', async () => {
  const refusals: UploadVerdict[] = [
    ...[408, 429, 499, 500, 503].map((status) => ({ status, code: status === 503 ? 'SlowDown' : '' })),
    { status: 400, code: 'RequestTimeout' },
    { status: 403, code: 'AccessDenied' },
    { status: 403, code: 'SignatureDoesNotMatch' },
    { status: 503, code: 'BadDigest' },
  ];
  for (const refusal of refusals) {
    for (let at = 1; at <= 2; at += 1) {
      let uploads = 0;
      const found = await findDigestCheck(async () => (++uploads === at ? refusal : TAKEN));
      assert.equal(found, null, JSON.stringify({ refusal, at }));
    }
    assert.equal(await findDigestCheck(async () => refusal), null);
  }
  // It has refused the wrong bytes, but nobody knows whether it takes the right ones.
  const neverTaken: TryUpload = async (check) =>
    check === 'payload' ? { status: 400, code: 'XAmzContentSHA256Mismatch' } : TAKEN;
  assert.equal(await findDigestCheck(neverTaken), null);
});

test('a busy server is asked again later what it compares; meanwhile no upload is trusted', async (t) => {
  const answers = { uploads: 0, isBusy: true };
  const server = createServer(async (request, response) => {
    const body = await buffer(request);
    if (request.method !== 'PUT') return void response.writeHead(204).end();
    answers.uploads += 1;
    if (answers.isBusy) return void response.writeHead(429).end('slow down');
    const announced = request.headers['x-amz-content-sha256'];
    if (announced === createHash('sha256').update(body).digest('hex')) return void response.end();
    response.writeHead(400).end('<Error><Code>XAmzContentSHA256Mismatch</Code></Error>');
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(() => server.close());
  const address = server.address();
  let now = Date.parse('2026-01-28T10:30:00Z');
  const store = createS3ObjectStore({
    endpoint: `http://127.0.0.1:${typeof address === 'object' ? address?.port : 0}`,
    region: 'us-east-1',
    bucket: 'films',
    accessKey: 'key1',
    secretKey: 'secret1',
    pathStyle: true,
    partBytes: 5 * 1024 * 1024,
    createBucket: false,
    // Pauses between tries take no time.
    clock: { now: () => now, after: (_, callback) => systemClock.after(0, callback) },
  });
  t.after(() => store.close());
  const put = { ttlSeconds: 60, sizeBytes: 1, sha256: 'a'.repeat(64) };
  assert.deepEqual((await store.presignPut('outputs/a', put)).headers, {});
  const tried = answers.uploads;
  assert.ok(tried > 1, 'it was tried again at once');
  answers.isBusy = false;
  assert.equal(await store.digestCheck(), 'none');
  assert.equal(answers.uploads, tried);
  now += 60_000;
  assert.equal(await store.digestCheck(), 'payload');
  assert.equal((await store.presignPut('outputs/a', put)).headers['x-amz-meta-sha256'], put.sha256);
  now += 86_400_000;
  assert.equal(await store.digestCheck(), 'payload');
  assert.equal(answers.uploads, tried + 2);
});

test('what servers and networks say is told in words, with the value and what to change', () => {
  const place = {
    endpoint: 'https://s3.example.com',
    bucket: 'films',
    region: 'us-east-1',
    accessKey: 'AKIA1',
  };
  const said = (code: string, more: Record<string, unknown> = {}, message = 'no') =>
    s3Error(Object.assign(new Error(message), { code, ...more }), place, 'read a');
  const cases: [string, Record<string, unknown>, RegExp, RegExp, boolean][] = [
    [
      'AuthorizationHeaderMalformed',
      { region: 'eu-west-1' },
      /not in region "us-east-1", but in "eu-west-1"/,
      /^objects.region: eu-west-1$/,
      true,
    ],
    [
      'RequestTimeTooSkewed',
      {},
      /clocks of this machine \(\d{4}-.*\) and of the S3 server/,
      /timedatectl/,
      true,
    ],
    ['BucketAlreadyExists', {}, /"films" .* belongs to somebody else/, /choose another/, true],
    [
      'DEPTH_ZERO_SELF_SIGNED_CERT',
      {},
      /certificate of https:\/\/s3.example.com is not trusted/,
      /NODE_EXTRA_CA_CERTS/,
      true,
    ],
    ['ENOTFOUND', {}, /cannot be reached: the name is not known/, /objects.endpoint/, false],
    ['SlowDown', {}, /says: SlowDown, no/, /log/, false],
  ];
  for (const [code, more, message, hint, mistake] of cases) {
    const error = said(code, more);
    assert.equal(error.code, 'UNAVAILABLE');
    assert.match(error.message, /^cannot read a: /);
    assert.match(error.message, message);
    assert.match(error.hint ?? '', hint);
    assert.equal(isMistake(error), mistake, code);
  }
  assert.equal(said('QuotaExceeded').code, 'DISK_FULL');
  assert.match(said('', {}, 'socket hang up').message, /says: socket hang up/);
});
