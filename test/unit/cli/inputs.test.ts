import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import type { InputDefinition } from '../../../src/bundle/manifest.ts';
import { readInputs, type Written } from '../../../src/cli/input-values.ts';
import { readInputsFile } from '../../../src/cli/inputs-file.ts';
import { parseSet, splitTemplate } from '../../../src/cli/submit-jobs.ts';

const dir = await mkdtemp(join(tmpdir(), 'flatrender-inputs-'));
after(() => rm(dir, { recursive: true, force: true }));
await writeFile(join(dir, 'logo.png'), 'png');
await writeFile(join(dir, 'poem.txt'), '\uFEFFRoses are red\nViolets\n');
await writeFile(join(dir, 'latin1.txt'), Buffer.from([0x47, 0xfc]));

const definition = (type: string, description?: string) => ({ type, description }) as InputDefinition;
const definitions = {
  title: definition('text', 'the large line'),
  size: definition('number'),
  loud: definition('boolean'),
  accent: definition('color'),
  mood: definition('choice'),
  logo: definition('image'),
};
const uploads: string[] = [];
const context = {
  template: 'card@1.0.0',
  definitions,
  upload: async (path: string) => {
    uploads.push(path);
    return { asset: '0'.repeat(64), name: 'logo.png', sizeBytes: 3 };
  },
};
const read = (values: Record<string, Written>) =>
  readInputs({ values, place: '--set', directory: dir }, context);

test('values get the types of the manifest', async () => {
  assert.deepEqual(await read({ title: '42', size: '4.5', loud: 'yes', accent: '#ff0000', mood: 'calm' }), {
    title: '42',
    size: 4.5,
    loud: true,
    accent: '#ff0000',
    mood: 'calm',
  });
});

test('a value that has its type already is kept', async () => {
  assert.deepEqual(await read({ size: 3, loud: false }), { size: 3, loud: false });
});

test('@file is uploaded for file inputs and read for texts; @@ is a literal @', async () => {
  const inputs = await read({ logo: '@logo.png', title: '@poem.txt' });
  assert.deepEqual(inputs, {
    logo: { asset: '0'.repeat(64), name: 'logo.png', sizeBytes: 3 },
    title: 'Roses are red\nViolets',
  });
  assert.deepEqual(uploads, [join(dir, 'logo.png')]);
  assert.deepEqual(await read({ title: '@@flatrender' }), { title: '@flatrender' });
  assert.deepEqual(await read({ title: '@' }), { title: '@' });
});

test('every mistake is named with input, value, place and remedy', async () => {
  const cases: [Record<string, Written>, RegExp, RegExp?][] = [
    [{ titel: 'x' }, /^--set: template card@1\.0\.0 has no input "titel"$/, /its inputs are: title, size/],
    [{ toString: 'x' }, /has no input "toString"/],
    [{ size: 'big' }, /^--set: size: "big" is not a number$/],
    [{ size: '' }, /size: "" is not a number/],
    [{ size: 'Infinity' }, /not a number/],
    [{ loud: 'maybe' }, /loud: "maybe" is neither true nor false/],
    [{ title: 2024 }, /title: 2024 is a number, wanted is a text/, /quotes/],
    [{ logo: 'logo.png' }, /logo: "logo\.png" is not a file/, /logo=@PATH/],
    [{ logo: '@gone.png' }, /logo: there is no file .*gone\.png/],
    [{ logo: '@.' }, /is not a file/],
    [{ title: '@gone.txt' }, /there is no file/, /title=@@gone\.txt/],
    [{ title: '@latin1.txt' }, /latin1\.txt is not a text in UTF-8/],
    [{ accent: '@poem.txt' }, /accent: "@poem.txt" is not a color/],
  ];
  for (const [values, message, hint] of cases) {
    await assert.rejects(
      read(values),
      { code: 'INPUT_INVALID', message, ...(hint ? { hint } : {}) },
      JSON.stringify(values),
    );
  }
});

test('--set takes everything after the first = and refuses doubles', () => {
  assert.deepEqual(parseSet(['title=a=b', 'empty=']), { title: 'a=b', empty: '' });
  assert.throws(() => parseSet(['title']), { code: 'USAGE', message: /--set title: there is no "="/ });
  assert.throws(() => parseSet(['=x']), { code: 'USAGE' });
  assert.throws(() => parseSet(['a=1', 'a=2']), { code: 'USAGE', message: /given twice/ });
});

test('a template may carry its version', () => {
  assert.deepEqual(splitTemplate('card@1.2.0'), { name: 'card', version: '1.2.0' });
  assert.deepEqual(splitTemplate('card'), { name: 'card', version: undefined });
});

const file = async (name: string, text: string | Buffer) => {
  const path = join(dir, name);
  await writeFile(path, text);
  return path;
};

test('a CSV row is a job; an empty cell is not given; quotes and line breaks in cells hold', async () => {
  const path = await file(
    'a.csv',
    '\uFEFFtitle,size,logo\r\n"Hello, ""you""\nthere",12,@logo.png\r\n\r\nSecond,,\r\n',
  );
  assert.deepEqual(await readInputsFile(path), [
    {
      values: { title: 'Hello, "you"\nthere', size: '12', logo: '@logo.png' },
      place: `${path}, line 3`,
      directory: dir,
    },
    { values: { title: 'Second' }, place: `${path}, line 5`, directory: dir },
  ]);
});

test('semicolons and tabs separate as well', async () => {
  const [semicolons] = await readInputsFile(await file('b.csv', 'title;size\na, b;1\n'));
  const [tabs] = await readInputsFile(await file('c.csv', 'title\tsize\na, b\t1\n'));
  assert.deepEqual(semicolons?.values, { title: 'a, b', size: '1' });
  assert.deepEqual(tabs?.values, { title: 'a, b', size: '1' });
});

test('YAML and JSON: a set of inputs, or a list of them', async () => {
  const [one] = await readInputsFile(await file('d.yaml', 'title: Hello\nsize: 3\nloud: true\nlogo:\n'));
  assert.deepEqual(one?.values, { title: 'Hello', size: 3, loud: true });
  const many = await readInputsFile(await file('e.json', '[{"title":"a"},{"title":"b"}]'));
  assert.deepEqual(
    many.map((entry) => [entry.values, entry.place]),
    [
      [{ title: 'a' }, `${join(dir, 'e.json')}, entry 1`],
      [{ title: 'b' }, `${join(dir, 'e.json')}, entry 2`],
    ],
  );
});

test('a file that cannot be understood is refused with the place', async () => {
  const cases: [string, string, RegExp][] = [
    ['f.csv', 'title\n', /has no rows/],
    ['g.csv', 'title,title\na,b\n', /two columns named "title"/],
    ['h.csv', 'title\na,b\n', /h\.csv, line 2 has 2 cells, the header has 1/],
    ['i.csv', 'title\n"open\n', /is not CSV/],
    ['j.json', '{', /is not JSON/],
    ['k.yaml', 'a: [', /is not YAML/],
    ['l.json', '[]', /is an empty list/],
    ['m.json', '[1]', /entry 1 is not a set of inputs/],
    ['n.json', '{"title":{"a":1}}', /title is neither text, number nor boolean/],
    ['o.txt', 'x', /neither \.yaml, \.json nor \.csv/],
  ];
  for (const [name, text, message] of cases) {
    await assert.rejects(readInputsFile(await file(name, text)), { code: 'CONFIG_INVALID', message }, name);
  }
  await assert.rejects(readInputsFile(join(dir, 'gone.csv')), {
    code: 'CONFIG_INVALID',
    message: /there is no file/,
  });
});
