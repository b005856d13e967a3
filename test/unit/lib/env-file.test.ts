import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { findEnvFile, parseEnvFile, placeOf, readEnvFile } from '../../../src/lib/env-file.ts';
import { FlatrenderError } from '../../../src/lib/errors.ts';

const code = (wanted: string, text: RegExp) => (error: unknown) =>
  error instanceof FlatrenderError && error.code === wanted && text.test(error.message);

test('a byte order mark and Windows line ends do not become part of a key or a value', () => {
  const file = parseEnvFile('\uFEFFNODE_ID=studio-1\r\n# note\r\nNODE_TAGS=a,b\r\n', 'agent.env');
  assert.deepEqual(file.values, { NODE_ID: 'studio-1', NODE_TAGS: 'a,b' });
  assert.deepEqual(file.lines, { NODE_ID: 1, NODE_TAGS: 3 });
});

test('a Windows path without quotes keeps its backslashes', () => {
  const { values } = parseEnvFile('AE_PATH=C:\\new\\Support Files\\aerender.exe\n', 'agent.env');
  assert.equal(values.AE_PATH, 'C:\\new\\Support Files\\aerender.exe');
});

test('of a key that is set twice the last line counts and is the one named', () => {
  const file = parseEnvFile('NODE_ID=a\nexport NODE_ID=b\n', 'agent.env');
  assert.equal(file.values.NODE_ID, 'b');
  assert.equal(placeOf('NODE_ID', file, {}), 'NODE_ID in agent.env, line 2');
  assert.equal(placeOf('NODE_ID', file, { NODE_ID: 'c' }), 'environment variable NODE_ID');
});

test('a file that PowerShell wrote in UTF-16 is read', async (t) => {
  const dir = await mkdtemp(join(tmpdir(), 'flatrender-env-'));
  t.after(() => rm(dir, { recursive: true }));
  const path = join(dir, 'agent.env');
  await writeFile(
    path,
    Buffer.concat([Buffer.from([0xff, 0xfe]), Buffer.from('NODE_ID=büro\r\n', 'utf16le')]),
  );
  assert.equal(readEnvFile(path).values.NODE_ID, 'büro');
  const swapped = Buffer.from('NODE_ID=big\n', 'utf16le').swap16();
  await writeFile(path, Buffer.concat([Buffer.from([0xfe, 0xff]), swapped]));
  assert.equal(readEnvFile(path).values.NODE_ID, 'big');
});

test('the file is the one asked for, then AGENT_ENV_FILE, then the first agent.env of the directories', async (t) => {
  const dir = await mkdtemp(join(tmpdir(), 'flatrender-env-'));
  t.after(() => rm(dir, { recursive: true }));
  const [given, named, beside] = ['given.env', 'named.env', 'agent.env'].map((name) => join(dir, name)) as [
    string,
    string,
    string,
  ];
  const directories = ['/nonexistent', dir];
  assert.equal(findEnvFile({ env: {}, directories }), null);
  for (const path of [given, named, beside]) await writeFile(path, '');
  assert.equal(findEnvFile({ given, env: { AGENT_ENV_FILE: named }, directories }), given);
  assert.equal(findEnvFile({ env: { AGENT_ENV_FILE: named }, directories }), named);
  assert.equal(findEnvFile({ env: { AGENT_ENV_FILE: '' }, directories }), beside);
});

test('a file that was named but is not there is an error, not a silent default', () => {
  assert.throws(
    () => findEnvFile({ given: '/no/x.env', env: {}, directories: [] }),
    code('CONFIG_MISSING', /\/no\/x\.env/),
  );
  const env = { AGENT_ENV_FILE: '/no/y.env' };
  assert.throws(() => findEnvFile({ env, directories: [] }), code('CONFIG_MISSING', /\/no\/y\.env/));
  assert.throws(() => readEnvFile(tmpdir()), code('CONFIG_MISSING', /cannot read/));
});
