import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Nonces } from '../../src/control/nonces.ts';
import { Previews } from '../../src/control/previews.ts';
import { isPrivateAddress } from '../../src/lib/public-address.ts';
import { manualClock } from '../helpers/manual-clock.ts';

test('a nonce is taken once per node', () => {
  const nonces = new Nonces();
  assert.equal(nonces.take('a', 'nonce-of-some-length', 1000, 1000), true);
  assert.equal(nonces.take('a', 'nonce-of-some-length', 1000, 1100), false);
  assert.equal(nonces.take('b', 'nonce-of-some-length', 1000, 1000), true);
  for (let i = 0; i < 20_000; i += 1)
    assert.equal(nonces.take('a', `counter-${String(i).padStart(16, '0')}`, 1000, 1000), true);
});

test('a node that floods its window has old requests refused rather than replayed', () => {
  const nonces = new Nonces(100);
  for (let i = 0; i < 100; i += 1) nonces.take('a', `first-${i}`, 1000, 1000);
  for (let i = 0; i < 100; i += 1) nonces.take('a', `second-${i}`, 1001, 1001);
  assert.equal(nonces.take('a', 'third', 1002, 1002), true);
  // The first hundred are forgotten by now; their time gives them away.
  assert.equal(nonces.take('a', 'first-5', 1000, 1003), false);
  assert.equal(nonces.take('a', 'second-5', 1001, 1003), false);
  assert.equal(nonces.take('a', 'fourth', 1001, 1003), true);
});

test('previews stay within their memory: the oldest goes first', async () => {
  const clock = manualClock();
  const previews = new Previews({ maxBytes: 1000, minIntervalMs: 500, clock });
  const jpeg = (size: number) => Uint8Array.from({ length: size }, (_, i) => [0xff, 0xd8, 0xff][i] ?? 0);
  for (const task of ['a', 'b', 'c']) {
    previews.put(task, jpeg(400));
    await clock.advance(1);
  }
  assert.deepEqual(
    ['a', 'b', 'c'].map((task) => previews.get(task)?.length),
    [undefined, 400, 400],
  );
  assert.throws(() => previews.put('c', jpeg(10)), { code: 'RATE_LIMITED' });
  await clock.advance(500);
  previews.put('c', jpeg(10));
  previews.drop('b');
  assert.deepEqual(
    ['b', 'c'].map((task) => previews.get(task)?.length),
    [undefined, 10],
  );
});

test('addresses that are not on the public internet are known, however they are written', () => {
  for (const address of [
    '127.0.0.1',
    '10.66.0.1',
    '172.31.255.255',
    '192.168.1.1',
    '169.254.169.254',
    '100.64.0.1',
    '0.0.0.0',
    '224.0.0.1',
    '255.255.255.255',
    '::1',
    '::',
    'fe80::1',
    'fd00::1',
    '::ffff:10.0.0.1',
    '::ffff:7f00:1',
    '64:ff9b::a00:1',
    '::ffff:127.0.0.1%eth0',
    'nonsense',
    '64:ff9b:1::a00:1',
    'fec0::1',
    '3fff::1',
    '2002:a00:1::',
  ]) {
    assert.equal(isPrivateAddress(address), true, address);
  }
  for (const address of [
    '8.8.8.8',
    '172.32.0.1',
    '100.128.0.1',
    '2606:4700::1111',
    '2a00:1450::1',
    '::ffff:8.8.8.8',
    '::ffff:808:808',
    '64:ff9b::808:808',
  ]) {
    assert.equal(isPrivateAddress(address), false, address);
  }
});
