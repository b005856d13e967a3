import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type {
  AepComposition,
  AepFootage,
  AepLayer,
  AepLayerKind,
  AepProject,
} from '../../src/bundle/aep/aep-project.ts';
import { ProjectIndex } from '../../src/bundle/aep/project-index.ts';
import { inputNameFrom } from '../../src/bundle/input-naming.ts';
import type { InputDefinition } from '../../src/bundle/manifest.ts';
import { parseManifest } from '../../src/bundle/manifest-file.ts';
import { checkProject } from '../../src/bundle/project-checks.ts';
import { proposalYaml } from '../../src/bundle/proposal-yaml.ts';
import { proposeInputs, referenceTo } from '../../src/bundle/propose-inputs.ts';
import { InputName } from '../../src/protocol/names.ts';

const layerOf = (index: number, parts: Partial<AepLayer>): AepLayer => ({
  index,
  name: '',
  kind: 'shape',
  sourceId: null,
  sourceName: null,
  enabled: true,
  solo: false,
  shy: false,
  locked: false,
  guide: false,
  adjustment: false,
  threeD: false,
  text: null,
  fonts: [],
  effects: [],
  ...parts,
});

const compositionOf = (id: number, parts: Partial<AepComposition>): AepComposition => ({
  id,
  name: `Comp ${id}`,
  folder: null,
  width: 1920,
  height: 1080,
  fps: 25,
  durationSeconds: 6,
  layers: [],
  ...parts,
});

const footageOf = (id: number, parts: Partial<AepFootage>): AepFootage => ({
  id,
  name: `item ${id}`,
  folder: null,
  kind: 'file',
  path: null,
  relativePath: null,
  isSequence: false,
  width: 100,
  height: 100,
  color: null,
  ...parts,
});

const projectOf = (compositions: AepComposition[], footage: AepFootage[] = []): AepProject => ({
  version: '24.2.0x1',
  platform: 'windows',
  folders: [{ id: 99, name: 'Folder', folder: null }],
  compositions,
  footage,
  fonts: [],
  effects: [],
});

/** The proposed manifest of the first composition, with the project checked against it. */
function proposed(project: AepProject, allColors = true) {
  const index = new ProjectIndex(project);
  const [main] = project.compositions;
  assert.ok(main);
  const composition = referenceTo(index, main);
  if (composition === null) return null;
  const inputs = proposeInputs(index, main, { allColors, hasFile: () => true });
  const yaml = proposalYaml({
    name: 'spot',
    title: main.name,
    project: 'spot.aep',
    version: project.version,
    main,
    composition,
    inputs,
    fonts: [],
    missingFonts: ['A "font"\u2028: #'],
  });
  const manifest = parseManifest(yaml);
  const findings = checkProject(manifest, project, ['spot.aep', 'media/a.png']);
  return { yaml, manifest, inputs, findings };
}

test('names of layers become names of inputs', () => {
  const taken = new Set<string>();
  const names: readonly (readonly [string, string])[] = [
    ['Main Title', 'mainTitle'],
    ['MAIN TITLE', 'mainTitle2'],
    ['mainTitle', 'mainTitle3'],
    ['logo.png', 'logo'],
    ['01 - Überschrift_größe', 'uberschriftGrosse'],
    ['2nd line', 'ndLine'],
    ['日本', 'text'],
    ['', 'text2'],
    ['1', 'text3'],
    ['Line 1', 'line1'],
    ['line_1', 'line1_2'],
    ['constructor', 'constructor'],
    ['Null', 'textNull'],
    ['The quick brown fox jumps over the lazy dog again', 'theQuickBrownFoxJumpsOverTheLazyDogAgain'],
    ['x'.repeat(200), 'x'.repeat(40)],
  ];
  for (const [layer, expected] of names) assert.equal(inputNameFrom(layer, 'text', taken), expected, layer);
});

test('any names become valid and different names of inputs', () => {
  fc.assert(
    fc.property(fc.array(fc.string({ unit: 'binary' }), { maxLength: 30 }), (layers) => {
      const taken = new Set<string>();
      const names = layers.map((layer) => inputNameFrom(layer, 'text', taken));
      for (const name of names) assert.ok(InputName.safeParse(name).success, name);
      assert.equal(new Set(names.map((name) => name.toLowerCase())).size, layers.length);
    }),
  );
});

const anyName = fc.oneof(
  fc.string({ unit: 'binary', maxLength: 40 }),
  fc.constantFrom(
    'A',
    'A/B',
    'B',
    '/',
    '1',
    'true',
    'null',
    '__proto__',
    'a: b #c',
    '- x',
    '"',
    "'",
    '\u2028',
    '{}',
    '$',
  ),
);
const anyKind = fc.constantFrom<AepLayerKind>('text', 'shape', 'solid', 'footage', 'composition', 'null');
const anyLayer = fc.record({
  name: anyName,
  kind: anyKind,
  text: fc.oneof(fc.string({ unit: 'binary', maxLength: 700 }), anyName),
  fill: fc.boolean(),
  source: fc.integer({ min: 0, max: 3 }),
});
const anyProject = fc
  .record({
    comps: fc.array(
      fc.record({ name: anyName, inFolder: fc.boolean(), layers: fc.array(anyLayer, { maxLength: 6 }) }),
      {
        minLength: 1,
        maxLength: 4,
      },
    ),
    names: fc.tuple(anyName, anyName, anyName, anyName),
  })
  .map(({ comps, names }) => {
    const footage = [
      footageOf(50, { name: names[0], path: '/x/media/a.png' }),
      footageOf(51, { name: names[1], kind: 'solid', color: '#102030' }),
      footageOf(52, { name: names[2], kind: 'placeholder' }),
      footageOf(53, { name: names[3], path: '/x/media/a.png', width: 0 }),
    ];
    const compositions = comps.map(({ name, inFolder, layers }, at) =>
      compositionOf(at + 1, {
        name,
        folder: inFolder ? 99 : null,
        layers: layers.map((layer, index) => {
          // Only later compositions, so that none contains itself.
          const inner = at + 1 + layer.source;
          const sourceId =
            layer.kind === 'solid'
              ? 51
              : layer.kind === 'footage'
                ? [50, 52, 53, 50][layer.source]
                : layer.kind === 'composition' && inner < comps.length
                  ? inner + 1
                  : undefined;
          return layerOf(index + 1, {
            name: layer.name,
            kind: layer.kind,
            text: layer.kind === 'text' ? layer.text : null,
            sourceId: sourceId ?? null,
            effects: layer.fill ? [{ matchName: 'ADBE Fill', name: 'Fill' }] : [],
          });
        }),
      }),
    );
    return projectOf(compositions, footage);
  });

test('whatever a project is called and says, the proposed manifest is sound and fits the project', () => {
  fc.assert(
    fc.property(anyProject, (project) => {
      const made = proposed(project);
      if (made === null) return;
      assert.deepEqual(
        made.findings.filter(({ severity }) => severity === 'error'),
        [],
        made.yaml,
      );
      for (const { name, fields } of made.inputs) {
        const input: InputDefinition | undefined = made.manifest.inputs[name];
        assert.ok(input);
        assert.equal(input.default, fields.default, 'a default comes back as it is in the project');
      }
    }),
    { numRuns: 300 },
  );
});

test('a text of several fonts, of control characters or of great length is left to the project', () => {
  const texts: readonly Partial<AepLayer>[] = [
    { text: 'Hello', fonts: ['A', 'B'] },
    { text: 'a\tb' },
    { text: 'x'.repeat(501) },
    { text: 'half \ud800' },
    { text: 'fine' },
  ];
  const layers = texts.map((parts, at) => layerOf(at + 1, { name: `Text ${at}`, kind: 'text', ...parts }));
  const made = proposed(projectOf([compositionOf(1, { layers })]));
  assert.deepEqual(
    made?.inputs.map(({ fields }) => fields.default),
    [undefined, undefined, undefined, undefined, 'fine'],
  );
});

test('of very many layers the first 200 are proposed', () => {
  const layers = Array.from({ length: 3000 }, (_, at) =>
    layerOf(at + 1, { name: `Line ${at}`, kind: 'text', text: 'x' }),
  );
  assert.equal(proposed(projectOf([compositionOf(1, { layers })]))?.inputs.length, 200);
});

test('the output is the preset of the composition’s size, or that of the composition', () => {
  const outputOf = (parts: Partial<AepComposition>) =>
    proposed(projectOf([compositionOf(1, parts)]))?.manifest.outputs[0];
  assert.equal(outputOf({}), 'youtube-1080p');
  assert.equal(outputOf({ width: 1080, height: 1920 }), 'story-1080x1920');
  assert.equal(outputOf({ width: 1080, height: 1350, fps: 23.976 }), 'portrait-1080x1350');
  assert.equal(outputOf({ width: 1000, height: 500 }), 'original');
  assert.equal(outputOf({ fps: 120 }), 'original');
});
