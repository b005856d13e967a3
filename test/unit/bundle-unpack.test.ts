import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { test } from 'node:test';
import fc from 'fast-check';
import { readBundleManifest } from '../../src/bundle/read-manifest.ts';
import { unpackBundle } from '../../src/bundle/unpack.ts';
import { FlatrenderError } from '../../src/lib/errors.ts';
import { type RawEntry, rawZip } from '../helpers/raw-zip.ts';

async function temporary(): Promise<{ path: string } & AsyncDisposable> {
  const path = await mkdtemp(join(tmpdir(), 'flatrender-unpack-'));
  return { path, [Symbol.asyncDispose]: () => rm(path, { recursive: true, force: true }) };
}

/** Unpacks these bytes; asserts that nothing but the target ever stays behind. */
async function unpack(
  bytes: Buffer,
  options: Parameters<typeof unpackBundle>[2] = {},
): Promise<Record<string, string>> {
  await using dir = await temporary();
  const zip = join(dir.path, 'b.zip');
  const target = join(dir.path, 'out', 'bundle');
  await writeFile(zip, bytes);
  try {
    await unpackBundle(zip, target, options);
  } catch (error) {
    assert.deepEqual(await readdir(dir.path).then((names) => names.filter((name) => name !== 'out')), [
      'b.zip',
    ]);
    if (existsSync(join(dir.path, 'out'))) assert.deepEqual(await readdir(join(dir.path, 'out')), []);
    throw error;
  }
  assert.deepEqual((await readdir(dir.path)).sort(), ['b.zip', 'out']);
  assert.deepEqual(await readdir(join(dir.path, 'out')), ['bundle']);
  const found: Record<string, string> = {};
  for (const entry of await readdir(target, { withFileTypes: true, recursive: true })) {
    assert.ok(entry.isFile() || entry.isDirectory(), entry.name);
    const path = join(entry.parentPath, entry.name);
    if (entry.isFile())
      found[path.slice(target.length + 1).replaceAll('\\', '/')] = await readFile(path, 'latin1');
  }
  return found;
}

test('an honest zip is unpacked as it is', async () => {
  const big = Buffer.alloc(300_000, 'abc');
  const found = await unpack(
    rawZip([
      { name: 'fonts/' },
      { name: 'fonts/Größe 字.ttf', data: 'f' },
      { name: 'a.json', data: big },
      { name: 'stored', data: 'x', method: 0 },
    ]),
  );
  assert.deepEqual(found, { 'fonts/Größe 字.ttf': 'f', 'a.json': big.toString(), stored: 'x' });
});

const hostile: readonly (readonly [string, readonly RawEntry[], RegExp])[] = [
  ['a parent folder', [{ name: '../evil' }], /"\.\.\/evil" leads out of the bundle \(\.\.\)$/],
  ['a parent folder inside', [{ name: 'a/../../evil' }], /leads out of the bundle/],
  ['an absolute path', [{ name: '/etc/passwd' }], /"\/etc\/passwd" is an absolute path$/],
  ['a UNC path', [{ name: '\\\\server\\share\\x' }], /is a network \(UNC\) path$/],
  ['a UNC path with slashes', [{ name: '//server/share/x' }], /is a network \(UNC\) path$/],
  ['a backslash', [{ name: 'a\\..\\b' }], /"a\\\\\.\.\\\\b" has a backslash$/],
  ['a leading backslash', [{ name: '\\evil' }], /is an absolute path$/],
  ['a drive letter', [{ name: 'C:/evil' }], /"C:\/evil" has a drive letter$/],
  ['a drive letter without a slash', [{ name: 'c:evil' }], /has a drive letter$/],
  ['an NTFS stream', [{ name: 'a.txt:hidden' }], /names an NTFS stream \(:\)$/],
  ['a device name', [{ name: 'img/CON' }], /Windows reserves for a device$/],
  ['a device name with extension', [{ name: 'aux.json' }], /Windows reserves for a device$/],
  ['a device name with a space', [{ name: 'nul .txt' }], /Windows reserves for a device$/],
  ['a device name with a superscript', [{ name: 'COM¹' }], /Windows reserves for a device$/],
  ['a final dot', [{ name: 'a./b' }], /ends with a dot or a space$/],
  ['a final space', [{ name: 'a ' }], /ends with a dot or a space$/],
  ['a control character', [{ name: 'a\nb' }], /"a\\nb" has a control character$/],
  ['a NUL', [{ name: 'a\0.png' }], /has a control character$/],
  ['a wildcard', [{ name: 'a*' }], /a character that Windows does not allow/],
  ['a reversed name', [{ name: 'a\u202egnp.exe' }], /change the reading direction$/],
  ['bytes that are no UTF-8', [{ name: Buffer.from([0x61, 0xff, 0xfe]) }], /is not valid UTF-8$/],
  ['an empty name', [{ name: '' }], /"" has no name$/],
  ['an empty segment', [{ name: 'a//b' }], /has an empty or "\." segment$/],
  ['a dot segment', [{ name: './a' }], /has an empty or "\." segment$/],
  ['a long name', [{ name: 'x'.repeat(241) }], /is longer than 240 characters$/],
  ['a long name in bytes', [{ name: '字'.repeat(90) }], /more than 255 bytes$/],
  ['a symbolic link', [{ name: 'link', data: '/etc', mode: 0o120777 }], /"link" is a symbolic link$/],
  [
    'a link from a DOS zip',
    [{ name: 'link', data: '/etc', mode: 0o120777, madeBy: 0 }],
    /is a symbolic link$/,
  ],
  ['a device', [{ name: 'null', mode: 0o020666 }], /is a special file/],
  ['a pipe', [{ name: 'pipe', mode: 0o010666 }], /is a special file/],
  ['a folder that is a file', [{ name: 'a', mode: 0o040755 }], /is both a file and a folder$/],
  ['a folder with content', [{ name: 'a/', data: 'x' }], /is a folder with content$/],
  ['two of one name', [{ name: 'a' }, { name: 'a' }], /"a" is there twice$/],
  [
    'names that differ in case',
    [{ name: 'Logo.png' }, { name: 'logo.PNG' }],
    /"logo\.PNG" differs from "Logo\.png" only in case/,
  ],
  [
    'names that differ in composition',
    [{ name: '\u00e9' }, { name: 'e\u0301' }],
    /only in case or composition$/,
  ],
  ['folders that differ in case', [{ name: 'img/a' }, { name: 'IMG/b' }], /differs from "img" only in case/],
  ['a file used as a folder', [{ name: 'a' }, { name: 'a/b' }], /is both a file and a folder$/],
  ['a folder used as a file', [{ name: 'a/b' }, { name: 'a' }], /is both a file and a folder$/],
  ['an encrypted entry', [{ name: 'a', flags: 0x801 }], /"a" is encrypted$/],
  ['an unknown compression', [{ name: 'a', method: 14 }], /is compressed by method 14/],
  ['a wrong CRC', [{ name: 'a', data: 'hello', crc: 1 }], /"a" is damaged: its CRC-32/],
  ['less than announced', [{ name: 'a', data: 'hello', size: 9 }], /"a" is damaged: not enough bytes/],
  ['more than announced', [{ name: 'a', data: 'hello', size: 2 }], /"a" is damaged: too many bytes/],
  [
    'a stored entry of two sizes',
    [{ name: 'a', data: 'hello', method: 0, size: 3 }],
    /size mismatch for stored file/,
  ],
  ['another name in the local header', [{ name: 'a', localName: 'b' }], /"a" has another name in front/],
  ['a local header outside', [{ name: 'a', offset: 5000 }], /"a" cannot be read: /],
  [
    'content that reaches into the directory',
    [{ name: 'a', data: 'x', method: 0, packedSize: 40, size: 40 }],
    /reaches into the directory/,
  ],
  [
    'entries that share bytes',
    [
      { name: 'a', data: 'xyz' },
      { name: 'a', localName: 'a', data: '', offset: 0 },
    ],
    /twice|shares/,
  ],
  [
    'a bomb',
    [{ name: 'bomb', data: Buffer.alloc(40_000_000) }],
    /"bomb" unpacks to 40000000 bytes, over 250 times its packed size: a zip bomb$/,
  ],
];
for (const [title, entries, expected] of hostile) {
  test(`a bundle with ${title} is refused by name`, async () => {
    await assert.rejects(
      unpack(rawZip([{ name: 'fine.txt', data: 'fine' }, ...entries])),
      (error: Error & { code?: string }) => {
        assert.equal(error.code, 'BUNDLE_REFUSED', String(error));
        assert.match(error.message, /^bundle refused: /);
        assert.match(error.message, expected);
        return true;
      },
    );
  });
}

test('entries that overlap are refused', async () => {
  // The second entry's header lies inside the stored content of the first: the trick of non-recursive bombs.
  const inner = rawZip([{ name: 'inner', data: 'x', method: 0 }]).subarray(0, 36);
  const zip = rawZip([
    { name: 'outer', data: Buffer.concat([inner, Buffer.alloc(20)]), method: 0 },
    { name: 'inner', data: 'x', method: 0, offset: 35 },
  ]);
  await assert.rejects(unpack(zip), {
    code: 'BUNDLE_REFUSED',
    message: /"inner" shares its bytes with another entry$/,
  });
});

test('caps on entries and bytes are enforced before anything is written', async () => {
  const many = rawZip(Array.from({ length: 5 }, (_, n) => ({ name: `f${n}`, data: 'abcdef' })));
  await assert.rejects(unpack(many, { limits: { maxEntries: 4, maxBytes: 1000 } }), {
    message: /b\.zip has 5 entries; at most 4 are allowed$/,
  });
  await assert.rejects(unpack(many, { limits: { maxEntries: 10, maxBytes: 29 } }), {
    message: /b\.zip unpacks to more than 29 bytes$/,
  });
  assert.equal(Object.keys(await unpack(many, { limits: { maxEntries: 5, maxBytes: 30 } })).length, 5);
});

test('what is no zip is refused, and a file that is not there is a usage error', async () => {
  await assert.rejects(unpack(Buffer.from('hello, I am no zip')), {
    code: 'BUNDLE_REFUSED',
    message: /b\.zip is not a readable zip: end of central directory record signature not found$/,
  });
  await assert.rejects(unpack(Buffer.alloc(0)), { code: 'BUNDLE_REFUSED' });
  await assert.rejects(unpack(rawZip([{ name: 'a' }], { count: 3 })), { code: 'BUNDLE_REFUSED' });
  await assert.rejects(unpackBundle('/no/such.zip', '/no/where'), {
    code: 'USAGE',
    message: 'there is no file /no/such.zip',
  });
});

test('a folder that is there is not touched', async () => {
  await using dir = await temporary();
  await writeFile(join(dir.path, 'b.zip'), rawZip([{ name: 'a' }]));
  await mkdir(join(dir.path, 'out'));
  await assert.rejects(unpackBundle(join(dir.path, 'b.zip'), join(dir.path, 'out')), {
    code: 'OBJECT_EXISTS',
  });
  assert.deepEqual(await readdir(join(dir.path, 'out')), []);
});

test('of two who unpack into one folder, one wins and the other is told', async () => {
  await using dir = await temporary();
  await writeFile(join(dir.path, 'b.zip'), rawZip([{ name: 'a', data: 'x' }]));
  const unpackOnce = () => unpackBundle(join(dir.path, 'b.zip'), join(dir.path, 'out'));
  const results = await Promise.allSettled([unpackOnce(), unpackOnce(), unpackOnce()]);
  const lost = results.filter((result) => result.status === 'rejected');
  assert.deepEqual(
    lost.map(({ reason }) => reason.code),
    ['OBJECT_EXISTS', 'OBJECT_EXISTS'],
  );
  assert.deepEqual((await readdir(dir.path)).sort(), ['b.zip', 'out']);
  assert.deepEqual(await readdir(join(dir.path, 'out')), ['a']);
});

test('a full disk is DISK_FULL and leaves nothing', async (t) => {
  await using dir = await temporary();
  const mount = join(dir.path, 'small');
  await mkdir(mount);
  await writeFile(join(dir.path, 'b.zip'), rawZip([{ name: 'a', data: randomBytes(2_000_000) }]));
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=1m', 'flatrender-test', mount], { stdio: 'pipe' });
  } catch {
    t.skip('needs Linux and root with the right to mount a tmpfs');
    return;
  }
  try {
    await assert.rejects(unpackBundle(join(dir.path, 'b.zip'), join(mount, 'out')), { code: 'DISK_FULL' });
    assert.deepEqual(await readdir(mount), []);
  } finally {
    execFileSync('umount', [mount]);
  }
});

test('an abort stops unpacking and leaves nothing', async () => {
  const abort = new AbortController();
  abort.abort();
  await assert.rejects(unpack(rawZip([{ name: 'a' }]), { signal: abort.signal }), { code: 'ABORTED' });
});

const MANIFEST = `schema: 1
name: tiny
version: 1.0.0
composition: { width: 64, height: 64, fps: 10, duration: 1 }
inputs:
  logo: { type: image, default: img/logo.png }
engines: { mock: {} }
outputs: [original]
`;
const PNG = Buffer.from('\x89PNG\r\n\x1a\n....', 'latin1');

test('the manifest is read without unpacking, from a file or from any bytes', async () => {
  await using dir = await temporary();
  const bytes = rawZip([
    { name: 'template.yaml', data: MANIFEST },
    { name: 'img/logo.png', data: PNG },
  ]);
  const file = join(dir.path, 'b.zip');
  await writeFile(file, bytes);
  assert.equal((await readBundleManifest(file)).name, 'tiny');
  const source = {
    name: 'object.zip',
    sizeBytes: bytes.length,
    read: async (start: number, end: number) => Readable.from([bytes.subarray(start, end)]),
  };
  assert.equal((await readBundleManifest(source)).name, 'tiny');
  const gone = new FlatrenderError('OBJECT_NOT_FOUND', 'the object is gone');
  for (const readable of [0, 1, 3, 5]) {
    let reads = 0;
    const read = async (start: number, end: number) => {
      reads += 1;
      if (reads > readable) throw gone;
      return source.read(start, end);
    };
    await assert.rejects(readBundleManifest({ ...source, read }), gone, `after ${readable} reads`);
  }
});

test('files that the manifest names must be there and be what they should', async () => {
  const read = async (entries: RawEntry[]) => {
    await using dir = await temporary();
    await writeFile(join(dir.path, 'b.zip'), rawZip(entries));
    return await readBundleManifest(join(dir.path, 'b.zip'));
  };
  const manifest = { name: 'template.yaml', data: MANIFEST };
  const refusal = (message: string) => ({
    code: 'TEMPLATE_INVALID',
    message: `template.yaml: inputs.logo.default: ${message}`,
  });
  await assert.rejects(read([manifest]), refusal('the bundle has no file "img/logo.png"'));
  await assert.rejects(
    read([manifest, { name: 'img/Logo.png', data: PNG }]),
    refusal('the bundle has no file "img/logo.png"; there is "img/Logo.png", and names are case-sensitive'),
  );
  await assert.rejects(
    read([manifest, { name: 'img/logo.png' }]),
    refusal('the file "img/logo.png" is empty'),
  );
  await assert.rejects(
    read([manifest, { name: 'img/logo.png', data: '%PDF-1.7' }]),
    refusal('the file "img/logo.png" is not an image'),
  );
  await assert.rejects(read([{ name: 'card/template.yaml', data: MANIFEST }]), {
    code: 'TEMPLATE_INVALID',
    hint: "it is in card/: the bundle must contain that folder's files, not the folder",
  });
  await assert.rejects(read([{ name: 'template.yaml', data: Buffer.from([0xff, 0xfe, 0x41]) }]), {
    code: 'TEMPLATE_INVALID',
    message: 'template.yaml is not UTF-8',
  });
});

test('no change of any bytes makes a zip write outside its folder, or end in anything but a refusal', async () => {
  const honest = rawZip([
    { name: 'a/b.txt', data: 'hello hello hello' },
    { name: 'c', data: 'x', method: 0 },
    { name: 'd/' },
  ]);
  const edits = fc.array(fc.tuple(fc.nat(honest.length - 1), fc.nat(255)), { minLength: 1, maxLength: 6 });
  await fc.assert(
    fc.asyncProperty(edits, async (changes) => {
      const bytes = Buffer.from(honest);
      for (const [at, value] of changes) bytes[at] = value;
      await unpack(bytes).catch((error) => assert.equal(error.code, 'BUNDLE_REFUSED', String(error.stack)));
    }),
    { numRuns: 150 },
  );
});

test('whatever the names are, a bundle is unpacked exactly or refused', async () => {
  const segment = fc.oneof(
    fc.constantFrom('..', '.', '', 'a', 'A', 'con', 'x:y', 'é', 'b\\c', '/', 'C:', 'ok.txt', ' ', 'd.'),
    fc.string({ unit: 'binary', maxLength: 6 }),
  );
  const entry = fc.record({
    name: fc.array(segment, { minLength: 1, maxLength: 3 }).map((parts) => parts.join('/')),
    data: fc.string({ maxLength: 20 }),
    mode: fc.constantFrom(0o100644, 0o100755, 0, 0o120777, 0o040755),
  });
  await fc.assert(
    fc.asyncProperty(fc.array(entry, { minLength: 1, maxLength: 4 }), async (entries) => {
      const digest = (text: string) => createHash('sha256').update(text).digest('hex');
      try {
        const found = await unpack(rawZip(entries));
        const files = entries.filter(({ name }) => !name.endsWith('/'));
        const expected = Object.fromEntries(
          files.map(({ name, data }) => [name, digest(Buffer.from(data).toString('latin1'))]),
        );
        assert.deepEqual(
          Object.fromEntries(Object.entries(found).map(([name, text]) => [name, digest(text)])),
          expected,
        );
      } catch (error) {
        assert.equal((error as { code?: string }).code, 'BUNDLE_REFUSED', String((error as Error).stack));
      }
    }),
    { numRuns: 150 },
  );
});
