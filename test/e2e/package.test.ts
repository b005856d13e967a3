import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { globSync } from 'node:fs';
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { delimiter, dirname, join, relative } from 'node:path';
import { after, test } from 'node:test';
import { pathToFileURL } from 'node:url';
import { promisify } from 'node:util';
import { probeMedia } from '../../src/media/probe.ts';
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

  await t.test('it installs only what is not bundled', async () => {
    const { dependencies } = JSON.parse(await readFile(join(installed, 'package.json'), 'utf8'));
    const { packages } = JSON.parse(
      await readFile(join(dir, 'node_modules', '.package-lock.json'), 'utf8'),
    ) as { packages: Record<string, unknown> };
    const there = Object.keys(packages).map((path) => path.replace(/^node_modules\//, ''));
    for (const name of Object.keys(dependencies)) assert.ok(there.includes(name), `${name} is missing`);
    for (const name of ['fastify', '@oclif/core', 'zod', 'typescript']) {
      assert.ok(!there.includes(name), `${name} is in the bundle and needs no install`);
    }
  });

  await t.test('a job goes through a farm of the installed program', async () => {
    const { stdout } = await flatrender(['smoke-test', '--json']);
    const result = JSON.parse(stdout) as { ephemeral: boolean; steps: { name: string }[] };
    assert.equal(result.ephemeral, true);
    assert.deepEqual(
      result.steps.map(({ name }) => name),
      ['claim', 'download', 'render', 'upload', 'complete', 'fetch'],
    );
  });

  await t.test('quickstart renders the starter template it ships with', async () => {
    const { stdout } = await flatrender(['quickstart', '--title', 'Installed', '--json']);
    const { file } = JSON.parse(stdout) as { file: { path: string; frames: number } };
    assert.equal(file.frames, 150);
    const media = await probeMedia(file.path, { ffmpegPath: '' });
    assert.deepEqual([media.frames, media.width, media.height, media.codec], [150, 1920, 1080, 'h264']);
  });

  await t.test('it ships what is read at run time and what the law asks for, and nothing else', async () => {
    const files = (await readdir(installed, { recursive: true, withFileTypes: true }))
      .filter((entry) => entry.isFile())
      .map((entry) => relative(installed, join(entry.parentPath, entry.name)).replaceAll('\\', '/'))
      .filter((file) => !file.startsWith('node_modules/'));
    const migrations = globSync('src/store/**/migrations/*.sql', { cwd: root });
    assert.ok(migrations.length > 0);
    const templates = globSync('templates/**', { cwd: root, withFileTypes: true })
      .filter((entry) => entry.isFile())
      .map((entry) => relative(root, join(entry.parentPath, entry.name)));
    const expected = ['package.json', 'LICENSE', 'README.md', 'CHANGELOG.md', 'bin/run.js'];
    assert.deepEqual(
      files.filter((file) => !file.startsWith('dist/')).sort(),
      [...expected, ...migrations, ...templates].map((file) => file.replaceAll('\\', '/')).sort(),
    );
    assert.deepEqual(
      files.filter((file) => /^dist\/.*(?<!\.js)$/.test(file)),
      ['dist/THIRD-PARTY-LICENSES.txt', 'dist/oclif.manifest.json'],
    );
    const notices = await readFile(join(installed, 'dist', 'THIRD-PARTY-LICENSES.txt'), 'utf8');
    for (const name of ['fastify', '@oclif/core', 'zod', 'undici', 'fontkit']) {
      assert.match(notices, new RegExp(`^${name} \\d+\\.\\d+\\.\\d+ \\(`, 'm'));
    }
  });
});
