import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import fc from 'fast-check';
import { FlatrenderError } from '../../../src/lib/errors.ts';
import { nextFreeAddress, parseNetwork, requireNodeAddress } from '../../../src/mesh/addresses.ts';
import { decodeConfig } from '../../../src/mesh/decode-config.ts';
import { peersOf, removePeerText, renamePeerText, setPeerText } from '../../../src/mesh/edit-config.ts';
import { checkEndpoint } from '../../../src/mesh/endpoint.ts';
import { generateKeyPair, isKey, publicKeyOf } from '../../../src/mesh/keys.ts';
import { parseWgConfig } from '../../../src/mesh/wg-config.ts';
import { parseWgDump } from '../../../src/mesh/wg-dump.ts';

const SERVER = generateKeyPair();
const KEYS = Array.from({ length: 12 }, () => generateKeyPair().publicKey);
const [DESK = '', LAPTOP = '', OTHER = ''] = KEYS;
const hasWg = spawnSync('wg', ['--version']).status === 0;
const needsWg = hasWg ? false : 'no wg on this machine (Debian package wireguard-tools)';

const TEXT = `# by hand, above everything
[Interface]
# flatrender endpoint farm.example.com:51820
PrivateKey = ${SERVER.privateKey}
Address = 10.66.0.1/24
ListenPort = 51820 # opened in the router
PostUp = echo "#1" >/dev/null

# flatrender peer desk
[Peer]
PublicKey = ${DESK}
# the one under the table
AllowedIPs = 10.66.0.11/32

# flatrender reserved studio 10.66.0.12

# the laptop of the boss
[Peer]
PublicKey = ${LAPTOP}
AllowedIPs = 10.66.0.200/32
PersistentKeepalive = 25
`;

const parsed = (text = TEXT) => parseWgConfig(text, 'wg0.conf');

/** The problems of a text. */
function problems(text: string): string[] {
  try {
    parsed(text);
  } catch (error) {
    if (error instanceof FlatrenderError && error.code === 'MESH_INVALID') return error.message.split('\n');
    throw error;
  }
  return [];
}

test('names, reservations and the endpoint are read from comments, hand-made peers are left in peace', () => {
  const config = parsed();
  assert.equal(config.endpoint?.text, 'farm.example.com:51820');
  assert.equal(config.publicKey, SERVER.publicKey);
  assert.deepEqual(
    [config.address, config.network.text, config.listenPort],
    ['10.66.0.1', '10.66.0.0/24', 51_820],
  );
  assert.deepEqual(peersOf(config), [
    { name: 'desk', publicKey: DESK, address: '10.66.0.11', temporaryUntil: null },
    { name: 'studio', publicKey: null, address: '10.66.0.12', temporaryUntil: null },
  ]);
  assert.equal(config.peers.length, 2);
});

/** What `wg` takes without a word, and what it refuses without saying where. */
const REFUSED: readonly [string, (text: string) => string, RegExp][] = [
  ['a port beyond 65535', (text) => text.replace('51820 #', '70000 #'), /^wg0\.conf:6: ListenPort 70000: /],
  ['port 0', (text) => text.replace('51820 #', '0 #'), /^wg0\.conf:6: ListenPort 0: /],
  [
    'no port',
    (text) => text.replace(/^ListenPort.*\n/m, ''),
    /^wg0\.conf:2: \[Interface\] has no ListenPort/,
  ],
  [
    'no private key',
    (text) => text.replace(/^PrivateKey.*\n/m, ''),
    /^wg0\.conf:2: \[Interface\] has no PrivateKey/,
  ],
  [
    'a private key that is none',
    (text) => text.replace(/^PrivateKey.*/m, `PrivateKey = ${'A'.repeat(43)}=`),
    /^wg0\.conf:4: PrivateKey is not a WireGuard key/,
  ],
  [
    'an address of two peers',
    (text) => text.replace('10.66.0.200/32', '10.66.0.11/32'),
    /^wg0\.conf:20: AllowedIPs 10\.66\.0\.11\/32 is also that of peer "desk" \(line 13\)$/,
  ],
  [
    'an address of two peers, once without a prefix length and among others',
    (text) => text.replace('10.66.0.200/32', '10.66.0.201, 10.66.0.11'),
    /^wg0\.conf:20: AllowedIPs 10\.66\.0\.11\/32 is also that of peer "desk" \(line 13\)$/,
  ],
  [
    'a key twice',
    (text) => text.replace(LAPTOP, DESK),
    /^wg0\.conf:19: PublicKey \S+ is also that of peer "desk" \(line 11\)$/,
  ],
  [
    'the server’s own key as a peer',
    (text) => text.replace(LAPTOP, SERVER.publicKey),
    /^wg0\.conf:19: PublicKey \S+ is also that of the server itself \(line 4\)$/,
  ],
  [
    'host bits',
    (text) => text.replace('10.66.0.200/32', '10.66.0.11/24'),
    /^wg0\.conf:20: AllowedIPs 10\.66\.0\.11\/24: has host bits set/,
  ],
  [
    'an address outside of the mesh',
    (text) => text.replace('10.66.0.200/32', '10.67.0.9/32'),
    /^wg0\.conf:20: AllowedIPs 10\.67\.0\.9\/32: 10\.67\.0\.9 is not in the mesh 10\.66\.0\.0\/24$/,
  ],
  [
    'an address that is also reserved',
    (text) => text.replace('10.66.0.200/32', '10.66.0.12/32'),
    /10\.66\.0\.12 is also that of a peer without a name/,
  ],
  [
    'a name twice',
    (text) => text.replace('reserved studio', 'reserved desk'),
    /the name "desk" is also that of peer "desk"/,
  ],
  [
    'a peer without a key',
    (text) => text.replace(/^PublicKey.*\n/m, ''),
    /^wg0\.conf:10: \[Peer\] has no PublicKey/,
  ],
  [
    'SaveConfig',
    (text) => text.replace('ListenPort', 'SaveConfig = true\nListenPort'),
    /^wg0\.conf:6: SaveConfig = true/,
  ],
  ['a byte order mark', (text) => `\uFEFF${text}`, /^wg0\.conf:1: a byte order mark/],
  ['";" for a comment', (text) => `; mine\n${text}`, /^wg0\.conf:1: ";" starts no comment/],
  [
    'an unknown setting',
    (text) => text.replace('ListenPort', 'Name = x\nListenPort'),
    /^wg0\.conf:6: Name is no setting of \[Interface\]/,
  ],
  ['an unknown section', (text) => `${text}[Node]\n`, /there is no section \[Node\]/],
  [
    'a second [Interface]',
    (text) => `${text}[Interface]\n`,
    /a second \[Interface\]; the first is in line 2/,
  ],
  [
    'a line that is nothing',
    (text) => text.replace('ListenPort', 'hello\nListenPort'),
    /^wg0\.conf:6: "hello" is neither/,
  ],
  ['a keepalive beyond', (text) => text.replace('= 25', '= 70000'), /PersistentKeepalive 70000/],
  [
    'another address for the server',
    (text) => text.replace('10.66.0.1/24', '10.66.0.5/24'),
    /the first address, 10\.66\.0\.1\/24$/,
  ],
  [
    'an endpoint without a port',
    (text) => text.replace(':51820', ''),
    /endpoint "farm\.example\.com": HOST:PORT/,
  ],
];

for (const [what, change, message] of REFUSED) {
  test(`wg0.conf with ${what} is refused with the value and the line`, () => {
    const text = change(TEXT);
    assert.notEqual(text, TEXT);
    const found = problems(text);
    assert.equal(found.length, 1, found.join('\n'));
    assert.match(found[0] ?? '', message);
  });
}

test('a new peer changes nothing but what is appended, and its removal leaves the text of before', () => {
  const config = parsed();
  const added = setPeerText(config, { name: 'spare', publicKey: OTHER });
  assert.equal(added.peer.address, '10.66.0.13', 'neither taken nor reserved');
  assert.ok(added.text.startsWith(TEXT.trimEnd()));
  const removed = removePeerText(parsed(added.text), 'spare', { keepAddress: false });
  assert.equal(removed?.text, TEXT);
  assert.equal(removed?.publicKey, OTHER);
});

test('another key for a known name keeps its address and the comments within; the same again changes nothing', () => {
  const changed = setPeerText(parsed(), {
    name: 'desk',
    publicKey: OTHER,
    temporaryUntil: 1_800_000_000_000,
  });
  assert.equal(changed.peer.address, '10.66.0.11');
  assert.equal(
    changed.text,
    TEXT.replace(DESK, OTHER).replace('peer desk', 'peer desk temporary until 2027-01-15T08:00:00.000Z'),
  );
  const again = parsed(changed.text);
  assert.equal(peersOf(again)[0]?.temporaryUntil, 1_800_000_000_000);
  const request = { name: 'desk', publicKey: OTHER, temporaryUntil: 1_800_000_000_000 };
  assert.equal(setPeerText(again, request).changed, false);
});

test('comments behind a value stay when the value changes, in a file of a Windows editor, too', () => {
  const noted = TEXT.replace(DESK, `${DESK} # bought in May`)
    .replace('10.66.0.11/32', '10.66.0.11/32  # \u2028 the first')
    .replaceAll('\n', '\r\n');
  const changed = setPeerText(parsed(noted), { name: 'desk', publicKey: OTHER });
  assert.equal(changed.text, noted.replace(DESK, OTHER));
  const moved = setPeerText(parsed(noted), { name: 'desk', publicKey: DESK, address: '10.66.0.40' });
  assert.equal(moved.text, noted.replace('10.66.0.11/32', '10.66.0.40/32'));
  const added = setPeerText(parsed(noted), { name: 'spare', publicKey: KEYS[3] ?? '' });
  assert.doesNotMatch(added.text, /[^\r]\n/, 'its lines end as the others do');
  assert.equal(removePeerText(parsed(added.text), 'spare', { keepAddress: false })?.text, noted);
});

test('every address of a peer made by hand is taken', () => {
  const config = parsed(TEXT.replace('10.66.0.200/32', '10.66.0.13, 10.66.0.14/32'));
  assert.equal(setPeerText(config, { name: 'spare', publicKey: OTHER }).peer.address, '10.66.0.15');
});

test('a file that is not UTF-8 is refused with the line, because a change would damage it', () => {
  const bytes = Buffer.from(TEXT.replace('the boss', 'B\u00fcro'), 'latin1');
  assert.throws(() => decodeConfig(bytes, 'wg0.conf'), {
    code: 'MESH_INVALID',
    message: /^wg0\.conf:17: not UTF-8: "# the laptop of B/,
  });
  assert.equal(decodeConfig(Buffer.from(TEXT), 'wg0.conf'), TEXT);
  assert.equal(decodeConfig(Buffer.from(`\uFEFF${TEXT}`), 'wg0.conf'), `\uFEFF${TEXT}`);
});

test('an address is kept for a peer that is cut, and given back to it', () => {
  const removed = removePeerText(parsed(), 'desk', { keepAddress: true });
  const config = parsed(removed?.text);
  assert.deepEqual(peersOf(config)[0], {
    name: 'desk',
    publicKey: null,
    address: '10.66.0.11',
    temporaryUntil: null,
  });
  assert.equal(setPeerText(config, { name: 'other', publicKey: OTHER }).peer.address, '10.66.0.13');
  const back = setPeerText(config, { name: 'desk', publicKey: OTHER });
  assert.equal(back.peer.address, '10.66.0.11');
  assert.deepEqual(
    parsed(back.text).reservations.map(({ name }) => name),
    ['studio'],
  );
  assert.equal(removePeerText(config, 'nobody', { keepAddress: false }), null);
});

test('what would take something from another peer is refused', () => {
  const config = parsed();
  const refused = (request: Parameters<typeof setPeerText>[1], code: string, message: RegExp): void => {
    assert.throws(() => setPeerText(config, request), { code, message });
  };
  refused({ name: 'x', publicKey: DESK }, 'MESH_KEY_IN_USE', /is that of peer "desk"$/);
  refused({ name: 'x', publicKey: SERVER.publicKey }, 'MESH_KEY_IN_USE', /is that of the server itself$/);
  refused({ name: 'x', publicKey: `${'A'.repeat(43)}=` }, 'MESH_INVALID', /is all zero/);
  refused({ name: 'x', publicKey: 'short' }, 'MESH_INVALID', /"short" is not 44 characters/);
  refused({ name: 'x', publicKey: OTHER, address: '10.66.0.11' }, 'MESH_ADDRESS_TAKEN', /address of desk$/);
  refused({ name: 'x', publicKey: OTHER, address: '10.66.0.12' }, 'MESH_ADDRESS_TAKEN', /address of studio$/);
  refused(
    { name: 'x', publicKey: OTHER, address: '10.66.0.200' },
    'MESH_ADDRESS_TAKEN',
    /a peer without a name$/,
  );
  refused({ name: 'x', publicKey: OTHER, address: '10.66.0.1' }, 'MESH_INVALID', /is the control plane$/);
  refused({ name: 'x', publicKey: OTHER, address: '10.66.0.255' }, 'MESH_INVALID', /broadcast/);
  assert.throws(() => renamePeerText(config, 'desk', 'studio'), { code: 'MESH_PEER_EXISTS' });
  assert.throws(() => renamePeerText(config, 'nobody', 'x'), {
    code: 'MESH_PEER_NOT_FOUND',
    hint: 'peers: desk, studio',
  });
  assert.throws(() => renamePeerText(config, 'desk', 'No Name'), { code: 'MESH_INVALID' });
  assert.equal(renamePeerText(config, 'desk', 'front').text, TEXT.replace('peer desk', 'peer front'));
  assert.equal(
    renamePeerText(config, 'studio', 'front').text,
    TEXT.replace('reserved studio', 'reserved front'),
  );
});

test('whatever is added, changed, renamed and removed: hand-written lines stay, and the text always reads back', () => {
  const name = fc.constantFrom('a', 'b', 'c', 'd');
  const step = fc.oneof(
    fc.record({ do: fc.constant('set' as const), name, key: fc.nat({ max: KEYS.length - 1 }) }),
    fc.record({ do: fc.constant('remove' as const), name, keep: fc.boolean() }),
    fc.record({ do: fc.constant('rename' as const), name, to: name }),
  );
  const own = TEXT.split('\n').filter((line) => line.trim() !== '');
  fc.assert(
    fc.property(fc.array(step, { maxLength: 25 }), (steps) => {
      let text = TEXT;
      for (const each of steps) {
        const config = parsed(text);
        try {
          if (each.do === 'set')
            text = setPeerText(config, { name: each.name, publicKey: KEYS[each.key] ?? '' }).text;
          else if (each.do === 'remove')
            text = removePeerText(config, each.name, { keepAddress: each.keep })?.text ?? text;
          else text = renamePeerText(config, each.name, each.to).text;
        } catch (error) {
          if (!(error instanceof FlatrenderError)) throw error;
        }
      }
      const lines = text.split('\n');
      let at = 0;
      for (const line of own) {
        at = lines.indexOf(line, at);
        assert.ok(at >= 0, `lost: ${line}\n${text}`);
      }
      const addresses = peersOf(parsed(text)).map(({ address }) => address);
      assert.equal(new Set(addresses).size, addresses.length);
    }),
    { numRuns: 300 },
  );
});

test('the next free address is the lowest from .11 on; a full network says so', () => {
  const network = parseNetwork('10.66.0.0/28', 'test');
  assert.equal(nextFreeAddress(network, []), '10.66.0.11');
  assert.equal(nextFreeAddress(network, ['10.66.0.11', '10.66.0.13']), '10.66.0.12');
  const all = ['10.66.0.11', '10.66.0.12', '10.66.0.13', '10.66.0.14'];
  assert.throws(() => nextFreeAddress(network, all), { code: 'MESH_FULL', message: /10\.66\.0\.0\/28/ });
  assert.equal(nextFreeAddress(parseNetwork('10.0.0.0/8', 'test'), []), '10.0.0.11');
  for (const wrong of [
    '10.66.0.0',
    '10.66.0.0/30',
    '10.66.0.0/33',
    '10.66.0.1/24',
    '::/64',
    '10.66.0.256/24',
    '',
  ])
    assert.throws(() => parseNetwork(wrong, 'test'), { code: 'MESH_INVALID' }, wrong);
  for (const wrong of ['10.66.0.011', 'x', '10.66.0', '10.66.0.11/32'])
    assert.throws(() => requireNodeAddress(wrong, network, 'test'), { code: 'MESH_INVALID' }, wrong);
});

test('endpoints: names, IPv4, IPv6 in brackets; what WireGuard takes for something else is refused', () => {
  for (const fine of ['farm.example.com:51820', '203.0.113.2:1', '[2001:db8::1]:65535', 'localhost:51820'])
    assert.equal(checkEndpoint(fine), null, fine);
  for (const wrong of [
    'farm.example.com',
    'x:70000',
    'x:0',
    '2001:db8::1:51820',
    '203.0.113.999:1',
    '-x:1',
    'a b:1',
    ':1',
    '203.0.113:1',
  ])
    assert.notEqual(checkEndpoint(wrong), null, wrong);
});

test('keys are those of wg', { skip: needsWg }, () => {
  for (let i = 0; i < 20; i += 1) {
    const { privateKey, publicKey } = generateKeyPair();
    const asked = spawnSync('wg', ['pubkey'], { input: privateKey, encoding: 'utf8' });
    assert.equal(asked.stdout.trim(), publicKey);
    assert.equal(publicKeyOf(privateKey), publicKey);
    assert.ok(isKey(publicKey));
  }
  assert.throws(() => publicKeyOf('nonsense'), { code: 'MESH_INVALID' });
});

test('wg-quick reads what is written', { skip: needsWg }, () => {
  const directory = mkdtempSync(join(tmpdir(), 'flatrender-wg-'));
  try {
    const file = join(directory, 'wg0.conf');
    const { text } = setPeerText(parsed(), { name: 'spare', publicKey: OTHER });
    writeFileSync(file, text, { mode: 0o600 });
    const stripped = spawnSync('wg-quick', ['strip', file], { encoding: 'utf8' });
    assert.equal(stripped.status, 0, stripped.stderr);
    const keys = [...stripped.stdout.matchAll(/^PublicKey = (.*)$/gm)].map(([, key]) => key);
    assert.deepEqual(keys, [DESK, LAPTOP, OTHER]);
    assert.match(stripped.stdout, /^AllowedIPs = 10\.66\.0\.13\/32$/m);
  } finally {
    rmSync(directory, { recursive: true });
  }
});

test('wg show … dump is read', () => {
  const line = [
    DESK,
    '(none)',
    '198.51.100.2:43210',
    '10.66.0.11/32',
    '1767225600',
    '1024',
    '2048',
    '25',
  ].join('\t');
  const silent = [LAPTOP, '(none)', '(none)', '10.66.0.200/32', '0', '0', '0', 'off'].join('\t');
  const dump = parseWgDump(`private\tpublic\t51820\toff\n${line}\n${silent}\n`);
  assert.deepEqual(dump.get(DESK), {
    endpoint: '198.51.100.2:43210',
    handshakeAt: 1_767_225_600_000,
    rxBytes: 1024,
    txBytes: 2048,
  });
  assert.deepEqual(dump.get(LAPTOP), { endpoint: null, handshakeAt: null, rxBytes: 0, txBytes: 0 });
});
