import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { chmod, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { replaceProgram, type UpdateService } from '../../../src/setup/update-program.ts';
import { failureOf } from '../../helpers/failure-of.ts';

const skip = process.platform === 'win32' ? 'programs of this test are shell scripts' : false;
const SYSTEM = `${process.platform}-${process.arch}`;

/** A program that says a version, and nothing else. */
async function program(path: string, version: string, system = SYSTEM): Promise<void> {
  await writeFile(path, `#!/bin/sh\necho 'flatrender/${version} ${system} node-v26'\n`);
  await chmod(path, 0o755);
}

async function setUp(t: TestContext) {
  const directory = await mkdtemp(join(tmpdir(), 'flatrender-update-'));
  t.after(() => rm(directory, { recursive: true }));
  const path = join(directory, 'flatrender');
  const next = join(directory, 'download');
  await program(path, '1.0.0');
  await program(next, '1.1.0');
  const events: string[] = [];
  const service: UpdateService = {
    isRunning: true,
    stop: async () => void events.push('stop'),
    install: async () => void events.push(`install ${/[\d.]{5}/.exec(await readFile(path, 'utf8'))?.[0]}`),
    healthy: async (version) => void events.push(`healthy ${version}`),
  };
  const options = { signal: AbortSignal.timeout(60_000), say: () => {} };
  return { directory, path, next, events, service, options, place: { kind: 'file', path } as const };
}

test('another program takes the place of the former one', { skip }, async (t) => {
  const { place, next, events, service, options, path } = await setUp(t);
  const updated = await replaceProgram(next, place, service, options);
  assert.deepEqual(updated, { from: '1.0.0', to: '1.1.0', old: null });
  assert.deepEqual(events, ['stop', 'install 1.1.0', 'healthy 1.1.0']);
  assert.match(await readFile(path, 'utf8'), /1\.1\.0/);
  assert.ok(!existsSync(`${path}.old`) && !existsSync(`${path}.new`));
});

test('one that does not become healthy is taken out again', { skip }, async (t) => {
  const { place, next, events, service, options, path } = await setUp(t);
  const healthy = async (): Promise<void> => {
    throw new Error('it does not answer');
  };
  const error = await failureOf(replaceProgram(next, place, { ...service, healthy }, options));
  assert.equal(error.code, 'SETUP_FAILED');
  assert.match(error.message, /version 1\.1\.0 does not work: it does not answer/);
  assert.equal(error.hint, 'version 1.0.0 is back and runs');
  assert.deepEqual(events, ['stop', 'install 1.1.0', 'stop', 'install 1.0.0']);
  assert.match(await readFile(path, 'utf8'), /1\.0\.0/);
  assert.ok(!existsSync(`${path}.old`) && !existsSync(`${path}.new`));
});

test('what does not run here is refused before anything is stopped', { skip }, async (t) => {
  const { place, next, events, service, options, path } = await setUp(t);
  await program(next, '1.1.0', 'plan9-mips');
  const foreign = await failureOf(replaceProgram(next, place, service, options));
  assert.match(foreign.message, /is for plan9-mips, this machine is /);
  await writeFile(next, '#!/bin/sh\necho hello\n');
  assert.match((await failureOf(replaceProgram(next, place, service, options))).message, /it says "hello"/);
  await writeFile(next, 'MZ\0');
  const broken = await failureOf(replaceProgram(next, place, service, options));
  assert.equal(broken.code, 'SETUP_FAILED');
  assert.deepEqual(events, []);
  assert.match(await readFile(path, 'utf8'), /1\.0\.0/);
  assert.ok(!existsSync(`${path}.new`));
});

test('an archive replaces a whole directory', { skip }, async (t) => {
  const { directory, events, options } = await setUp(t);
  const root = join(directory, 'opt');
  const make = async (at: string, version: string): Promise<void> => {
    await mkdir(join(at, 'node', 'bin'), { recursive: true });
    await program(join(at, 'node', 'bin', 'node'), version);
  };
  await make(root, '1.0.0');
  await writeFile(join(root, 'stale'), '');
  await make(join(directory, 'flatrender-1.1.0-linux-x64'), '1.1.0');
  const archive = join(directory, 'release.tar.gz');
  const { run } = await import('../../../src/lib/exec.ts');
  await run('tar', ['-czf', archive, '-C', directory, 'flatrender-1.1.0-linux-x64']);
  const service: UpdateService = {
    isRunning: false,
    stop: async () => undefined,
    install: async () => void events.push('install'),
    healthy: async () => undefined,
  };
  const updated = await replaceProgram(archive, { kind: 'directory', path: root }, service, options);
  assert.deepEqual(updated, { from: '1.0.0', to: '1.1.0', old: null });
  assert.deepEqual(events, ['install']);
  assert.ok(!existsSync(join(root, 'stale')));
  await writeFile(archive, 'no archive');
  const broken = await failureOf(
    replaceProgram(archive, { kind: 'directory', path: root }, service, options),
  );
  assert.equal(broken.code, 'SETUP_FAILED');
  assert.match(broken.message, /release\.tar\.gz cannot be unpacked/);
  assert.ok(existsSync(join(root, 'node')) && !existsSync(`${root}.new`));
});
