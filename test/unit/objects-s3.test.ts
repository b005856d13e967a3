import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { test } from 'node:test';
import fc from 'fast-check';
import { Client } from 'minio';
import { type DigestCheck, findDigestCheck, signedDigest } from '../../src/objects/s3-digests.ts';
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

test('the server that compares nothing is found out, and one that compares by either header', async () => {
  const server = (compares: DigestCheck) => {
    const asked: DigestCheck[] = [];
    const tryUpload = async (check: DigestCheck, sha256: string, body: Uint8Array): Promise<number> => {
      asked.push(check);
      const isRight = createHash('sha256').update(body).digest('hex') === sha256;
      // One that does not know the signed hash of a body finds another signature.
      if (check === 'payload' && compares !== 'payload') return compares === 'none' ? 200 : 403;
      return compares === check && !isRight ? 400 : 200;
    };
    return { asked, tryUpload };
  };
  for (const compares of ['payload', 'checksum', 'none'] as const) {
    assert.equal(await findDigestCheck(server(compares).tryUpload), compares);
  }
  const busy = async (): Promise<number> => 503;
  assert.equal(await findDigestCheck(busy), 'none');
  assert.deepEqual(signedDigest('none', 'a'.repeat(64)), { headers: {}, payload: undefined });
  assert.equal(
    signedDigest('checksum', 'ff'.repeat(32)).headers['x-amz-checksum-sha256'],
    Buffer.alloc(32, 255).toString('base64'),
  );
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
