import assert from 'node:assert/strict';
import { execFile, spawn } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { promisify } from 'node:util';
import { cliEnv, pinnedNode, runCli } from '../helpers/cli.ts';

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

test('an unknown command is a usage error', async () => {
  const { exitCode, stdout, stderr } = await runCli(['no-such-command']);
  assert.equal(stdout, '');
  assert.match(stderr, /no-such-command not found/);
  assert.equal(exitCode, 2);
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
