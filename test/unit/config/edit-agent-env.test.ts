import assert from 'node:assert/strict';
import { chmod, mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { loadAgentConfig } from '../../../src/config/agent-config.ts';
import { changeEnvFile, parseSetting, shownSettings } from '../../../src/config/edit-agent-env.ts';
import { failureOf } from '../../helpers/failure-of.ts';

const TEXT = `# The studio.
NODE_ID=studio-1
NODE_HMAC_SECRET=0123456789abcdef0123456789abcdef
MAX_CONCURRENT_JOBS=1 # one
`;

async function envFile(t: TestContext): Promise<string> {
  const directory = await mkdtemp(join(tmpdir(), 'flatrender-env-'));
  t.after(() => rm(directory, { recursive: true }));
  const file = join(directory, 'agent.env');
  await writeFile(file, TEXT);
  await chmod(file, 0o640);
  return file;
}

const failing = (work: () => unknown) => failureOf(Promise.resolve().then(work));

test('a setting is changed where it stands; comments and rights stay', async (t) => {
  const file = await envFile(t);
  const changed = changeEnvFile(file, {
    MAX_CONCURRENT_JOBS: '2',
    NODE_TAGS: 'gpu,fast',
    NODE_ID: 'studio-1',
  });
  assert.deepEqual(changed, ['MAX_CONCURRENT_JOBS', 'NODE_TAGS']);
  const text = await readFile(file, 'utf8');
  assert.match(text, /^# The studio\.$/m);
  assert.match(text, /^MAX_CONCURRENT_JOBS=2$/m);
  if (process.platform !== 'win32') assert.equal((await stat(file)).mode & 0o777, 0o640);
  const { config } = loadAgentConfig({ envFile: file, env: {} });
  assert.deepEqual([config.maxConcurrentJobs, config.tags], [2, ['fast', 'gpu']]);
  assert.deepEqual(changeEnvFile(file, { MAX_CONCURRENT_JOBS: '2' }), []);
});

test('a value that is not valid changes nothing, nor do others beside it', async (t) => {
  const file = await envFile(t);
  const error = await failing(() => changeEnvFile(file, { NODE_TAGS: 'gpu', MAX_CONCURRENT_JOBS: 'many' }));
  assert.equal(error.code, 'CONFIG_INVALID');
  assert.match(error.message, /MAX_CONCURRENT_JOBS.*"many"/);
  assert.equal(await readFile(file, 'utf8'), TEXT);
});

test('values come back as they were given, whatever is in them', async (t) => {
  const file = await envFile(t);
  for (const path of ['C:\\new\\temp', '/mnt/a # b', "/mnt/anna's", '/mnt/"x"']) {
    changeEnvFile(file, { FFMPEG_PATH: path });
    assert.equal(loadAgentConfig({ envFile: file, env: {} }).config.ffmpegPath, path);
  }
});

test('what is no setting is refused, with what was meant', async () => {
  assert.deepEqual(parseSetting('NODE_TAGS=a=b'), { key: 'NODE_TAGS', value: 'a=b' });
  const misspelt = await failing(() => parseSetting('MAX_CONCURENT_JOBS=2'));
  assert.equal(misspelt.code, 'USAGE');
  assert.match(misspelt.hint ?? '', /MAX_CONCURRENT_JOBS/);
  assert.match((await failing(() => parseSetting('NODE_TAGS'))).message, /is not KEY=VALUE/);
});

test('the secret is not shown', async (t) => {
  const shown = shownSettings(await envFile(t));
  assert.deepEqual(
    shown.find(({ key }) => key === 'NODE_HMAC_SECRET'),
    {
      key: 'NODE_HMAC_SECRET',
      value: '(secret)',
    },
  );
  assert.doesNotMatch(JSON.stringify(shown), /0123456789abcdef/);
});
