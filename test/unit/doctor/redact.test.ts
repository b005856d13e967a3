import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { REDACTED, redact } from '../../../src/cli/doctor/redact.ts';

test('values of settings whose name says that they are secret are taken out, others stay', () => {
  const text = [
    'NODE_ID=studio-1',
    'NODE_HMAC_SECRET=c2VjcmV0LXNlY3JldC1zZWNyZXQ',
    'export API_KEY="abc"',
    '# NODE_HMAC_SECRET=an old one',
    'PrivateKey = aGVsbG8=',
    'PresharedKey=aGVsbG8=',
    'PublicKey = aGVsbG8=',
    'password: hunter2',
    'presignTtlSeconds: 21600',
  ].join('\r\n');
  assert.deepEqual(redact(text).split('\r\n'), [
    'NODE_ID=studio-1',
    `NODE_HMAC_SECRET=${REDACTED}`,
    `export API_KEY=${REDACTED}`,
    `# NODE_HMAC_SECRET=${REDACTED}`,
    `PrivateKey = ${REDACTED}`,
    `PresharedKey=${REDACTED}`,
    'PublicKey = aGVsbG8=',
    `password: ${REDACTED}`,
    'presignTtlSeconds: 21600',
  ]);
});

test('tokens, signatures, passwords in addresses and invitations are taken out wherever they stand', () => {
  const token = `fr_${'a'.repeat(43)}`;
  const text =
    `Authorization was Bearer abcdefgh12345 and token ${token}\n` +
    'GET http://10.66.0.1:8088/objects/assets/x?method=GET&expires=1&sig=Zm9vYmFy_-&size=3\n' +
    'https://user:pa55word@example.com/x?X-Amz-Signature=abc123&X-Amz-Date=1\n' +
    'flatrender-invitation:eyJhIjoxfQ\n' +
    '{"level":"info","secret":"shh-\\"x","nodeId":"n","token":"t"}';
  const clean = redact(text);
  for (const secret of [
    token,
    'abcdefgh12345',
    'Zm9vYmFy',
    'pa55word',
    'abc123',
    'eyJhIjoxfQ',
    'shh-',
    '"t"',
  ])
    assert.ok(!clean.includes(secret), `${secret} in ${clean}`);
  for (const kept of [
    'expires=1',
    '&size=3',
    'X-Amz-Date=1',
    'example.com',
    '"nodeId":"n"',
    '"level":"info"',
  ])
    assert.ok(clean.includes(kept), `${kept} not in ${clean}`);
});

test('a known secret is in no text, wherever it stands', () => {
  fc.assert(
    fc.property(
      fc.string(),
      fc.string(),
      fc.stringMatching(/^[A-Za-z0-9_-]{16,43}$/),
      (before, after, secret) => {
        assert.ok(!redact(`${before}${secret}${after}`, [secret]).includes(secret));
      },
    ),
  );
});

test('a text without secrets stays as it is', () => {
  const text = 'control.started url=http://10.66.0.1:8088 farm=studio\nnode.ready nodeId=desktop\n';
  assert.equal(redact(text), text);
});
