/** What `npm run release` hands out. flatrender.exe itself is tested in test/system/windows-service.test.ts. */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, readFile, rm, symlink } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, dirname, join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { promisify } from 'node:util';
import { releaseLinux, releaseWindows } from '../../bin/release.ts';
import { releaseSbom } from '../../bin/sbom.ts';
import { cliEnv } from '../helpers/cli.ts';

const run = promisify(execFile);
const root = join(import.meta.dirname, '..', '..');
const { version } = JSON.parse(await readFile(join(root, 'package.json'), 'utf8'));

const canBuild = process.platform === 'linux' && process.arch === 'x64';
const skip = canBuild ? undefined : 'archives are made on Linux on x64';
const isBuilt =
  existsSync(join(root, 'dist', 'oclif.manifest.json')) || process.env.FLATRENDER_TEST_CLI === 'built';

test('the archive for Windows is the same bytes twice, with a checksum of every file', {
  skip,
  timeout: 600_000,
}, async (t) => {
  const directory = await scratch(t);
  const archives: Buffer[] = [];
  for (const name of ['once', 'again']) {
    await mkdir(join(directory, name));
    archives.push(await readFile(await releaseWindows(join(directory, name))));
  }
  const [once, again] = archives;
  assert.ok(once && again && once.equals(again));
  await run('unzip', [
    '-q',
    join(directory, 'once', `flatrender-${version}-windows-x64.zip`),
    '-d',
    directory,
  ]);
  const files = join(directory, `flatrender-${version}-windows-x64`);
  const { stdout } = await run('sha256sum', ['--check', '--strict', 'SHA256SUMS'], { cwd: files });
  for (const name of [
    'flatrender.exe',
    'koffi.node',
    'agent.env.example',
    'README.txt',
    'DEPLOY.md',
    'LICENSE.txt',
    'THIRD-PARTY-LICENSES.txt',
    'templates/config/agent.env.example',
    'templates/aftereffects/bind.jsx',
    'src/store/sqlite/migrations/0001_farm.sql',
  ]) {
    assert.match(stdout, new RegExp(`^${name.replaceAll('.', '\\.')}: OK$`, 'm'));
  }
  // Not to be passed on: FFmpeg's licence.
  assert.ok(!existsSync(join(files, 'node-av.node')));
  const licences = await readFile(join(files, 'THIRD-PARTY-LICENSES.txt'), 'latin1');
  assert.match(licences, /Node\.js 26/);
  assert.match(licences, /koffi \(MIT\)/);
});

test('the archive for Linux runs with the Node in it, through a link as well', {
  skip: skip ?? (isBuilt ? undefined : 'needs npm run build'),
  timeout: 600_000,
}, async (t) => {
  const directory = await scratch(t);
  const archive = await releaseLinux(directory);
  assert.equal(basename(archive), `flatrender-${version}-linux-x64.tar.gz`);
  await run('tar', ['-xzf', archive, '-C', directory]);
  const program = join(directory, `flatrender-${version}-linux-x64`, 'bin', 'flatrender');
  assert.ok(existsSync(join(dirname(dirname(program)), 'deploy', 'README.md')), 'the kit is in it');
  const link = join(directory, 'flatrender');
  await symlink(program, link);
  for (const file of [program, link]) {
    const { stdout } = await run(file, ['--version'], {
      env: { ...cliEnv(directory), PATH: '/usr/bin:/bin' },
    });
    assert.match(stdout, new RegExp(`^flatrender/${version} linux-x64 node-v26\\.`));
  }
  const { stdout } = await run(program, ['doctor', '--json'], {
    env: { ...cliEnv(directory), PATH: '/nowhere:/usr/bin:/bin' },
  });
  assert.match(stdout, /lottie/);
});

async function scratch(t: TestContext): Promise<string> {
  const directory = await mkdtemp(join(tmpdir(), 'flatrender-release-'));
  t.after(() => rm(directory, { recursive: true, force: true }));
  return directory;
}

test('the bill of materials names what is in the program, with digests, and nothing that only builds it', {
  skip: skip ?? (isBuilt ? undefined : 'dist/ is not built'),
}, async (t) => {
  const directory = await scratch(t);
  const once = await readFile(await releaseSbom(directory), 'utf8');
  assert.equal(await readFile(await releaseSbom(directory), 'utf8'), once);
  const { bomFormat, components, dependencies } = JSON.parse(once) as {
    bomFormat: string;
    components: { name: string; purl: string; licenses?: unknown[]; hashes?: unknown[] }[];
    dependencies: { ref: string }[];
  };
  assert.equal(bomFormat, 'CycloneDX');
  const names = new Set(components.map(({ name }) => name));
  for (const name of ['canvaskit-wasm', 'fastify', 'zod', 'node', 'pino', 'undici', 'avvio'])
    assert.ok(names.has(name), name);
  for (const name of ['@biomejs/biome', 'rolldown', 'fast-check', '@types/node'])
    assert.ok(!names.has(name), name);
  for (const { purl, licenses } of components) {
    assert.match(purl, /^pkg:npm\/[^@]+@[^@]+$/);
    assert.match(JSON.stringify(licenses), /"(?:id|expression|name)":"/, `${purl} without a licence`);
  }
  assert.equal(dependencies.length, components.length);
});
