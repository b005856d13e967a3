import assert from 'node:assert/strict';
import { test } from 'node:test';
import { inspectProject } from '../../src/bundle/aep/inspect-project.ts';
import { parseManifest } from '../../src/bundle/manifest-file.ts';
import { checkProject } from '../../src/bundle/project-checks.ts';
import {
  aepFile,
  compositionItem,
  folderItem,
  footageItem,
  layer,
  textData,
  versionChunk,
} from '../helpers/rifx-writer.ts';

const text = (name: string, font = 'Inter-Bold') => layer({ name, type: 3, text: textData('Hello', [font]) });

/** "Main" shows "Card" and the footage; "Tall" and "Old/Main" stand beside it. */
const items = [
  compositionItem({
    id: 1,
    name: 'Main',
    duration: [6, 1],
    layers: [
      text('Title'),
      layer({ name: 'Card', sourceId: 2 }),
      layer({ name: 'Logo', sourceId: 10, effects: [{ matchName: 'ADBE Fill', name: 'Füllung' }] }),
      layer({ name: 'Bar', sourceId: 11 }),
      layer({ name: 'Star', type: 4 }),
      layer({ name: 'Camera', type: 2 }),
      text('Twice'),
      text('Twice'),
      layer({
        name: 'Glow',
        sourceId: 11,
        effects: ['Fill', 'Fill', 'Fill 2.5'].map((name) => ({ matchName: 'ADBE Fill', name })),
      }),
    ],
  }),
  compositionItem({ id: 2, name: 'Card', layers: [text('Line'), text('Both'), layer({ sourceId: 3 })] }),
  compositionItem({ id: 3, name: 'Inner', layers: [text('Both'), text('Deep')] }),
  compositionItem({ id: 4, name: 'Tall', width: 1080, height: 1920, layers: [text('Only here')] }),
  folderItem({ id: 5, name: 'Old' }, [compositionItem({ id: 6, name: 'Main' })]),
  footageItem({ id: 10, path: 'C:\\work\\spot\\media\\logo.png' }),
  footageItem({ id: 11, solid: { name: 'Bar', color: [1, 0, 0] } }),
];

interface Situation {
  readonly bind?: string;
  readonly composition?: string;
  readonly more?: string;
  readonly inputs?: string;
  readonly requires?: string;
  readonly files?: readonly string[];
  readonly aep?: Buffer;
  readonly outputs?: string;
  readonly duration?: string;
}

const FILES = ['template.yaml', 'spot.aep', 'media/Logo.png'];

async function findings(situation: Situation) {
  const {
    bind = '',
    composition = '/Main',
    more = '',
    inputs = '',
    requires = "{ aerender: '23' }",
  } = situation;
  const manifest = parseManifest(`schema: 1
name: spot
version: 1.0.0
composition: { width: 1920, height: 1080, fps: 25, duration: ${situation.duration ?? 6} }
inputs:
  title: { type: text, default: Hello }
  photo: { type: image }
  sure: { type: image, required: true }
  accent: { type: color }
  format: { type: choice, options: [wide, tall], default: wide }
${inputs}
engines:
  aerender:
    project: spot.aep
    composition: ${composition}
    fonts: [{ file: a.ttf, names: [Inter-Bold] }]
    bind: [${bind}]
${more}
requires: { engines: ${requires} }
outputs: [${situation.outputs ?? 'youtube-1080p'}]
`);
  const project = await inspectProject(situation.aep ?? aepFile(items));
  return checkProject(manifest, project, situation.files ?? FILES);
}

const messages = async (situation: Situation) =>
  (await findings(situation)).map(({ severity, code, message }) => `${severity} ${code} ${message}`);

test('a manifest that fits its project has no findings', async () => {
  const bind = [
    '{ to: text, input: title, layer: Title }',
    '{ to: text, input: title, layer: Line }',
    '{ to: text, input: title, layer: Card/Both }',
    '{ to: text, input: title, layer: Inner/Both }',
    '{ to: text, input: title, layer: Card/Inner/Deep }',
    '{ to: text, input: title, composition: Card, layer: Inner/Deep }',
    '{ to: text, input: title, layer: 7 }',
    '{ to: text, input: title, composition: Inner, layer: Deep }',
    '{ to: footage, input: photo, layer: Logo }',
    '{ to: footage, input: photo, item: logo.png }',
    '{ to: color, input: accent, layer: Bar }',
    '{ to: color, input: accent, layer: Star, shape: Body }',
    '{ to: color, input: accent, layer: Logo, property: Effects.Füllung.Color }',
    '{ to: color, input: accent, layer: Logo, property: "Effects.ADBE Fill.ADBE Fill-0002" }',
    "{ to: color, input: accent, layer: Glow, property: 'Effects.Fill 2\\.5.Color' }",
    '{ to: color, input: accent, layer: Glow, property: Effects.2.Color }',
    '{ to: property, input: title, layer: Camera, property: Camera Options.Zoom }',
    '{ to: source, input: format, layer: Card, options: { wide: Card, tall: Tall } }',
  ].join(', ');
  assert.deepEqual(await messages({ bind }), []);
});

const PLACE = 'template.yaml: engines.aerender.bind[0].';
const refusals: readonly (readonly [string, string, string])[] = [
  [
    'a layer that is not there',
    '{ to: text, input: title, layer: Titel }',
    'error AE_LAYER_NOT_FOUND @layer: composition "Main" and those in it have no layer "Titel"; did you mean "Title"?',
  ],
  [
    'a layer of another composition',
    '{ to: text, input: title, layer: Only here }',
    'error AE_LAYER_NOT_FOUND @layer: composition "Main" and those in it have no layer "Only here"; there are "Title", "Card", "Logo", "Bar", "Star", "Camera", "Twice", "Glow", "Line", "Both" and 2 more',
  ],
  [
    'two layers of one name in one composition',
    '{ to: text, input: title, layer: Twice }',
    'error AE_LAYER_NOT_FOUND @layer: there are 2 layers "Twice": layer 7 of "Main", layer 8 of "Main"; give the number of the layer, or rename one',
  ],
  [
    'two layers of one name in two compositions',
    '{ to: text, input: title, layer: Both }',
    'error AE_LAYER_NOT_FOUND @layer: there are 2 layers "Both": layer 2 of "Card", layer 1 of "Inner"; add "composition", or rename one',
  ],
  [
    'a number beyond the layers',
    '{ to: text, input: title, layer: 10 }',
    'error AE_LAYER_NOT_FOUND @layer: composition "Main" has no layer 10; it has 9',
  ],
  [
    'a composition that is not there',
    '{ to: text, input: title, layer: Line, composition: Crad }',
    'error AE_COMP_NOT_FOUND @composition: the project has no composition "Crad"; did you mean "Card"?',
  ],
  [
    'two compositions of one name',
    '{ to: text, input: title, layer: Line, composition: Main }',
    'error AE_COMP_NOT_FOUND @composition: the project has 2 compositions "Main"; give the folder: "/Main", "Old/Main"',
  ],
  [
    'text for what is no text layer',
    '{ to: text, input: title, layer: Logo }',
    'error AE_LAYER_NOT_FOUND @layer: the layer "Logo" is footage, no text layer',
  ],
  [
    'footage for what shows none',
    '{ to: footage, input: photo, layer: Star }',
    'error AE_LAYER_NOT_FOUND @layer: the layer "Star" is a shape layer: it shows no footage that could be replaced',
  ],
  [
    'a project item that is not there',
    '{ to: footage, input: photo, item: logo.jpg }',
    'error AE_LAYER_NOT_FOUND @item: the project has no project item "logo.jpg"; did you mean "logo.png"?',
  ],
  [
    'the colour of what has none',
    '{ to: color, input: accent, layer: Logo }',
    'error AE_PROPERTY_NOT_FOUND @layer: the layer "Logo" is footage; text, solids and shape layers have a colour of their own',
  ],
  [
    'a shape in what is no shape layer',
    '{ to: color, input: accent, layer: Bar, shape: Star }',
    'error AE_PROPERTY_NOT_FOUND @shape: the layer "Bar" is a solid, no shape layer',
  ],
  [
    'an effect that the layer lacks',
    '{ to: property, input: title, layer: Logo, property: Effects.Fill.Color }',
    'error AE_PROPERTY_NOT_FOUND @property: the layer "Logo" has no effect "Fill"; it has 1 "Füllung" (ADBE Fill)',
  ],
  [
    'an effect of which there are two',
    '{ to: color, input: accent, layer: Glow, property: Effects.Fill.Color }',
    'error AE_PROPERTY_NOT_FOUND @property: the layer "Glow" has 2 effects "Fill"; give the number instead of the name: 1 "Fill" (ADBE Fill), 2 "Fill" (ADBE Fill), 3 "Fill 2.5" (ADBE Fill)',
  ],
  [
    'an effect by a number that is too high',
    '{ to: color, input: accent, layer: Logo, property: Effects.2.Color }',
    'error AE_PROPERTY_NOT_FOUND @property: the layer "Logo" has no effect "2"; it has 1 "Füllung" (ADBE Fill)',
  ],
  [
    'an expression on an effect of a layer without any',
    '{ to: expression, layer: Bar, property: Effects.Glow.Radius, expression: "1" }',
    'error AE_PROPERTY_NOT_FOUND @property: the layer "Bar" has no effect "Glow"; it has none',
  ],
  [
    'a source that contains its layer',
    '{ to: source, input: format, composition: Card, layer: Inner, options: { wide: /Main, tall: Tall } }',
    'error TEMPLATE_INVALID @options.wide: the composition "/Main" contains the layer that should show it',
  ],
];
for (const [title, bind, expected] of refusals) {
  test(`${title} is refused`, async () => {
    assert.deepEqual(await messages({ bind }), [expected.replace('@', PLACE)]);
  });
}

test('a composition that is not there is refused, with those that are', async () => {
  assert.deepEqual(await messages({ composition: 'Mian' }), [
    'error AE_COMP_NOT_FOUND template.yaml: engines.aerender.composition: the project has no composition "Mian"; did you mean "Main"?',
  ]);
  assert.deepEqual(await messages({ composition: 'Main' }), [
    'error AE_COMP_NOT_FOUND template.yaml: engines.aerender.composition: the project has 2 compositions "Main"; give the folder: "/Main", "Old/Main"',
  ]);
});

test('a layer must be in every composition that may be chosen', async () => {
  const composition = '{ input: format, options: { wide: /Main, tall: Tall } }';
  assert.deepEqual(await messages({ composition, bind: '{ to: text, input: title, layer: Title }' }), [
    `error AE_LAYER_NOT_FOUND ${PLACE}layer: composition "Tall" has no layer "Title"; there are "Only here" (where "tall" is chosen)`,
  ]);
});

test('an output that lasts longer than the composition is refused', async () => {
  const aep = aepFile([compositionItem({ id: 1, name: 'Main', duration: [4, 1], layers: [text('Title')] })]);
  const lasts = 'and the composition "Main" of the project lasts 4 s';
  assert.deepEqual(await messages({ aep }), [
    `error TEMPLATE_INVALID template.yaml: composition.duration: is 6 s, ${lasts}`,
  ]);
  assert.deepEqual(
    await messages({ aep, outputs: '{ name: long, durationSeconds: 4.5 }', duration: '4.04' }),
    [`error TEMPLATE_INVALID template.yaml: outputs[0].durationSeconds: is 4.5 s, ${lasts}`],
  );
});

test('footage that the bundle lacks is refused', async () => {
  const files = ['template.yaml', 'spot.aep'];
  const lacking =
    'the bundle lacks the footage "logo.png"; the project has it as "C:\\\\work\\\\spot\\\\media\\\\logo.png"';
  assert.deepEqual(await messages({ files }), [`error AE_MISSING_FOOTAGE ${lacking}`]);
  assert.deepEqual(await messages({ files, more: '    missingFootage: ignore' }), [
    `warning AE_MISSING_FOOTAGE ${lacking}`,
  ]);
  const replaced = (input: string) =>
    messages({ files, bind: `{ to: footage, input: ${input}, layer: Logo }` });
  assert.deepEqual(await replaced('photo'), [`error AE_MISSING_FOOTAGE ${lacking}`], 'may be left out');
  assert.deepEqual(await replaced('sure'), [
    'warning AE_MISSING_FOOTAGE not in the bundle, and not needed by what is rendered: "logo.png"',
  ]);
  assert.deepEqual(await messages({ files, composition: 'Tall' }), [
    'warning TEMPLATE_INVALID the composition "Tall" of the project is 1080 × 1920, the manifest says 1920 × 1080: it will have bars',
    'warning TEMPLATE_INVALID the composition "Tall" of the project lasts 10 s, of which the manifest asks for 6 s',
    'warning AE_MISSING_FOOTAGE not in the bundle, and not needed by what is rendered: "logo.png"',
  ]);
  assert.deepEqual(await messages({ files: [...files, '(Footage)/logo.png'] }), []);
});

test('footage that the bundle has elsewhere is linked there; of layers of a file only After Effects can do that', async () => {
  const aep = (name: string, file: string) =>
    aepFile([
      compositionItem({
        id: 1,
        name: 'Main',
        duration: [6, 1],
        layers: [text('Title'), layer({ sourceId: 10 })],
      }),
      footageItem({ id: 10, name, path: `C:\\studio\\art\\${file}`, ascend: [2, 2] }),
    ]);
  const inBundle = (name: string, file: string, path: string) =>
    messages({ aep: aep(name, file), files: ['template.yaml', 'spot.aep', path] });
  assert.deepEqual(await inBundle('logo.png', 'logo.png', 'art/logo.png'), []);
  assert.deepEqual(await inBundle('art.psd', 'art.psd', 'art/art.psd'), []);
  assert.deepEqual(await inBundle('Sky/art.psd', 'art.psd', 'art/art.psd'), [
    'warning AE_MISSING_FOOTAGE the bundle has the footage "Sky/art.psd" as "art/art.psd"; of a layer of it only After Effects finds the file, and looks for it outside of the bundle (../art/art.psd)',
  ]);
  assert.equal((await inBundle('logo.png', 'logo.png', 'logo.jpg')).length, 1);
});

test('fonts, plug-ins and the version that a node needs are warnings', async () => {
  const aep = aepFile(
    [
      compositionItem({
        id: 1,
        name: 'Main',
        duration: [6, 1],
        layers: [
          layer({
            name: 'Title',
            type: 3,
            text: textData('Hi', ['Bebas-Regular', 'Lato-Thin']),
            effects: ['ADBE Glo2', 'CC Light Sweep', 'Keylight 906', 'Pseudo/x', 'tc Particular'].map(
              (matchName) => ({
                matchName,
                name: 'e',
              }),
            ),
          }),
        ],
      }),
    ],
    versionChunk({ major: 24, minor: 2 }),
  );
  assert.deepEqual(await messages({ aep }), [
    'warning AE_MISSING_FONT no font of the bundle is one of "Bebas-Regular", "Lato-Thin", which the project uses; a node that has not got it installed refuses the job',
    'warning TEMPLATE_INVALID engines.aerender.fonts has "Inter-Bold", which no text of the project is set in',
    'warning TEMPLATE_INVALID the effect "tc Particular" needs a plug-in that does not come with After Effects',
    'warning TEMPLATE_INVALID the project was saved by After Effects 24.2.0x52, which older ones cannot open, and the manifest asks for 23 only',
  ]);
  assert.equal(
    (await findings({ aep, requires: '{}' })).at(-1)?.hint,
    "write requires: { engines: { aerender: '24' } }",
  );
});
