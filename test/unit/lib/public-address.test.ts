import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import {
  isPrivateAddress,
  type OutsidePolicy,
  resolveOutside,
  withoutSecrets,
} from '../../../src/lib/public-address.ts';

const strict: OutsidePolicy = { allowPrivate: false, allowHosts: [], closed: ['10.66.0.0/24', 'fd66::/64'] };
const { signal } = new AbortController();
const dns =
  (...addresses: string[]) =>
  () =>
    Promise.resolve(addresses.map((address) => ({ address })));

async function verdict(url: string, policy = strict, ...addresses: string[]): Promise<string> {
  const found = await resolveOutside(new URL(url), policy, signal, dns(...addresses));
  return 'refused' in found ? found.rule : 'ok';
}

test('addresses of the public internet may be called; every notation of this machine and its networks may not', async () => {
  assert.equal(await verdict('https://example.com/a.png', strict, '93.184.215.14'), 'ok');
  assert.equal(await verdict('http://8.8.8.8:8080/a.png'), 'ok');
  for (const host of [
    '127.0.0.1',
    '127.1',
    '2130706433',
    '0x7f000001',
    '0177.0.0.1',
    '[::1]',
    '[::ffff:127.0.0.1]',
    '[::ffff:7f00:1]',
    '[64:ff9b::7f00:1]',
    '[64:ff9b::a9fe:a9fe]',
    '[2002:7f00:1::]',
    '[fe80::1]',
    '169.254.169.254',
    '192.168.0.1',
    '0.0.0.0',
    '[::]',
    '100.64.0.1',
  ])
    assert.equal(await verdict(`http://${host}/`), 'private', host);
});

test('one forbidden address among many forbids the name', async () => {
  assert.equal(await verdict('https://example.com/', strict, '93.184.215.14', '127.0.0.1'), 'private');
  assert.equal(await verdict('https://example.com/', strict, '::ffff:10.0.0.1'), 'private');
});

test('the mesh is refused even where private addresses are allowed, and called when its host is named', async () => {
  const open = { ...strict, allowPrivate: true };
  assert.equal(await verdict('http://192.168.0.9/', open), 'ok');
  for (const host of ['10.66.0.1', '[::ffff:10.66.0.1]', '[64:ff9b::a42:1]', '[fd66::1]'])
    assert.equal(await verdict(`http://${host}:8088/`, open), 'closed', host);
  assert.equal(await verdict('http://n8n.lan/', open, '10.66.0.7'), 'closed');
  assert.equal(await verdict('http://10.66.0.1:22/', { ...strict, allowHosts: ['10.66.0.1'] }), 'ok');
  assert.equal(await verdict('http://n8n.lan/', { ...strict, allowHosts: ['N8N.lan'] }, '10.66.0.7'), 'ok');
  assert.equal(await verdict('http://n8n.lan./', { ...strict, allowHosts: ['n8n.lan'] }, '10.66.0.7'), 'ok');
  const wild = { ...strict, allowHosts: ['*.lan'] };
  assert.equal(await verdict('http://a.lan/', wild, '10.66.0.7'), 'ok');
  assert.equal(await verdict('http://alan/', wild, '10.66.0.7'), 'closed');
  assert.equal(await verdict('http://lan.evil/', wild, '10.66.0.7'), 'closed');
});

test('schemes, users and ports of other services are refused', async () => {
  assert.equal(await verdict('ftp://example.com/'), 'scheme');
  assert.equal(await verdict('file:///etc/passwd'), 'scheme');
  assert.equal(await verdict('https://user:secret@example.com/', strict, '93.184.215.14'), 'user');
  assert.equal(await verdict('https://user@example.com/', strict, '93.184.215.14'), 'user');
  assert.equal(await verdict('http://example.com:25/', strict, '93.184.215.14'), 'port');
  assert.equal(await verdict('http://example.com:22/', strict, '93.184.215.14'), 'port');
});

test('a name is resolved once', async () => {
  let asked = 0;
  const found = await resolveOutside(new URL('https://rebind.example/'), strict, signal, () => {
    asked += 1;
    return Promise.resolve([{ address: asked === 1 ? '93.184.215.14' : '127.0.0.1' }]);
  });
  assert.deepEqual(found, { addresses: [{ address: '93.184.215.14', family: 4 }] });
  assert.equal(asked, 1);
});

test('what may be secret in an address is not shown', () => {
  const shown = withoutSecrets(new URL('https://u:p@files.example.com:8443/a.png?sig=secret#x'));
  assert.equal(shown, 'https://files.example.com:8443/a.png?…');
});

test('an IPv4 address means the same in every form of IPv6, whatever it is', () => {
  fc.assert(
    fc.property(fc.ipV4(), (address) => {
      const hex = address
        .split('.')
        .map((part) => Number(part).toString(16).padStart(2, '0'))
        .join('');
      const groups = `${hex.slice(0, 4)}:${hex.slice(4)}`;
      const isPrivate = isPrivateAddress(address);
      for (const form of [
        `::ffff:${address}`,
        `::ffff:${groups}`,
        `0:0:0:0:0:FFFF:${groups}`,
        `64:ff9b::${groups}`,
      ])
        assert.equal(isPrivateAddress(form), isPrivate, form);
    }),
  );
});

test('nothing that is not of 2000::/3 passes as public, and nothing throws', () => {
  fc.assert(
    fc.property(fc.oneof(fc.ipV6(), fc.string({ maxLength: 60 })), (text) => {
      const isPrivate = isPrivateAddress(text);
      if (!isPrivate) assert.match(text, /^[23]|^::ffff:|^0*64:0*ff9b|^[0:]+:ffff:|^\d/i, text);
    }),
  );
});
