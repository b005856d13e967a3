import assert from 'node:assert/strict';
import { createHmac } from 'node:crypto';
import { test } from 'node:test';
import fc from 'fast-check';
import { createVerifier, httpbis } from 'http-message-signatures';
import { FlatrenderError } from '../../../src/lib/errors.ts';
import {
  contentDigest,
  deriveNodeSecret,
  digestMatches,
  mac,
  parseRequestSignature,
  requestSignatureMatches,
  signAnswer,
  signRequest,
  verifyAnswer,
} from '../../../src/protocol/signatures.ts';

const key = { keyId: 'studio-1', secret: 'c2VjcmV0LW9mLXRoZS1ub2RlLWluLXRlc3Rz' };
const stamp = { created: 1_618_884_473, nonce: 'b3k2pp5k7z-50gnwp_yemd' };
const code = (wanted: string) => (error: unknown) =>
  error instanceof FlatrenderError && error.code === wanted;

/** An implementation that nobody here wrote. */
function independent(secret: string) {
  const verify = createVerifier(secret, 'hmac-sha256');
  return { keyLookup: async () => ({ id: key.keyId, algs: ['hmac-sha256'], verify }) };
}

test('the hmac is the one of RFC 9421, appendix B.2.5', () => {
  const secret = Buffer.from(
    'uzvJfB4u3N0Jy4T7NZ75MDVcr8zSTInedJtkgcu46YW4XByzNJjxBdtjUkdJPBtbmHhIDi6pcl8jsasjlTMtDQ==',
    'base64',
  );
  const base = [
    '"date": Tue, 20 Apr 2021 02:07:55 GMT',
    '"@authority": example.com',
    '"content-type": application/json',
    '"@signature-params": ("date" "@authority" "content-type");created=1618884473;keyid="test-shared-secret"',
  ].join('\n');
  assert.equal(mac(base, secret).toString('base64'), 'pxcQw6G3AjtMBQjwo8XzkZf/bws5LelbaMk5rGIGtE8=');
});

test('the content digest is the one of RFC 9530, appendix D', () => {
  assert.equal(
    contentDigest('{"hello": "world"}\n'),
    'sha-256=:RK/0qy18MlBSVnWgjwz6lZEWjP/lF5HF9bvEF8FabDg=:',
  );
  assert.equal(contentDigest(''), 'sha-256=:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=:');
});

test('an independent implementation accepts signed requests, with and without a query', async () => {
  for (const query of ['', 'epoch=3', 'a=b%20c&d=%C3%A9']) {
    const body = '{"freeSlots":1}';
    const signed = signRequest({ method: 'POST', path: '/v1/agent/claim', query }, body, key, stamp);
    const url = `http://10.66.0.1:8088/v1/agent/claim${query === '' ? '' : `?${query}`}`;
    const message = { method: 'POST', url, headers: { ...signed } };
    const valid = await httpbis.verifyMessage(
      { ...independent(key.secret), tolerance: 0, notAfter: stamp.created },
      message,
    );
    assert.equal(valid, true, `query "${query}"`);
    const wrong = await httpbis.verifyMessage({ ...independent('another secret of a node') }, message);
    assert.equal(wrong, false);
  }
});

test('an independent implementation accepts signed answers', async () => {
  const signed = signAnswer(204, '', key, stamp);
  const message = { status: 204, headers: { ...signed } };
  assert.equal(await httpbis.verifyMessage(independent(key.secret), message), true);
  assert.equal(await httpbis.verifyMessage(independent(key.secret), { ...message, status: 200 }), false);
});

test('a signed request is accepted, and refused when any signed part of it changes', () => {
  fc.assert(
    fc.property(
      fc.constantFrom('GET', 'POST', 'PUT'),
      fc.webPath(),
      fc.webQueryParameters(),
      fc.uint8Array({ maxLength: 64 }),
      (method, rawPath, query, body) => {
        const request = { method, path: rawPath || '/', query };
        const headers = { ...signRequest(request, body, key, stamp) };
        assert.deepEqual(parseRequestSignature(headers), {
          created: stamp.created,
          nonce: stamp.nonce,
          keyId: key.keyId,
        });
        assert.equal(requestSignatureMatches(request, headers, key.secret), true);
        assert.equal(digestMatches(body, headers), true);
        assert.equal(digestMatches(Buffer.concat([body, Buffer.from('x')]), headers), false);
        assert.equal(requestSignatureMatches({ ...request, method: 'DELETE' }, headers, key.secret), false);
        assert.equal(
          requestSignatureMatches({ ...request, path: `${request.path}x` }, headers, key.secret),
          false,
        );
        assert.equal(
          requestSignatureMatches({ ...request, query: `${query}&x=1` }, headers, key.secret),
          false,
        );
        const otherDigest = { ...headers, 'content-digest': contentDigest('other') };
        assert.equal(requestSignatureMatches(request, otherDigest, key.secret), false);
        assert.equal(requestSignatureMatches(request, headers, `${key.secret}x`), false);
      },
    ),
  );
});

test('changing created, nonce or keyid breaks the signature', () => {
  const request = { method: 'POST', path: '/v1/agent/claim', query: '' };
  const headers = signRequest(request, '{}', key, stamp);
  const input = headers['signature-input'];
  for (const forged of [
    input.replace(';created=1618884473', ';created=1618884474'),
    input.replace(stamp.nonce, `${stamp.nonce.slice(0, -1)}A`),
    input.replace('studio-1', 'studio-2'),
  ]) {
    assert.notEqual(forged, input);
    assert.equal(
      requestSignatureMatches(request, { ...headers, 'signature-input': forged }, key.secret),
      false,
    );
  }
});

test('anything but the one profile is refused', () => {
  const good = { ...signRequest({ method: 'GET', path: '/', query: '' }, '', key, stamp) };
  const withInput = (input: string) => ({ ...good, 'signature-input': input });
  const missing: Record<string, string | string[] | undefined>[] = [
    { ...good, signature: undefined },
    { ...good, 'signature-input': undefined },
    { ...good, 'content-digest': undefined },
  ];
  for (const headers of missing)
    assert.throws(() => parseRequestSignature(headers), code('SIGNATURE_MISSING'));
  const input = good['signature-input'];
  for (const headers of [
    withInput(input.replace('"@path" ', '')),
    withInput(input.replace('hmac-sha256', 'rsa-v1_5-sha256')),
    withInput(`${input};expires=9999999999`),
    withInput(`${input}, ${input.replace('sig1', 'sig2')}`),
    withInput(input.replace('sig1', 'sig2')),
    withInput(input.replace(/nonce="[^"]*"/, 'nonce="short"')),
    withInput(input.replace(/created=\d+/, 'created=-1')),
    withInput(input.replace('studio-1', 'Studio_1')),
    withInput(signAnswer(200, '', key, stamp)['signature-input']),
    { ...good, signature: good.signature.replace('sig1', 'sig2') },
    { ...good, signature: 'sig1=:AAAA:' },
    { ...good, signature: [good.signature, good.signature] },
  ]) {
    assert.throws(() => parseRequestSignature(headers), code('SIGNATURE_INVALID'), JSON.stringify(headers));
  }
});

test('an answer is believed only with the right secret, nonce, status and body', () => {
  const body = '{"ok":true}';
  const headers = { ...signAnswer(200, body, key, stamp) };
  const expected = { nonce: stamp.nonce, secret: key.secret };
  verifyAnswer({ status: 200, headers, body }, expected);
  const refused = (
    answer: { status: number; headers: Record<string, string>; body: string },
    wanted = expected,
  ) => assert.throws(() => verifyAnswer(answer, wanted), code('ANSWER_UNSIGNED'));
  refused({ status: 201, headers, body });
  refused({ status: 200, headers, body: '{"ok":false}' });
  refused({ status: 200, headers: {}, body });
  refused({ status: 200, headers, body }, { ...expected, nonce: 'another-nonce-of-16' });
  refused({ status: 200, headers, body }, { ...expected, secret: 'another secret' });
  // A request's signature must not pass as an answer's.
  refused({
    status: 200,
    headers: { ...signRequest({ method: 'GET', path: '/', query: '' }, body, key, stamp) },
    body,
  });
});

test('node secrets differ by node and generation and are HKDF of the farm secret', () => {
  const farm = Buffer.alloc(32, 7);
  const secret = deriveNodeSecret(farm, 'studio-1', 1);
  assert.match(secret, /^[A-Za-z0-9_-]{43}$/);
  const all = [
    secret,
    deriveNodeSecret(farm, 'studio-1', 2),
    deriveNodeSecret(farm, 'studio-2', 1),
    deriveNodeSecret(Buffer.alloc(32, 8), 'studio-1', 1),
  ];
  assert.equal(new Set(all).size, 4);
  // RFC 5869 by hand: extract with the salt, then one expand block of 32 bytes.
  const extracted = createHmac('sha256', 'flatrender node secret').update(farm).digest();
  const expanded = createHmac('sha256', extracted).update('studio-1\n1\x01').digest();
  assert.equal(secret, expanded.toString('base64url'));
});
