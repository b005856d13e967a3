import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { chmod, mkdir, mkdtemp, readdir, readFile, rm, symlink, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { test } from 'node:test';
import fc from 'fast-check';
import { packBundle } from '../../src/bundle/pack.ts';
import { readBundleManifest, readManifest } from '../../src/bundle/read-manifest.ts';
import { unpackBundle } from '../../src/bundle/unpack.ts';

const MANIFEST = `schema: 1
name: tiny
version: 1.0.0
composition: { width: 64, height: 64, fps: 10, duration: 1 }
engines: { mock: {} }
outputs: [original]
`;

async function temporary(): Promise<{ path: string } & AsyncDisposable> {
  const path = await mkdtemp(join(tmpdir(), 'flatrender-pack-'));
  return { path, [Symbol.asyncDispose]: () => rm(path, { recursive: true, force: true }) };
}

async function write(root: string, files: Readonly<Record<string, string | Uint8Array>>): Promise<void> {
  for (const [name, content] of Object.entries(files)) {
    await mkdir(dirname(join(root, name)), { recursive: true });
    await writeFile(join(root, name), content);
  }
}

async function filesOf(root: string): Promise<Record<string, string>> {
  const found: Record<string, string> = {};
  for (const entry of await readdir(root, { withFileTypes: true, recursive: true })) {
    const path = join(entry.parentPath, entry.name);
    if (entry.isFile())
      found[path.slice(root.length + 1).replaceAll('\\', '/')] = await readFile(path, 'latin1');
  }
  return found;
}

test('the same files give the same bytes, whatever their times, modes and order of creation', async () => {
  await using dir = await temporary();
  const files = {
    'template.yaml': MANIFEST,
    'b/2.txt': 'two',
    'b/1.txt': 'one',
    'a.json': '{}'.repeat(5000),
    'B.txt': 'x',
  };
  const digests = [];
  for (const [n, names] of [Object.keys(files), Object.keys(files).reverse()].entries()) {
    const root = join(dir.path, `copy${n}`);
    await write(root, Object.fromEntries(names.map((name) => [name, files[name as keyof typeof files]])));
    await utimes(join(root, 'a.json'), 1e9 + n * 1e6, 1e9 + n * 1e6);
    await chmod(join(root, 'a.json'), n === 0 ? 0o600 : 0o755);
    const zone = process.env.TZ;
    process.env.TZ = n === 0 ? 'America/New_York' : 'Asia/Tokyo';
    const packed = await packBundle(root, join(dir.path, `${n}.zip`));
    if (zone === undefined) delete process.env.TZ;
    else process.env.TZ = zone;
    const bytes = await readFile(join(dir.path, `${n}.zip`));
    assert.equal(packed.sha256, createHash('sha256').update(bytes).digest('hex'));
    assert.equal(packed.sizeBytes, bytes.length);
    assert.equal(packed.files, 5);
    assert.equal(packed.manifest.name, 'tiny');
    digests.push(packed.sha256);
  }
  assert.equal(digests[0], digests[1]);
});

test('what is packed comes back exactly', async () => {
  const name = fc
    .array(fc.stringMatching(/^[a-z0-9äß字 _-]{0,8}[a-z0-9]$/), { minLength: 1, maxLength: 3 })
    .map((parts) => parts.join('/'));
  const tree = fc.uniqueArray(fc.tuple(name, fc.uint8Array({ maxLength: 3000 })), {
    maxLength: 6,
    selector: ([path]) => path.split('/')[0]?.toUpperCase(),
  });
  await fc.assert(
    fc.asyncProperty(tree, async (entries) => {
      await using dir = await temporary();
      const source = join(dir.path, 'in');
      await write(source, { ...Object.fromEntries(entries), 'template.yaml': MANIFEST });
      const packed = await packBundle(source, join(dir.path, 'b.zip'));
      const unpacked = await unpackBundle(join(dir.path, 'b.zip'), join(dir.path, 'out'));
      assert.deepEqual(await filesOf(join(dir.path, 'out')), await filesOf(source));
      assert.equal(unpacked.files, packed.files);
      assert.deepEqual(await readBundleManifest(join(dir.path, 'b.zip')), packed.manifest);
      assert.deepEqual(await readManifest(join(dir.path, 'out')), packed.manifest);
    }),
    { numRuns: 40 },
  );
});

test('what does not belong into a bundle stays out', async () => {
  await using dir = await temporary();
  await write(join(dir.path, 'in'), {
    'template.yaml': MANIFEST,
    '.git/config': '',
    'node_modules/x/index.js': '',
    'img/.DS_Store': '',
    'img/Thumbs.db': '',
    'img/._logo.png': '',
    'img/logo.png': 'kept',
    'img/drafts/a.psd': '',
    'notes.md': '',
    'docs/notes.md': '',
    'old/x.txt': '',
    'keep/old': 'kept',
    'important.bak': 'kept',
    'other.bak': '',
    '.flatrenderignore': '# comment\n*.psd\n/notes.md\nold/\n\n*.bak\n!important.bak\n',
  });
  await packBundle(join(dir.path, 'in'), join(dir.path, 'b.zip'));
  await unpackBundle(join(dir.path, 'b.zip'), join(dir.path, 'out'));
  assert.deepEqual(Object.keys(await filesOf(join(dir.path, 'out'))).sort(), [
    'docs/notes.md',
    'img/logo.png',
    'important.bak',
    'keep/old',
    'template.yaml',
  ]);
});

test('links and names that some node cannot have are refused by name', {
  skip: process.platform === 'win32',
}, async () => {
  for (const [name, expected] of [
    ['con.txt', /"con\.txt" has a name that Windows reserves/],
    ['ab:c', /"ab:c" names an NTFS stream/],
    ['a ', /ends with a dot or a space/],
    ['TEMPLATE.YAML', /differs from "(template\.yaml|TEMPLATE\.YAML)" only in case/],
  ] as const) {
    await using dir = await temporary();
    await write(join(dir.path, 'in'), { 'template.yaml': MANIFEST, [name]: 'x' });
    await assert.rejects(packBundle(join(dir.path, 'in'), join(dir.path, 'b.zip')), {
      code: 'BUNDLE_REFUSED',
      message: expected,
    });
    assert.deepEqual(await readdir(dir.path), ['in']);
  }
  await using dir = await temporary();
  await write(join(dir.path, 'in'), { 'template.yaml': MANIFEST });
  await symlink('/etc/passwd', join(dir.path, 'in', 'logo.png'));
  await assert.rejects(packBundle(join(dir.path, 'in'), join(dir.path, 'b.zip')), {
    code: 'BUNDLE_REFUSED',
    message: 'bundle refused: the entry "logo.png" is a symbolic link; put the file itself there',
  });
});

test('an honest file that compresses like a bomb is packed so that it can be unpacked', async () => {
  await using dir = await temporary();
  const silence = Buffer.alloc(40_000_000);
  await write(join(dir.path, 'in'), {
    'template.yaml': MANIFEST,
    'silence.wav': silence,
    'a.txt': 'a'.repeat(9000),
  });
  const packed = await packBundle(join(dir.path, 'in'), join(dir.path, 'b.zip'));
  assert.ok(packed.sizeBytes > silence.length);
  assert.equal(
    (await unpackBundle(join(dir.path, 'b.zip'), join(dir.path, 'out'))).sizeBytes > silence.length,
    true,
  );
});

test('a folder without a sound manifest is not packed', async () => {
  await using dir = await temporary();
  const root = join(dir.path, 'in');
  const pack = () => packBundle(root, join(dir.path, 'b.zip'));
  await assert.rejects(pack(), { code: 'USAGE', message: `there is no folder or zip ${root}` });
  await mkdir(root);
  await assert.rejects(pack(), {
    code: 'TEMPLATE_INVALID',
    message: `${root} has no template.yaml`,
    hint: 'run "flatrender template init" to start one',
  });
  await write(root, { 'template.yml': MANIFEST });
  await assert.rejects(pack(), { hint: 'rename template.yml to template.yaml' });
  await write(root, { 'template.yaml': MANIFEST.replace('{ mock: {} }', '{ lottie: { file: a.json } }') });
  await assert.rejects(pack(), {
    message: 'template.yaml: engines.lottie.file: the bundle has no file "a.json"',
  });
  assert.deepEqual(await readdir(dir.path), ['in']);
});

test('an abort stops packing and leaves nothing', async () => {
  await using dir = await temporary();
  await write(join(dir.path, 'in'), { 'template.yaml': MANIFEST });
  const abort = new AbortController();
  abort.abort();
  await assert.rejects(packBundle(join(dir.path, 'in'), join(dir.path, 'b.zip'), { signal: abort.signal }), {
    code: 'ABORTED',
  });
  assert.deepEqual(await readdir(dir.path), ['in']);
});
