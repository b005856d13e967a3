import assert from 'node:assert/strict';
import { execFile, spawn } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { promisify } from 'node:util';
import { cliEnv, pinnedNode, runCli, runCliJson } from '../helpers/cli.ts';

const run = promisify(execFile);
const root = join(import.meta.dirname, '..', '..');
const home = await mkdtemp(join(tmpdir(), 'flatrender-bin-'));
after(() => rm(home, { recursive: true, force: true }));

test('the short way of --version prints what oclif prints', async () => {
  const short = await runCli(['--version'], { mode: 'built' });
  const oclif = await runCli(['--version'], { mode: 'dev' });
  assert.deepEqual(short, oclif);
  assert.equal(short.exitCode, 0);
});

test('--version loads neither oclif nor anything else of dist', async () => {
  const { stderr } = await run(pinnedNode(), [join(root, 'bin', 'run.js'), '--version'], {
    env: cliEnv(home, { NODE_DEBUG: 'esm,module' }),
    maxBuffer: 16 * 1024 * 1024,
  });
  assert.doesNotMatch(stderr, /dist[\\/]/);
});

test('an unknown command is a usage error that names what was probably meant', async () => {
  const text = await runCli(['job', 'lst']);
  assert.deepEqual(text, {
    stdout: '',
    stderr:
      'error: there is no command "lst" in "job"; did you mean "list"?\nhint: run "flatrender job --help"\n',
    exitCode: 2,
    signal: null,
  });
});

for (const mode of ['built', 'dev'] as const) {
  for (const [args, message] of [
    [['no-such-command'], 'there is no command "no-such-command"'],
    [['job', 'no-such-command'], 'there is no command "no-such-command" in "job"'],
    [['job', 'list', 'extra'], '"job list" takes no argument, and got "extra"'],
    [['job'], 'which command of "job"?'],
    [[], 'the command comes first, before --json'],
  ] as const) {
    test(`flatrender ${args.join(' ')} --json prints one JSON value (${mode})`, async () => {
      const { json, exitCode, stderr } = await runCliJson<{ error: { code: string; message: string } }>(
        [...args],
        { mode },
      );
      assert.deepEqual([json.error.code, json.error.message, exitCode, stderr], ['USAGE', message, 2, '']);
    });
  }
}

test('help has three spellings, and asked for it is no failure', async () => {
  const [flag, short, word] = await Promise.all([
    runCli(['job', 'list', '--help']),
    runCli(['job', 'list', '-h']),
    runCli(['help', 'job', 'list']),
  ]);
  assert.match(flag.stdout, /^List jobs/);
  assert.equal(flag.exitCode, 0);
  assert.deepEqual([short, word], [flag, flag]);
});

test('a short command starts without what takes long to load', async () => {
  // Each of these costs at least a tenth of bare Node's start.
  const watch = `
    let sorted = false;
    const { localeCompare } = String.prototype;
    String.prototype.localeCompare = function (...args) { sorted = true; return localeCompare.apply(this, args); };
    process.on('exit', () => process.stderr.write(JSON.stringify({
      sorted,
      slow: process.moduleLoadList.filter((name) => /^NativeModule (crypto|https|internal.deps.undici.undici)$/.test(name)),
    })));`;
  const { stderr } = await run(
    pinnedNode(),
    [
      '--import',
      `data:text/javascript,${encodeURIComponent(watch)}`,
      join(root, 'bin', 'run.js'),
      ...['job', 'list', '--url', 'http://127.0.0.1:1', '--token', 'none'],
    ],
    { env: cliEnv(home) },
  ).catch((error) => error);
  assert.match(stderr, /cannot reach/);
  assert.deepEqual(JSON.parse(stderr.slice(stderr.lastIndexOf('{'))), { sorted: false, slow: [] });
});

for (const bin of ['run.js', 'dev.js']) {
  test(`a reader that goes away ends ${bin} quietly with 0`, {
    skip: process.platform === 'win32',
  }, async () => {
    const child = spawn(pinnedNode(), [join(root, 'bin', bin), '--help'], { env: cliEnv(home) });
    child.stdout.destroy();
    let stderr = '';
    child.stderr.on('data', (chunk) => {
      stderr += chunk;
    });
    const code = await new Promise((resolve) => child.on('close', resolve));
    assert.deepEqual({ code, stderr }, { code: 0, stderr: '' });
  });

  test(`${bin} says what is wrong on an old Node`, async () => {
    const source = `Object.defineProperty(process, 'versions', { value: { ...process.versions, node: '20.20.2' } });`;
    const result = await run(
      pinnedNode(),
      ['--import', `data:text/javascript,${encodeURIComponent(source)}`, join(root, 'bin', bin), '--version'],
      { env: cliEnv(home) },
    ).catch((error) => error);
    assert.equal(result.code, 2);
    assert.equal(result.stdout, '');
    assert.match(result.stderr, /^flatrender needs Node\.js 24 or newer; this is v/);
  });
}
