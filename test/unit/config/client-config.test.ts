import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import {
  checkUrl,
  clientFile,
  loadClientConfig,
  saveClientConfig,
} from '../../../src/config/client-config.ts';

const root = mkdtempSync(join(tmpdir(), 'flatrender-client-'));
after(() => rmSync(root, { recursive: true, force: true }));
let homes = 0;
const newHome = () => join(root, `home-${homes++}`);

test('what login saved is used, and only its owner may read it', () => {
  const home = newHome();
  const file = saveClientConfig({ url: 'http://farm:8088/', token: 'fr_a' }, home);
  assert.deepEqual(JSON.parse(readFileSync(file, 'utf8')), { url: 'http://farm:8088', token: 'fr_a' });
  if (process.platform !== 'win32') assert.equal(statSync(file).mode & 0o777, 0o600);
  assert.deepEqual(loadClientConfig({}, {}, home), { url: 'http://farm:8088', token: 'fr_a', source: file });
});

test('a file that others could read becomes private when it is written again', {
  skip: process.platform === 'win32',
}, () => {
  const home = newHome();
  mkdirSync(home);
  writeFileSync(clientFile(home), '{}', { mode: 0o644 });
  assert.equal(statSync(saveClientConfig({ url: 'http://farm', token: 'fr_a' }, home)).mode & 0o777, 0o600);
});

test('flag beats environment beats file, for address and token', () => {
  const home = newHome();
  saveClientConfig({ url: 'http://file', token: 'fr_file' }, home);
  const env = { FLATRENDER_URL: 'http://env', FLATRENDER_TOKEN: 'fr_env' };
  assert.deepEqual(loadClientConfig({ url: 'http://flag', token: 'fr_flag' }, env, home), {
    url: 'http://flag',
    token: 'fr_flag',
    source: '--url',
  });
  assert.deepEqual(loadClientConfig({}, env, home), {
    url: 'http://env',
    token: 'fr_env',
    source: 'FLATRENDER_URL',
  });
  assert.equal(loadClientConfig({}, { FLATRENDER_TOKEN: 'fr_env' }, home).token, 'fr_env');
  assert.equal(loadClientConfig({}, { FLATRENDER_URL: '', FLATRENDER_TOKEN: '' }, home).url, 'http://file');
});

test('the stored token goes to the stored address only', () => {
  const home = newHome();
  saveClientConfig({ url: 'http://file', token: 'fr_file' }, home);
  assert.equal(loadClientConfig({ url: 'http://elsewhere' }, {}, home).token, undefined);
  assert.equal(loadClientConfig({ url: 'http://file/' }, {}, home).token, 'fr_file');
});

test('nothing known: what to run', () => {
  assert.throws(() => loadClientConfig({}, {}, newHome()), {
    code: 'CONFIG_MISSING',
    hint: /flatrender login .*flatrender control init/,
    exit: 2,
  });
});

test('a damaged file, a wrong address and an impossible token are refused', () => {
  const home = newHome();
  mkdirSync(home);
  for (const text of ['{', '[]', '{"url":5}', '']) {
    writeFileSync(clientFile(home), text);
    assert.throws(() => loadClientConfig({}, {}, home), {
      code: 'CONFIG_INVALID',
      message: /client\.json is not/,
    });
  }
  for (const url of ['ftp://x', 'http://', 'http://user:pw@x', 'http://x?y', '']) {
    assert.throws(() => checkUrl(url, '--url'), { code: 'CONFIG_INVALID', message: /^--url: / }, url);
  }
  assert.throws(() => loadClientConfig({ url: 'http://x', token: 'fr_a\nb' }, {}, home), {
    code: 'CONFIG_INVALID',
  });
});

test('an address without a scheme is http', () => {
  assert.equal(checkUrl('10.66.0.1:8088', '--url'), 'http://10.66.0.1:8088');
  assert.equal(checkUrl('https://farm.example.com/base/', '--url'), 'https://farm.example.com/base');
});
