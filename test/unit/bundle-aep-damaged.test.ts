import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { AepProject } from '../../src/bundle/aep/aep-project.ts';
import { inspectProject } from '../../src/bundle/aep/inspect-project.ts';
import { FlatrenderError } from '../../src/lib/errors.ts';
import {
  aepFile,
  chunk,
  compositionItem,
  folderItem,
  footageItem,
  layer,
  list,
  matchName,
  rifx,
  textData,
  versionChunk,
} from '../helpers/rifx-writer.ts';

/** A bit of everything, 6 kB. */
const sound = aepFile([
  folderItem({ id: 1, name: 'Folder' }, [
    compositionItem({
      id: 2,
      name: 'Main',
      layers: [
        layer({ name: 'Title', type: 3, text: textData('Hello (1)', ['Inter-Bold'], ['AdobeInvisFont']) }),
        layer({ sourceId: 3, effects: [{ matchName: 'ADBE Fill', name: 'Fill', renamed: 'Red' }] }),
        layer({ sourceId: 4 }),
        layer({ sourceId: 5, flags: ['null', 'enabled'] }),
      ],
    }),
    compositionItem({ id: 3, name: 'Inner', layers: [layer({ sourceId: 4 })] }),
  ]),
  footageItem({ id: 4, path: '/a/b.png' }),
  footageItem({ id: 5, solid: { name: 'Null 1' } }),
  footageItem({ id: 6, placeholder: 'Logo' }),
]);
/** Without what follows the RIFX data. */
const core = sound.subarray(0, 8 + sound.readUInt32BE(4));

/** A project, or AEP_INVALID that names a place; anything else, and more than a second, fails the test. */
async function outcome(bytes: Buffer): Promise<AepProject | FlatrenderError> {
  const startedAt = performance.now();
  const cpu = process.cpuUsage();
  let result: AepProject | FlatrenderError;
  try {
    result = await inspectProject(bytes);
    JSON.stringify(result);
  } catch (error) {
    assert.ok(error instanceof FlatrenderError, `${error instanceof Error ? error.stack : error}`);
    assert.equal(error.code, 'AEP_INVALID');
    assert.equal(typeof error.details?.chunk, 'string');
    assert.ok(Number(error.details?.offset) <= bytes.length, error.message);
    assert.match(
      error.message,
      /^the project (is damaged: chunk "[ -~]*" at offset \d+: |is no After Effects)/,
    );
    result = error;
  }
  const { user, system } = process.cpuUsage(cpu);
  // Whichever is less: a machine that does something else makes the first longer, threads of the runtime the second.
  const tookMs = Math.min(performance.now() - startedAt, (user + system) / 1000);
  assert.ok(tookMs < 1000, `took ${tookMs} ms`);
  return result;
}

async function refusal(bytes: Buffer): Promise<string> {
  const result = await outcome(bytes);
  assert.ok(result instanceof FlatrenderError, 'it is refused');
  return result.message;
}

test('the sample is sound', async () => {
  const project = await inspectProject(sound);
  assert.deepEqual(
    [project.compositions.length, project.footage.length, project.fonts.length, project.effects],
    [2, 3, 2, ['ADBE Fill']],
  );
});

test('a file cut off anywhere is refused', async () => {
  for (let length = 0; length < core.length; length += 7) {
    const cut = core.subarray(0, length);
    assert.match(await refusal(cut), length < 4 ? /is no After Effects/ : /chunk "RIFX" at offset 0: it /);
  }
});

test('a file cut off whose size was made to fit is refused or has less in it', async () => {
  const whole = JSON.stringify(await inspectProject(sound)).length;
  for (let length = 12; length < core.length; length += 11) {
    const cut = Buffer.from(core.subarray(0, length));
    cut.writeUInt32BE(length - 8, 4);
    const result = await outcome(cut);
    if (!(result instanceof FlatrenderError)) assert.ok(JSON.stringify(result).length < whole);
  }
});

test('any bytes changed, cut out, put in or repeated: an error with its place, or a project', async () => {
  const edit = fc.record({
    at: fc.nat(core.length - 1),
    cut: fc.oneof(fc.constant(0), fc.nat(40)),
    put: fc.oneof(
      fc.uint8Array({ maxLength: 12 }).map((bytes) => Buffer.from(bytes)),
      fc
        .constantFrom('LIST', 'Layr', 'btdk', '\xff\xff\xff\xff', '\0\0\0\0', '\x7f\xff\xff\xff', '<<', '(')
        .map((text) => Buffer.from(text, 'latin1')),
      fc.tuple(fc.nat(core.length), fc.nat(500)).map(([at, size]) => core.subarray(at, at + size)),
    ),
    keepSize: fc.boolean(),
  });
  let refused = 0;
  await fc.assert(
    fc.asyncProperty(fc.array(edit, { minLength: 1, maxLength: 4 }), async (edits) => {
      let bytes: Buffer = Buffer.from(core);
      for (const { at, cut, put, keepSize } of edits) {
        const removed = keepSize ? put.length : cut;
        bytes = Buffer.concat([bytes.subarray(0, at), put, bytes.subarray(at + removed)]);
      }
      if (edits[0]?.keepSize === false && bytes.length > 8) bytes.writeUInt32BE(bytes.length - 8, 4);
      if ((await outcome(bytes)) instanceof FlatrenderError) refused += 1;
    }),
    { seed: 20_260_128, numRuns: 1500 },
  );
  assert.ok(
    refused > 300 && refused < 1500,
    `${refused} refused: the damage reaches what is read, and spares some`,
  );
});

test('every size field at its extremes', async () => {
  let fields = 0;
  for (let at = 12; at + 8 <= core.length; at += 2) {
    if (!/^[A-Za-z0-9 ]{4}$/.test(core.toString('latin1', at, at + 4))) continue;
    fields += 1;
    for (const size of [0, 1, 3, 0x7fffffff, 0xffffffff, core.length]) {
      const bytes = Buffer.from(core);
      bytes.writeUInt32BE(size, at + 4);
      await outcome(bytes);
    }
  }
  assert.ok(fields > 100, `${fields} fields`);
});

test('what is no project is said to be what it probably is', async () => {
  for (const [text, hint] of [
    ['version https://git-lfs.github.com/spec/v1', /run "git lfs pull"/],
    ['<?xml version="1.0"?>', /save it as \.aep in After Effects/],
    ['PK\x03\x04', /unpack it and give the \.aep/],
  ] as const) {
    await assert.rejects(inspectProject(Buffer.from(text)), { code: 'AEP_INVALID', hint });
  }
});

test('what is wrong is said with the chunk and its offset', async () => {
  const short = rifx(versionChunk(), list('Fold', list('Item', chunk('idta', 'short'))));
  const at = short.indexOf('idta');
  assert.equal(
    await refusal(short),
    `the project is damaged: chunk "idta" at offset ${at}: it is 5 bytes long and must be at least 20`,
  );
  const expected: [RegExp, Buffer][] = [
    [/begins with "PK.*, not "RIFX"/, Buffer.from('PK\x03\x04 and so on')],
    [/chunk "RIFX" at offset 0: its type is "WAVE"/, Buffer.from('RIFX\0\0\0\x04WAVE')],
    [/without the list "Fold"/, rifx(versionChunk())],
    [/"Item" at offset \d+: an item without "idta"/, aepFile([list('Item')])],
    [/"idta" at offset \d+: the id 7 is taken/, aepFile([folderItem({ id: 7 }), folderItem({ id: 7 })])],
    [/the id 0 is none/, aepFile([folderItem({ id: 0 })])],
    [
      /"cdta" at offset \d+: a duration divided by 0/,
      aepFile([compositionItem({ id: 1, duration: [1, 0] })]),
    ],
    [/a frame rate of 0/, aepFile([compositionItem({ id: 1, fps: 0 })])],
    [
      /"Layr" at offset \d+: a layer without "ldta"/,
      aepFile([compositionItem({ id: 1, layers: [list('Layr')] })]),
    ],
    [
      /"btdk" at offset \d+: its text is unreadable at offset \d+: a string does not end/,
      aepFile([compositionItem({ id: 1, layers: [layer({ type: 3, text: Buffer.from('/0 (abc') })] })]),
    ],
    [/"Utf8" at offset \d+: a text of 5000 bytes/, aepFile([folderItem({ id: 1, name: 'n'.repeat(5000) })])],
    [/3 bytes at its end, offset \d+, are no chunk/, aepFile([chunk('LIST', 'Itemabc')])],
    [/a list without a type/, aepFile([chunk('LIST', 'It')])],
  ];
  for (const [message, bytes] of expected) assert.match(await refusal(bytes), message);
  const broken = footageItem({ id: 1, path: '/a' });
  broken.write('[', broken.indexOf('{"fullpath'));
  assert.match(await refusal(aepFile([broken])), /"alas" at offset \d+: no JSON$/);
});

test('compositions that contain themselves are refused, whatever the way', async () => {
  const show = (id: number, ...ids: number[]) =>
    compositionItem({ id, layers: ids.map((sourceId) => layer({ sourceId, name: `to ${sourceId}` })) });
  assert.match(await refusal(aepFile([show(1, 1)])), /the layer "to 1" shows the composition it is in/);
  assert.match(await refusal(aepFile([show(1, 2), show(2, 9, 3), show(3, 1)])), /"to 1"/);
  const diamond = await outcome(aepFile([show(1, 2, 3, 2), show(2, 4), show(3, 4), show(4)]));
  assert.ok(!(diamond instanceof FlatrenderError), 'shown twice is no cycle');
});

test('compositions in compositions 12 000 deep, and wide, take no stack and no second', async () => {
  const count = 12_000;
  const deep = Array.from({ length: count }, (_, at) =>
    compositionItem({
      id: at + 1,
      layers: [layer({ sourceId: at + 2 }), layer({ sourceId: count - 1 })].slice(0, at < count - 2 ? 2 : 0),
    }),
  );
  const result = await outcome(aepFile(deep));
  assert.ok(!(result instanceof FlatrenderError));
});

test('lists nested without end are refused; unknown ones are not even entered', async () => {
  const nested = (wrap: (inner: Buffer) => Buffer, depth: number): Buffer => {
    let inner: Buffer = Buffer.alloc(0);
    for (let at = 0; at < depth; at += 1) inner = wrap(inner);
    return inner;
  };
  let id = 1;
  const folders = nested((inner) => folderItem({ id: id++ }, inner.length > 0 ? [inner] : []), 1000);
  assert.match(await refusal(aepFile([folders])), /lists are nested more than 256 deep/);
  id = 1;
  const hundred = await outcome(
    aepFile([nested((inner) => folderItem({ id: id++ }, inner.length > 0 ? [inner] : []), 100)]),
  );
  assert.ok(!(hundred instanceof FlatrenderError));
  // Made at once: wrapping level by level would copy a gigabyte.
  const levels = 100_000;
  const unknown = Buffer.alloc(levels * 12);
  for (let at = 0; at < levels; at += 1) {
    unknown.write('LIST', at * 12);
    unknown.writeUInt32BE(unknown.length - at * 12 - 8, at * 12 + 4);
    unknown.write('zzzz', at * 12 + 8);
  }
  assert.ok(!((await outcome(aepFile([unknown]))) instanceof FlatrenderError));
  unknown.write('tdgp', 8);
  const inLayer = await outcome(aepFile([compositionItem({ id: 1, layers: [layer({ more: [unknown] })] })]));
  assert.ok(!(inLayer instanceof FlatrenderError));
});

test('millions of empty chunks, items beyond the limit and endless text stay within time and memory', async () => {
  const many = Buffer.alloc(2_000_000 * 8, 'junk\0\0\0\0', 'latin1');
  assert.ok(!((await outcome(aepFile([many]))) instanceof FlatrenderError));
  const names = Buffer.alloc(48 * 100_000, matchName('ADBE Fill'));
  const parade = list('tdgp', matchName('ADBE Effect Parade'), list('tdgp', names));
  assert.ok(
    !(
      (await outcome(aepFile([compositionItem({ id: 1, layers: [layer({ more: [parade] })] })]))) instanceof
      FlatrenderError
    ),
  );

  const items = Array.from({ length: 100_001 }, (_, at) => list('Item', chunk('idta', idta(at + 1))));
  assert.match(await refusal(aepFile(items)), /more than 100000 items/);
  const one = layer();
  const layers = Buffer.alloc(one.length * 200_001, one);
  assert.match(
    await refusal(aepFile([compositionItem({ id: 1, layers: [layers] })])),
    /more than 200000 layers/,
  );

  const before = process.memoryUsage().arrayBuffers + process.memoryUsage().heapUsed;
  const text = Buffer.concat([Buffer.from('/0 ['), Buffer.alloc(8_000_000, '[]'), Buffer.from(']')]);
  const result = await outcome(aepFile([compositionItem({ id: 1, layers: [layer({ type: 3, text })] })]));
  assert.ok(!(result instanceof FlatrenderError));
  const grown = process.memoryUsage().arrayBuffers + process.memoryUsage().heapUsed - before;
  assert.ok(grown < 200e6, `${Math.round(grown / 1e6)} MB more`);
});

/** The least of a folder. */
function idta(id: number): Buffer {
  const data = Buffer.alloc(20);
  data.writeUInt16BE(1, 0);
  data.writeUInt32BE(id, 16);
  return data;
}
