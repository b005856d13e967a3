import assert from 'node:assert/strict';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import fc from 'fast-check';
import { compLayer, footageLayer, ProjectBuilder, textLayer } from '../../after-effects/project-builder.ts';
import type { SimFootage } from '../../after-effects/sim-project.ts';
import { temporaryDirectory } from '../../helpers/render-request.ts';
import { bindIn, layerIn, pngFile, textOf } from './bind-bench.ts';

/** A call that a script would make if it were ever read as one: a bound project would have this name then. */
const CANARY = 'app.project.item(1).name="CANARY"';

const pieces = fc.constantFrom(
  '"',
  "'",
  '`',
  '\\',
  '\\\\',
  '\\"',
  '\\u0022',
  '/',
  '//',
  '/*',
  '*/',
  '\r\n',
  '\n',
  '\r',
  '\t',
  '\0',
  '\u0003',
  '\u007f',
  '\u0085',
  '\u2028',
  '\u2029',
  '\ufeff',
  '\ufffe',
  '\ud83d',
  '\ude00',
  '😀',
  'é',
  'e\u0301',
  'ß',
  '日本語',
  'עברית',
  '</script>',
  '<!--',
  '${',
  '}',
  `\${${CANARY}}`,
  `");${CANARY};//`,
  `';${CANARY};//`,
  `"+(${CANARY})+"`,
  `\n${CANARY}\n`,
  `\u2028${CANARY};`,
  '#include "x"',
  '__proto__',
  'constructor',
  '%41',
  '%',
  '../..',
  'C:\\x',
  '{}',
  '[1]',
  ' ',
);
const units = fc.integer({ min: 0, max: 0xffff }).map((unit) => String.fromCharCode(unit));
/** Any text at all, halves of surrogate pairs too. */
const anyText = fc.array(fc.oneof(pieces, units), { maxLength: 12 }).map((parts) => parts.join(''));

/** As After Effects has it: every line end is a carriage return. */
function bound(text: string): string {
  return text.replace(/\r\n|\n/g, '\r');
}

test('any text is bound to the letter, and nothing of it is executed', async (context) => {
  await fc.assert(
    fc.asyncProperty(fc.array(anyText, { minLength: 8, maxLength: 8 }), async (texts) => {
      const build = new ProjectBuilder();
      build.comp('Main', { layers: texts.map((_, index) => textLayer(`L${index}`, 'old')) });
      const { result, project } = await bindIn(context, build, {
        operations: texts.map((text, index) => ({
          at: text,
          op: 'text',
          layer: { composition: null, layer: `L${index}` },
          text,
          font: null,
          size: null,
          color: null,
          align: null,
          shrink: false,
        })),
        inputs: Object.fromEntries(texts.map((text, index) => [`input${index}`, text])),
      });
      assert.ok(result.ok, JSON.stringify(result));
      assert.deepEqual(
        texts.map((_, index) => textOf(layerIn(project, 'Main', `L${index}`)).text),
        texts.map(bound),
      );
      assert.deepEqual(
        project.items.map(({ name }) => name),
        ['Main'],
      );
    }),
    { numRuns: 25 },
  );
});

test('layers, compositions and folders of any name are found by it', async (context) => {
  const names = fc.array(anyText, { minLength: 1, maxLength: 1 }).map(([name = '']) => `${name}x`);
  await fc.assert(
    fc.asyncProperty(names, names, names, async (layer, inner, folder) => {
      const build = new ProjectBuilder();
      const parent = build.folder(folder).id;
      const comp = build.comp(`${inner}i`, { parent, layers: [textLayer(layer, 'old')] });
      build.comp(`${inner}m`, { parent, layers: [compLayer(comp, { name: `${layer} of Main` })] });
      const { result, project } = await bindIn(context, build, {
        composition: `${folder}/${inner}m`,
        operations: [
          {
            at: 'bind[0]',
            op: 'text',
            layer: { composition: `${folder}/${inner}i`, layer },
            text: 'new',
            font: null,
            size: null,
            color: null,
            align: null,
            shrink: false,
          },
        ],
      });
      assert.ok(result.ok, JSON.stringify(result));
      assert.equal(textOf(layerIn(project, `${inner}i`, layer)).text, 'new');
      assert.match(result.composition.name, /^[A-Za-z0-9][A-Za-z0-9 _.-]*$/);
    }),
    { numRuns: 20 },
  );
});

test('files of any name that the disk takes are imported', async (context) => {
  const directory = temporaryDirectory(context);
  // What no file system here has in a name, and halves of surrogate pairs, which become something else.
  const fileNames = anyText.map((text) => `${text.toWellFormed().replace(/[/\0]/g, '_').slice(0, 60)}.png`);
  let count = 0;
  await fc.assert(
    fc.asyncProperty(fileNames, async (name) => {
      count += 1;
      const folder = join(directory, `${count} %41 ü`);
      mkdirSync(folder);
      const file = pngFile(join(folder, name), 10, 10);
      const build = new ProjectBuilder();
      build.comp('Main', { layers: [footageLayer(build.placeholder('p'), { name: 'Place' })] });
      const { result, project } = await bindIn(context, build, {
        operations: [
          {
            at: name,
            op: 'footage',
            layer: { composition: null, layer: 'Place' },
            item: null,
            file,
            fit: 'none',
            time: 'keep',
          },
        ],
      });
      assert.ok(result.ok, JSON.stringify(result));
      const { sourceId } = layerIn(project, 'Main', 'Place');
      const { source } = project.items.find(({ id }) => id === sourceId) as SimFootage;
      assert.equal(source.kind === 'file' && source.path, file);
    }),
    { numRuns: 20 },
  );
});
