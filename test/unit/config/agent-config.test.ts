import assert from 'node:assert/strict';
import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import {
  AGENT_KEYS,
  type AgentConfig,
  type AgentKey,
  loadAgentConfig,
} from '../../../src/config/agent-config.ts';
import { parseEnvFile } from '../../../src/lib/env-file.ts';
import { FlatrenderError } from '../../../src/lib/errors.ts';

const SECRET = 'a-secret-of-more-than-16-characters';
const EXAMPLE = join(import.meta.dirname, '../../../templates/config/agent.env.example');

function temporary(t: TestContext): string {
  const dir = mkdtempSync(join(tmpdir(), 'flatrender-config-'));
  t.after(() => rmSync(dir, { recursive: true }));
  return dir;
}

function load(
  t: TestContext,
  text: string,
  env: NodeJS.ProcessEnv = {},
  flags: Partial<Record<AgentKey, string>> = {},
) {
  const home = temporary(t);
  const envFile = join(home, 'agent.env');
  writeFileSync(envFile, text, { mode: 0o600 });
  return { home, envFile, ...loadAgentConfig({ envFile, flags, env: { FLATRENDER_HOME: home, ...env } }) };
}

function refusal(t: TestContext, text: string): FlatrenderError {
  try {
    load(t, `NODE_ID=studio-1\nNODE_HMAC_SECRET=${SECRET}\n${text}\n`);
  } catch (error) {
    if (error instanceof FlatrenderError) return error;
    throw error;
  }
  return assert.fail(`accepted: ${text}`);
}

test('two keys are enough; everything else has the documented default', (t) => {
  const { config, home, file, envFile } = load(t, `NODE_ID=studio-1\nNODE_HMAC_SECRET=${SECRET}\n`);
  assert.equal(file, envFile);
  const stateDir = join(home, 'agent', 'studio-1');
  assert.deepEqual(config, {
    nodeId: 'studio-1',
    secret: SECRET,
    url: 'http://10.66.0.1:8088',
    aerender: {
      path: null,
      stateDir: join(stateDir, 'aerender'),
      slots: 1,
      mode: null,
      outputModules: { sequence: null, movie: null },
      mfrPercent: null,
      memoryPercent: null,
      reuse: false,
      close: 'DO_NOT_SAVE_CHANGES',
      killStale: 'all',
      limits: { launch: 300, bind: 300, firstFrame: 600, frame: 600, encode: 600 },
    },
    roles: ['render'],
    hostIp: null,
    machineId: 'studio-1',
    maxConcurrentJobs: 1,
    tags: [],
    stateDir,
    tempDir: join(stateDir, 'work'),
    cacheMaxBytes: 20e9,
    minFreeBytes: 1e9,
    healthPort: 7777,
    healthHost: '127.0.0.1',
    ffmpegPath: '',
    encoderThreads: 0,
    logLevel: 'info',
    tracingEndpoint: null,
  });
});

test('a flag beats the environment, the environment beats the file, an empty value is the default', (t) => {
  const text = `NODE_ID=from-file\nNODE_HMAC_SECRET=${SECRET}\nMAX_CONCURRENT_JOBS=2\nHEALTH_PORT=\nNODE_TAGS=file\n`;
  const { config } = load(t, text, { MAX_CONCURRENT_JOBS: '3', NODE_TAGS: 'env' }, { NODE_TAGS: 'b, a,b' });
  assert.deepEqual(
    [config.nodeId, config.maxConcurrentJobs, config.healthPort, config.tags],
    ['from-file', 3, 7777, ['a', 'b']],
  );
});

test('the example documents every key, and is itself valid once the secret is there', (t) => {
  const text = readFileSync(EXAMPLE, 'utf8');
  const { values, lines } = parseEnvFile(text, EXAMPLE);
  assert.deepEqual(Object.keys(values).sort(), Object.keys(AGENT_KEYS).sort());
  const all = text.split('\n');
  for (const [key, line] of Object.entries(lines))
    assert.match(all[line - 2] ?? '', /^# \S/, `no comment above ${key}`);
  const { config, warnings } = load(t, text);
  assert.deepEqual(warnings, []);
  const { config: bare } = load(t, `NODE_ID=studio-1\nNODE_HMAC_SECRET=${SECRET}\n`);
  const compared = (one: AgentConfig) => ({
    ...one,
    ...{ secret: '', stateDir: '', tempDir: '' },
    aerender: { ...one.aerender, stateDir: '' },
  });
  assert.deepEqual(compared(config), compared(bare), 'the example shows the defaults');
});

test('AE_PATH: absent or auto finds After Effects, empty is mock mode, wherever it is said', (t) => {
  const base = `NODE_ID=studio-1\nNODE_HMAC_SECRET=${SECRET}\n`;
  const pathOf = (text: string, env: NodeJS.ProcessEnv = {}, flags: Partial<Record<AgentKey, string>> = {}) =>
    load(t, `${base}${text}\n`, env, flags).config.aerender.path;
  assert.equal(pathOf(''), null);
  assert.equal(pathOf('AE_PATH=auto'), null);
  assert.equal(pathOf('AE_PATH='), '');
  assert.equal(pathOf('', { AE_PATH: '' }), '');
  assert.equal(pathOf('AE_PATH=/opt/ae', {}, { AE_PATH: '' }), '');
  assert.equal(
    pathOf('AE_PATH=C:\\Program Files\\Adobe\\aerender.exe'),
    'C:\\Program Files\\Adobe\\aerender.exe',
  );
});

test('how After Effects is used is set by the node', (t) => {
  const { config, home } = load(
    t,
    [
      'NODE_ID=studio-1',
      `NODE_HMAC_SECRET=${SECRET}`,
      'MAX_CONCURRENT_JOBS=3',
      'AE_PATH=/opt/ae',
      'AE_MODE=Movie',
      'AE_SEQUENCE_MODULE=PNG Sequence',
      'AE_MOVIE_MODULE=Lossless',
      'AE_MFR_PERCENT=80',
      'AE_MEMORY_PERCENT=50  90',
      'AE_REUSE=yes',
      'AE_CLOSE=do_not_close',
      'AE_LAUNCH_SECONDS=10',
      'AE_BIND_SECONDS=20',
      'AE_FIRST_FRAME_SECONDS=30',
      'AE_FRAME_SECONDS=40',
      'AE_ENCODE_SECONDS=50',
    ].join('\n'),
  );
  assert.deepEqual(config.aerender, {
    path: '/opt/ae',
    stateDir: join(home, 'agent', 'studio-1', 'aerender'),
    slots: 3,
    mode: 'movie',
    outputModules: { sequence: 'PNG Sequence', movie: 'Lossless' },
    mfrPercent: 80,
    memoryPercent: { image: 50, max: 90 },
    reuse: true,
    close: 'DO_NOT_CLOSE',
    // Not everything: the After Effects that is used again would be ended.
    killStale: 'own',
    limits: { launch: 10, bind: 20, firstFrame: 30, frame: 40, encode: 50 },
  });
});

test('a bad value is refused with its key, file and line', (t) => {
  for (const [text, wanted] of [
    ['MAX_CONCURRENT_JOBS=0', /MAX_CONCURRENT_JOBS in .*agent\.env, line 3: "0" is not valid: at least 1/],
    ['MAX_CONCURRENT_JOBS=many', /"many" is not valid: a whole number from 1 to 64/],
    ['NODE_ROLE=render,cook', /NODE_ROLE .*line 3/],
    ['NODE_ROLE=,', /at least one role/],
    ['ORCHESTRATOR_URL=10.66.0.1:8088', /an address such as/],
    ['ORCHESTRATOR_URL=http://host:8088/farm', /without a path/],
    ['ORCHESTRATOR_URL=ftp://host', /an address such as/],
    ['HOST_IP=10.66.0.300', /an IP address/],
    ['HEALTH_PORT=70000', /at most 65535/],
    ['CACHE_MAX_GB=-1', /a number of gigabytes/],
    ['NODE_TAGS=GPU!', /NODE_TAGS/],
    ['LOG_LEVEL=loud', /trace, debug, info/],
    ['AE_PATH="C:\\new"', /line break/],
    ['AE_MODE=film', /AE_MODE .*line 3/],
    ['AE_MFR_PERCENT=0', /AE_MFR_PERCENT .*at least 1/],
    ['AE_MEMORY_PERCENT=50', /two percentages from 1 to 200 such as "50 100"/],
    ['AE_MEMORY_PERCENT=50 900', /two percentages/],
    ['AE_CLOSE=LATER', /AE_CLOSE/],
    ['AE_KILL_STALE=some', /AE_KILL_STALE/],
    ['AE_FRAME_SECONDS=0', /at least 1/],
  ] as const) {
    const error = refusal(t, text);
    assert.equal(error.code, 'CONFIG_INVALID', text);
    assert.match(error.message, wanted);
  }
});

test('no message shows the secret', (t) => {
  const home = temporary(t);
  const envFile = join(home, 'agent.env');
  writeFileSync(envFile, 'NODE_ID=studio-1\nNODE_HMAC_SECRET=hunter2\n');
  assert.throws(
    () => loadAgentConfig({ envFile, env: { FLATRENDER_HOME: home } }),
    (error: FlatrenderError) =>
      error.code === 'CONFIG_INVALID' && !JSON.stringify(error.toBody()).includes('hunter2'),
  );
});

test('a missing key says where it was looked for and what a misspelt one was meant to be', (t) => {
  assert.throws(
    () => load(t, `NODE_ID=studio-1\nNODE_HMAC_SECERT=${SECRET}\n`),
    (error: FlatrenderError) =>
      error.code === 'CONFIG_MISSING' &&
      /agent\.env/.test(error.message) &&
      /did you mean NODE_HMAC_SECRET/.test(error.hint ?? ''),
  );
});

test('misspelt keys are warned of, foreign ones are left alone', (t) => {
  const { warnings } = load(
    t,
    `NODE_ID=studio-1\nNODE_HMAC_SECRET=${SECRET}\nNODE_TAG=gpu\nHTTP_PROXY=x\nAE_FRAMES=9\nMAX_CONKURURRENT_JOBS=1\nSOMETHING_ELSE=1\n`,
  );
  assert.ok(warnings.every(({ event }) => event === 'config.unknown-key'));
  const about = (key: string) => warnings.find(({ message }) => message.startsWith(key))?.message ?? '';
  assert.equal(warnings.length, 4);
  assert.match(about('NODE_TAG'), /did you mean NODE_TAGS\?$/);
  assert.match(about('AE_FRAMES'), /^AE_FRAMES .* is not a setting/);
  assert.match(about('MAX_CONK'), /line 6 is not a setting; did you mean MAX_CONCURRENT_JOBS\?$/);
  assert.match(about('SOMETHING_ELSE'), / is not a setting$/);
});

test('the scratch space is a directory of its own below TEMP_DIR, because it is emptied at start', (t) => {
  const { config } = load(
    t,
    `NODE_ID=studio-1\nNODE_HMAC_SECRET=${SECRET}\nTEMP_DIR=/srv/scratch\nHEALTH_PORT=off\n`,
  );
  assert.equal(config.tempDir, '/srv/scratch/flatrender-studio-1');
  assert.equal(config.healthPort, null);
});

test('a file with the secret that others may read is warned of', {
  skip: process.platform === 'win32' && 'no mode bits',
}, (t) => {
  const { envFile, home } = load(t, `NODE_ID=studio-1\nNODE_HMAC_SECRET=${SECRET}\n`);
  chmodSync(envFile, 0o644);
  const { warnings } = loadAgentConfig({ envFile, env: { FLATRENDER_HOME: home } });
  assert.deepEqual(
    warnings.map(({ event }) => event),
    ['config.readable-by-others'],
  );
  assert.match(warnings[0]?.message ?? '', /others on this machine may read .*agent\.env/);
});
