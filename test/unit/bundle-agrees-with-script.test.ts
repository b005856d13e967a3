import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { inspectProject } from '../../src/bundle/aep/inspect-project.ts';
import { ProjectIndex } from '../../src/bundle/aep/project-index.ts';
import { compLayer, ProjectBuilder, textLayer } from '../after-effects/project-builder.ts';
import type { SimComp, SimProject, SimText } from '../after-effects/sim-project.ts';
import { addressed, bindIn } from './after-effects/bind-bench.ts';

const name = fc.constantFrom('A', 'B', 'C', 'D', 'A/B', '1');
const plan = fc.record({
  /** From the inside out; each may show those before it. */
  comps: fc.array(
    fc.record({
      name,
      inFolder: fc.boolean(),
      layers: fc.array(fc.record({ name, shows: fc.option(fc.nat(3), { nil: null }) }), { maxLength: 4 }),
    }),
    { maxLength: 3 },
  ),
  main: fc.array(fc.record({ name, shows: fc.option(fc.nat(3), { nil: null }) }), {
    minLength: 1,
    maxLength: 4,
  }),
  layer: fc.oneof(name, fc.constantFrom('A/B/A', 'B/B', '/A', 'A/'), fc.integer({ min: 1, max: 5 })),
  composition: fc.oneof(
    { arbitrary: fc.constant(undefined), weight: 3 },
    { arbitrary: fc.oneof(name, fc.constantFrom('/A', 'F/A', 'F/B', 'Rendered')), weight: 1 },
  ),
});

function build({ comps, main }: typeof plan extends fc.Arbitrary<infer T> ? T : never): ProjectBuilder {
  const builder = new ProjectBuilder();
  const folder = builder.folder('F');
  const made: SimComp[] = [];
  const layers = (wanted: (typeof comps)[number]['layers']) =>
    wanted.map((layer) => {
      const inner = layer.shows === null ? undefined : made[layer.shows];
      return inner ? compLayer(inner, { name: layer.name }) : textLayer(layer.name, 'old');
    });
  for (const comp of comps)
    made.push(
      builder.comp(comp.name, { parent: comp.inFolder ? folder.id : null, layers: layers(comp.layers) }),
    );
  builder.comp('Rendered', { layers: layers(main) });
  return builder;
}

/** Where "new" is: item id and number of the layer. */
function changed(project: SimProject): string[] {
  return project.items.flatMap((item) =>
    item.type !== 'comp'
      ? []
      : item.layers.flatMap((layer, index) => {
          const group = layer.properties.find(({ matchName }) => matchName === 'ADBE Text Properties');
          const text = group?.children?.find(({ matchName }) => matchName === 'ADBE Text Document')?.value;
          return (text as SimText | undefined)?.text === 'new' ? [`${item.id}/${index + 1}`] : [];
        }),
  );
}

test('the check finds the layer that the script in After Effects changes, and refuses what it refuses', async (context) => {
  let found = 0;
  let refused = 0;
  await fc.assert(
    fc.asyncProperty(plan, async (parts) => {
      const builder = build(parts);
      const { layer, composition } = parts;
      const bound = await bindIn(context, builder, {
        composition: 'Rendered',
        operations: [addressed(layer, composition ?? null)],
      });
      const index = new ProjectIndex(await inspectProject(bound.original));
      const main = index.findComposition('Rendered');
      assert.ok('found' in main);
      const looked = index.findLayer(main.found, { layer, composition });
      if ('found' in looked && looked.found.layer.kind === 'text') {
        const { composition: where, layer: at } = looked.found;
        assert.ok(bound.result.ok, JSON.stringify(bound.result));
        assert.deepEqual(changed(bound.project), [`${where.id}/${at.index}`]);
        found += 1;
        return;
      }
      assert.ok(!bound.result.ok, 'the check finds no text layer');
      if ('problem' in looked) assert.equal(bound.result.error.code, looked.code, looked.problem);
      refused += 1;
    }),
    { numRuns: 60 },
  );
  assert.ok(found > 0 && refused > 0, `${found} found, ${refused} refused`);
});
