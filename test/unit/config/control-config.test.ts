import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { parse } from 'yaml';
import {
  defaultControlConfig,
  loadControlConfig,
  renderControlConfig,
  variableOf,
} from '../../../src/config/control-config.ts';
import { createFarmSecret, flatrenderHome, homePaths, loadFarmSecret } from '../../../src/config/home.ts';
import { isListenAddress } from '../../../src/config/listen-address.ts';

function withHome(yaml: string | null, use: (directory: string) => void): void {
  const directory = mkdtempSync(join(tmpdir(), 'flatrender-config-'));
  try {
    if (yaml !== null) writeFileSync(homePaths(directory).config, yaml);
    use(directory);
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

test('the shipped flatrender.yaml has every option, at its default, each with a comment', () => {
  const text = renderControlConfig();
  assert.deepEqual(parse(text), defaultControlConfig());
  const undocumented = Object.keys(defaultControlConfig()).filter((section) => !text.includes(`${section}:`));
  assert.deepEqual(undocumented, []);
});

test('written settings keep the comments around them', () => {
  const text = renderControlConfig({
    'gateway.host': '10.66.0.1',
    'gateway.allow': ['10.66.0.0/24'],
    'farm.name': 'Düsseldorf: 1',
  });
  const before = renderControlConfig()
    .split('\n')
    .filter((line) => line.trim().startsWith('#'));
  assert.deepEqual(
    text.split('\n').filter((line) => line.trim().startsWith('#')),
    before,
  );
  assert.equal(parse(text).gateway.host, '10.66.0.1');
  assert.equal(parse(text).farm.name, 'Düsseldorf: 1');
  assert.match(text, /^ {2}allow: \[ 10\.66\.0\.0\/24 \]$/m);
});

test('a flag wins over the environment, the environment over the file, the file over the default', () => {
  withHome('gateway:\n  port: 1000\n  host: 10.0.0.1\nfarm: { name: file }\n', (directory) => {
    const env = { FLATRENDER_GATEWAY_PORT: '2000', FLATRENDER_GATEWAY_HOST: '10.0.0.2' };
    const config = loadControlConfig({
      directory,
      env,
      flags: { 'gateway.port': 3000, 'gateway.host': undefined },
    });
    assert.deepEqual(
      [config.gateway.port, config.gateway.host, config.farm.name, config.limits.jsonDepth],
      [3000, '10.0.0.2', 'file', 32],
    );
  });
  assert.equal(variableOf('gateway.publicUrl'), 'FLATRENDER_GATEWAY_PUBLIC_URL');
});

test('no file, and an empty one, mean the defaults', () => {
  for (const yaml of [null, '', '# nothing\n']) {
    withHome(yaml, (directory) =>
      assert.deepEqual(loadControlConfig({ directory, env: {} }), defaultControlConfig()),
    );
  }
});

test('mistakes are named with file, line, option, and what was meant', () => {
  const refused = (yaml: string, message: RegExp, hint?: string, env = {}) =>
    withHome(yaml, (directory) =>
      assert.throws(
        () => loadControlConfig({ directory, env }),
        (error: Error & { code?: string; hint?: string }) => {
          assert.equal(error.code, 'CONFIG_INVALID');
          assert.match(error.message, message);
          if (hint !== undefined) assert.equal(error.hint, hint);
          return true;
        },
      ),
    );
  refused(
    'farm:\n  name: x\ngateway:\n  prot: 1\n',
    /flatrender\.yaml:4: there is no option gateway\.prot/,
    'did you mean "port"?',
  );
  refused('gatewy: {}\n', /flatrender\.yaml:1: there is no option gatewy/, 'did you mean "gateway"?');
  refused('gateway:\n  port: many\n', /flatrender\.yaml:2: gateway\.port: /);
  refused(
    'gateway:\n  host: 10.66.0.1:8088\n',
    /flatrender\.yaml:2: gateway\.host: "10\.66\.0\.1:8088" is not an address to listen on/,
  );
  refused('store: mysql://x\n', /flatrender\.yaml:1: store: /);
  refused('a: [1\n', /flatrender\.yaml:\d+: /);
  refused('- a\n- b\n', /flatrender\.yaml: the file: /);
  refused('leases:\n  leaseSeconds: 10\n', /leases\.leaseSeconds: 10 is not more than suspectSeconds \(20\)/);
  refused('', /FLATRENDER_GATEWAY_PORT: gateway\.port: /, undefined, { FLATRENDER_GATEWAY_PORT: 'x' });
});

test('the state directory is $FLATRENDER_HOME, else .flatrender at home', () => {
  assert.equal(flatrenderHome({ FLATRENDER_HOME: '/srv/farm' }), '/srv/farm');
  assert.match(flatrenderHome({}), /[\\/]\.flatrender$/);
});

test('the farm secret is made once, for its owner only, and a damaged or readable one is refused', () => {
  withHome(null, (directory) => {
    assert.throws(() => loadFarmSecret(directory), {
      code: 'CONFIG_MISSING',
      hint: /keeps its secret: scp OTHER-MACHINE:\S+farm\.secret \S+farm\.secret .* new farm run "flatrender control init"$/,
    });
    assert.equal(createFarmSecret(directory), true);
    const secret = loadFarmSecret(directory);
    assert.equal(secret.length, 32);
    assert.equal(createFarmSecret(directory), false);
    assert.ok(loadFarmSecret(directory).equals(secret));
    const { farmSecret } = homePaths(directory);
    if (process.platform !== 'win32') {
      assert.equal(statSync(farmSecret).mode & 0o777, 0o600);
      writeFileSync(join(directory, 'copy'), readFileSync(farmSecret), { mode: 0o644 });
      rmSync(farmSecret);
      writeFileSync(farmSecret, readFileSync(join(directory, 'copy')), { mode: 0o644 });
      assert.throws(() => loadFarmSecret(directory), {
        code: 'CONFIG_INVALID',
        message: /others on this machine may read/,
      });
    }
    rmSync(farmSecret);
    writeFileSync(farmSecret, 'short\n', { mode: 0o600 });
    assert.throws(() => loadFarmSecret(directory), {
      code: 'CONFIG_INVALID',
      message: /is not a farm secret/,
    });
  });
});

test('a state directory that cannot be made is the user’s to change, not a bug', () =>
  withHome('farm: {}', (directory) => {
    const file = homePaths(directory).config;
    assert.throws(() => createFarmSecret(join(file, 'below-a-file')), {
      code: 'CONFIG_INVALID',
      hint: /FLATRENDER_HOME/,
    });
  }));

test('an address to listen on is an IP address or the name of a machine', () => {
  for (const host of [
    '127.0.0.1',
    '0.0.0.0',
    '::',
    'fe80::1%eth0',
    'localhost',
    'node_1.studio.example',
    'büro',
  ])
    assert.ok(isListenAddress(host), host);
  for (const host of [
    '300.1.1.1',
    '10.0.0.1:80',
    '[::1]',
    'http://x',
    'a/b',
    'a b',
    'me@x',
    'x%y',
    '1::2::3',
    '',
  ])
    assert.ok(!isListenAddress(host), host);
});

test('what is missing while there is no file is named by its flag, or by its variable', () => {
  withHome(null, (directory) => {
    const missing = (flags: Record<string, unknown>, env: Record<string, string>, message: RegExp): void =>
      assert.throws(() => loadControlConfig({ directory, flags, env }), {
        ...{ code: 'CONFIG_INVALID', message },
        hint: /^give it with \S+; there is no .*flatrender\.yaml yet$/,
      });
    const s3 = { 'objects.type': 's3', 'objects.endpoint': undefined, 'objects.accessKey': undefined };
    const there = { ...s3, 'objects.endpoint': 'http://s3:9000', 'objects.secretKey': undefined };
    missing(s3, {}, /^--s3-endpoint: objects\.type: s3 needs it, such as http:/);
    missing(there, {}, /^--s3-access-key: objects\.type: s3 needs it \(or FLATRENDER_S3_ACCESS_KEY\)$/);
    const key = { FLATRENDER_S3_ACCESS_KEY: 'a' };
    missing(there, key, /^FLATRENDER_S3_SECRET_KEY: objects\.type: s3 needs it$/);
    missing({}, { FLATRENDER_OBJECTS_TYPE: 's3' }, /^FLATRENDER_OBJECTS_ENDPOINT: /);
  });
});

test('an S3 server needs an address and keys, which may come from the environment or from files', () => {
  const yaml = 'objects:\n  type: s3\n  endpoint: http://10.66.0.1:9000/\n';
  const secret = { FLATRENDER_S3_ACCESS_KEY: '0123', FLATRENDER_S3_SECRET_KEY: 'a=b' };
  withHome(yaml, (directory) => {
    const { objects } = loadControlConfig({ directory, env: secret });
    // Digits stay text, and the slash at the end is none of the signed path.
    assert.deepEqual(
      [objects.endpoint, objects.accessKey, objects.secretKey],
      ['http://10.66.0.1:9000', '0123', 'a=b'],
    );
    assert.throws(
      () => loadControlConfig({ directory, env: {} }),
      /objects\.accessKey: objects\.type: s3 needs it/,
    );
    const env = { ...secret, FLATRENDER_S3_SECRET_KEY: '', FLATRENDER_S3_SECRET_KEY_FILE: '/no/such' };
    assert.throws(
      () => loadControlConfig({ directory, env }),
      /SECRET_KEY_FILE: cannot read \/no\/such \(ENOENT\)/,
    );
    const container = { FLATRENDER_OBJECTS_TYPE: 'fs', FLATRENDER_OBJECTS_PRESIGN_ENDPOINT: '' };
    assert.equal(loadControlConfig({ directory, env: container }).objects.type, 'fs');
  });
  for (const endpoint of [
    'http://s3:9000/files',
    's3:9000',
    'http://me:secret@s3',
    'http://s3/?a=b',
    'ftp://s3',
  ]) {
    withHome(`objects:\n  type: s3\n  endpoint: ${endpoint}\n`, (directory) => {
      assert.throws(
        () => loadControlConfig({ directory, env: secret }),
        /flatrender\.yaml:3: objects\.endpoint: /,
      );
    });
  }
  for (const [name, value] of Object.entries({
    bucket: 'Films',
    partBytes: 1024,
    pathStyle: 'yes',
    region: '""',
  })) {
    withHome(`objects:\n  ${name}: ${value}\n`, (directory) => {
      assert.throws(
        () => loadControlConfig({ directory, env: {} }),
        new RegExp(`yaml:2: objects\\.${name}: `),
      );
    });
  }
});
