import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { delimiter, dirname, join } from 'node:path';
import { after, test } from 'node:test';
import { pathToFileURL } from 'node:url';
import { promisify } from 'node:util';
import { cliEnv, pinnedNode } from '../helpers/cli.ts';

const run = promisify(execFile);
const root = join(import.meta.dirname, '..', '..');
const { version } = JSON.parse(await readFile(join(root, 'package.json'), 'utf8'));
const dir = await mkdtemp(join(tmpdir(), 'flatrender-package-'));
after(() => rm(dir, { recursive: true, force: true }));

const windows = process.platform === 'win32';
// npm's own settings (registry, cache) stay those of the user; only HOME of the installed program is another.
const npm = (args: string[], cwd: string) =>
  run(windows ? 'npm.cmd' : 'npm', args, { cwd, shell: windows, maxBuffer: 64 * 1024 * 1024 });

test('the packed tarball installs into an empty folder and runs there', { timeout: 240_000 }, async (t) => {
  // `npm test` has built dist; building again here would change it under the feet of other tests.
  await npm(['pack', '--ignore-scripts', '--silent', '--pack-destination', dir], root);
  const tarball = (await readdir(dir)).find((file) => file.endsWith('.tgz'));
  assert.ok(tarball, 'npm pack wrote no tarball');
  await npm(
    [
      'install',
      '--prefix',
      dir,
      '--prefer-offline',
      '--no-audit',
      '--no-fund',
      '--no-save',
      join(dir, tarball),
    ],
    dir,
  );
  const installed = join(dir, 'node_modules', 'flatrender');
  const flatrender = (args: string[]) =>
    run(join(dir, 'node_modules', '.bin', windows ? 'flatrender.cmd' : 'flatrender'), args, {
      cwd: dir,
      shell: windows,
      env: cliEnv(dir, { PATH: `${dirname(pinnedNode())}${delimiter}${process.env.PATH}` }),
    });

  await t.test('--version', async () => {
    const { stdout, stderr } = await flatrender(['--version']);
    assert.match(stdout, new RegExp(`^flatrender/${version} `));
    assert.equal(stderr, '');
  });

  await t.test('--help lists the commands, without a warning', async () => {
    const { stdout, stderr } = await flatrender(['--help']);
    assert.match(stdout, /USAGE\n {2}\$ flatrender/);
    assert.equal(stderr, '');
  });

  await t.test('every command loads from there', async () => {
    const manifest = JSON.parse(await readFile(join(installed, 'dist', 'oclif.manifest.json'), 'utf8'));
    const modules = Object.values<{ relativePath: string[] }>(manifest.commands).map(
      ({ relativePath }) => pathToFileURL(join(installed, 'dist', ...relativePath)).href,
    );
    const source = `for (const url of ${JSON.stringify(modules)}) await import(url);`;
    await run(pinnedNode(), ['--input-type=module', '--eval', source], { env: cliEnv(dir) });
  });

  await t.test('it ships the files that are read at run time, and no sources or tests', async () => {
    const files = await readdir(installed, { recursive: true });
    const migrations = await readdir(join(root, 'src/store'), { recursive: true });
    for (const file of migrations.filter((name) => name.endsWith('.sql'))) {
      assert.ok(files.includes(join('src', 'store', file)), `${file} is not in the package`);
    }
    assert.deepEqual(
      files.filter(
        (file) => /^(test|commands|\.ci)\b|(?<!\.d)\.ts$/.test(file) && !file.startsWith('node_modules'),
      ),
      [],
    );
  });
});
