import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { chmodSync, existsSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { generateKeyPair } from '../../src/mesh/keys.ts';
import { type CliResult, runCli } from '../helpers/cli.ts';

const skip =
  process.platform !== 'linux' || spawnSync('wg', ['--version']).status !== 0
    ? 'needs wg on Linux (Debian package wireguard-tools)'
    : false;

interface Place {
  readonly file: string;
  readonly directory: string;
  wg(...args: string[]): Promise<CliResult>;
  json<T>(...args: string[]): Promise<T>;
}

/** A mesh in a directory of its own, whose interface is not up. */
function place(t: TestContext): Place {
  const directory = mkdtempSync(join(tmpdir(), 'flatrender-wg-'));
  t.after(() => rmSync(directory, { recursive: true }));
  const file = join(directory, 'wg0.conf');
  const { privateKey } = generateKeyPair();
  const text = `[Interface]\n# flatrender endpoint farm.example.com:51820\nPrivateKey = ${privateKey}\nAddress = 10.66.0.1/24\nListenPort = 51820\n`;
  writeFileSync(file, text, { mode: 0o600 });
  const wg = (...args: string[]) =>
    runCli(['wg', ...args, '--directory', directory, '--interface', 'wg0'], { cwd: directory });
  return {
    file,
    directory,
    wg,
    async json<T>(...args: string[]) {
      const { stdout, stderr } = await wg(...args, '--json');
      assert.notEqual(stdout, '', stderr);
      return JSON.parse(stdout) as T;
    },
  };
}

type Failure = { error: { code: string; message: string; hint: string } };

test('wg add-peer prints the machine’s configuration once, or writes it for its owner only', {
  skip,
}, async (t) => {
  const { wg, json, file, directory } = place(t);
  const added = await wg('add-peer', 'desk');
  assert.equal(added.exitCode, 0, added.stderr);
  assert.match(added.stdout, /^Address = 10\.66\.0\.11\/32$/m);
  assert.match(added.stdout, /^Endpoint = farm\.example\.com:51820$/m);
  const secret = /^PrivateKey = (\S+)$/m.exec(added.stdout)?.[1] ?? '';
  assert.equal(secret.length, 44);
  assert.ok(!readFileSync(file, 'utf8').includes(secret), 'the private key stays nowhere');

  const output = join(directory, 'studio.conf');
  const written = await wg('add-peer', 'studio', '-o', output, '--ip', '10.66.0.30');
  assert.equal(written.stdout, `${output}\n`);
  assert.equal(statSync(output).mode & 0o777, 0o600);
  const again = await json<Failure>('add-peer', 'third', '-o', output);
  assert.match(again.error.message, /exists already$/);

  const { publicKey } = generateKeyPair();
  const own = await wg('add-peer', 'own', '--public-key', publicKey);
  assert.match(own.stdout, /^PrivateKey = <the private key of "flatrender node key">$/m);
  assert.match((await wg('add-peer', 'own', '--public-key', publicKey)).stderr, /^already$/m);
  for (const [args, code, message] of [
    [['desk'], 'MESH_PEER_EXISTS', /there is already a peer "desk" \(10\.66\.0\.11\)/],
    [['x', '--public-key', publicKey], 'MESH_KEY_IN_USE', /is that of peer "own"/],
    [['x', '--public-key', `${'A'.repeat(43)}=`], 'MESH_INVALID', /all zero/],
    [['x', '--ip', '10.66.0.30'], 'MESH_ADDRESS_TAKEN', /address of studio/],
    [['x', '--ip', '10.66.1.30'], 'MESH_INVALID', /not in the mesh 10\.66\.0\.0\/24/],
    [['No Name'], 'MESH_INVALID', /No Name/],
  ] as const) {
    const before = readFileSync(file, 'utf8');
    const { error } = await json<Failure>('add-peer', ...args);
    assert.equal(error.code, code, error.message);
    assert.match(error.message, message);
    assert.equal(readFileSync(file, 'utf8'), before);
  }
});

test('wg list, rename, rotate, remove-peer, and dry runs that change nothing', { skip }, async (t) => {
  const { wg, json, file } = place(t);
  assert.match((await wg('list')).stderr, /no peers yet/);
  const dry = await wg('add-peer', 'desk', '--dry-run');
  assert.match(dry.stderr, /^would add$/m);
  assert.ok(!readFileSync(file, 'utf8').includes('desk'));
  assert.match(dry.stdout, /^PrivateKey = <made when it is done, shown once>$/m);
  assert.match(dry.stdout, /^would write \S+wg0\.conf, then: wg syncconf wg0 <\(wg-quick strip \S+\)$/m);
  await wg('add-peer', 'desk');
  assert.match((await wg('list')).stdout, /^desk +10\.66\.0\.11 +offline +/m);
  assert.match((await wg('rename', 'desk', 'front')).stdout, /^front {2}10\.66\.0\.11 {2}\S{44}$/m);
  const key = () => /^PublicKey = (\S+)$/m.exec(readFileSync(file, 'utf8'))?.[1];
  const before = key();
  assert.equal((await json<Failure>('rotate', 'front')).error.code, 'USAGE', 'not without --yes');
  assert.match((await wg('rotate', 'front', '--yes')).stdout, /^PrivateKey = \S{44}$/m);
  assert.notEqual(key(), before);
  chmodSync(file, 0o644);
  const untouched = readFileSync(file, 'utf8');
  for (const [args, says] of [
    [['rotate', 'front'], /^would change the key of front \(10\.66\.0\.11\)/],
    [['rotate'], /^would make another key in \S+; 1 peers are cut/],
    [['rename', 'front', 'back'], /^would write \S+: back {2}10\.66\.0\.11/],
    [['sync'], /^wg syncconf wg0 <\(wg-quick strip \S+\)$/m],
  ] as const)
    assert.match((await wg(...args, '--dry-run')).stdout, says);
  assert.equal(readFileSync(file, 'utf8'), untouched);
  assert.equal(statSync(file).mode & 0o777, 0o644, 'not even its mode');
  assert.match((await wg('list')).stderr, /wg0\.conf could be read by others/);
  assert.equal(statSync(file).mode & 0o777, 0o600);
  const server = /^PrivateKey = (\S+)$/m.exec(readFileSync(file, 'utf8'))?.[1];
  assert.match((await wg('rotate', '--yes')).stdout, /^\S{44}\n$/);
  assert.notEqual(/^PrivateKey = (\S+)$/m.exec(readFileSync(file, 'utf8'))?.[1], server);
  assert.match(
    (await wg('remove-peer', 'front', '--dry-run')).stdout,
    /^would remove front \(10\.66\.0\.11\)/,
  );
  assert.equal((await wg('remove-peer', 'front', '--yes', '--keep-address')).exitCode, 0);
  const { peers } = await json<{ peers: { name: string; publicKey: null }[] }>('list');
  assert.deepEqual(
    peers.map(({ name, publicKey }) => [name, publicKey]),
    [['front', null]],
  );
  const nobody = await json<Failure>('remove-peer', 'nobody', '--yes');
  assert.deepEqual([nobody.error.code, nobody.error.hint], ['MESH_PEER_NOT_FOUND', 'peers: front']);
});

test('a file that is broken is told line by line by every command, and not touched', { skip }, async (t) => {
  const { json, file } = place(t);
  writeFileSync(
    file,
    readFileSync(file, 'utf8').replace('ListenPort = 51820', 'ListenPort = 70000\nNme = x'),
  );
  const broken = readFileSync(file, 'utf8');
  for (const args of [
    ['sync'],
    ['list'],
    ['add-peer', 'x'],
    ['remove-peer', 'x', '--yes'],
    ['rename', 'a', 'b'],
  ]) {
    const { error } = await json<Failure>(...args);
    assert.equal(error.code, 'MESH_INVALID');
    assert.match(
      error.message,
      /wg0\.conf:5: ListenPort 70000: .*\n.*wg0\.conf:6: Nme is no setting of \[Interface\]/,
    );
    assert.match(error.hint, /flatrender wg sync/);
  }
  assert.equal(readFileSync(file, 'utf8'), broken);
});

test('wg init --dry-run shows files and commands, hides the key and writes nothing', { skip }, async (t) => {
  const { directory, file } = place(t);
  rmSync(file);
  const shown = await runCli([
    'wg',
    'init',
    '--endpoint',
    'farm.example.com',
    '--dry-run',
    '--directory',
    directory,
  ]);
  assert.equal(shown.exitCode, 0, shown.stderr);
  assert.match(shown.stdout, /^write \S+\/wg0\.conf \(mode 0600\)\n {2}\(contains a secret: not shown\)$/m);
  assert.match(shown.stdout, /^ {6}ip daddr 10\.66\.0\.0\/24 iifname != \{ "wg0", "lo" \} drop$/m);
  assert.match(shown.stdout, /^(systemctl enable --now wg-quick@wg0|wg-quick up \S+\/wg0\.conf)$/m);
  assert.ok(!existsSync(file));
});

test('without a mesh every command says how to begin; sync says what brings the interface up', {
  skip,
}, async (t) => {
  const { json, file } = place(t);
  const down = await json<Failure>('sync');
  assert.deepEqual(
    [down.error.code, down.error.hint],
    ['MESH_UNAVAILABLE', 'systemctl enable --now wg-quick@wg0'],
  );
  rmSync(file);
  const { error } = await json<Failure>('status');
  assert.deepEqual(
    [error.code, error.hint],
    ['MESH_UNAVAILABLE', 'sudo flatrender wg init --endpoint HOST:51820'],
  );
});
