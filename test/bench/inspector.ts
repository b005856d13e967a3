/** How fast an After Effects project is inspected. */
import type { AepProject } from '../../src/bundle/aep/aep-project.ts';
import { inspectProject } from '../../src/bundle/aep/inspect-project.ts';
import { percentile } from '../helpers/load-client.ts';
import {
  aepFile,
  chunk,
  compositionItem,
  folderItem,
  footageItem,
  layer,
  list,
  matchName,
  textData,
} from '../helpers/rifx-writer.ts';

export interface InspectorFigures {
  readonly project: string;
  readonly megabytes: number;
  readonly layers: number;
  readonly medianMs: number;
  readonly megabytesPerSecond: number;
  /** Wanted: 20 or more. */
  readonly slowestMegabytesPerSecond: number;
}

/**
 * Two projects of some `megabytes`: `usual` as real ones are, most of it keyframes and settings that nobody asks for;
 * `dense` nothing but small layers with text and effects, all of which is read.
 */
export async function benchInspector(megabytes: number, rounds: number): Promise<InspectorFigures[]> {
  const figures: InspectorFigures[] = [];
  for (const [project, layerOf] of [
    ['usual', usualLayer],
    ['dense', denseLayer],
  ] as const) {
    const bytes = projectOf(megabytes, layerOf);
    const samples: number[] = [];
    let found: AepProject | undefined;
    for (let round = -1; round < rounds; round += 1) {
      const startedAt = performance.now();
      found = await inspectProject(bytes);
      if (round >= 0) samples.push(performance.now() - startedAt);
    }
    const size = bytes.length / 1e6;
    const medianMs = percentile(samples, 0.5);
    figures.push({
      project,
      megabytes: Math.round(size * 10) / 10,
      layers: found?.compositions.reduce((sum, { layers }) => sum + layers.length, 0) ?? 0,
      medianMs: Math.round(medianMs * 10) / 10,
      megabytesPerSecond: Math.round((size / medianMs) * 1000),
      slowestMegabytesPerSecond: Math.round((size / Math.max(...samples)) * 1000),
    });
  }
  return figures;
}

function projectOf(megabytes: number, layerOf: (at: number) => Buffer): Buffer {
  const compositions: Buffer[] = [];
  let size = 0;
  while (size < megabytes * 1e6) {
    const at = compositions.length;
    const layers = Array.from({ length: 20 }, (_, index) => layerOf(index));
    const composition = compositionItem({ id: 100 + at, name: `Composition ${at}`, fps: 29.97, layers });
    size += composition.length;
    compositions.push(composition);
  }
  const footage = [
    footageItem({ id: 2, path: '/Volumes/media/footage/background.mov' }),
    footageItem({ id: 3, solid: { name: 'White Solid 1', color: [1, 1, 1] } }),
  ];
  return aepFile([folderItem({ id: 1, name: 'Compositions' }, compositions), ...footage]);
}

/** 15 kB, the size that layers of real projects have: each property is some small chunks, and every third has a text. */
function usualLayer(at: number): Buffer {
  const property = list(
    'tdbs',
    chunk('tdsb', Buffer.alloc(4)),
    chunk('tdb4', Buffer.alloc(124)),
    chunk('cdat', Buffer.alloc(40)),
  );
  const properties = Array.from({ length: 50 }, () => [matchName('ADBE Opacity'), property]).flat();
  return layer({
    name: `Layer ${at}`,
    ...(at % 3 === 0
      ? { type: 3, text: textData('Lorem ipsum dolor sit amet', ['Inter-Bold']) }
      : { sourceId: 2 }),
    more: [list('tdgp', ...properties)],
  });
}

function denseLayer(at: number): Buffer {
  return layer({
    name: `Layer ${at}`,
    type: 3,
    text: textData('Lorem ipsum dolor sit amet', ['Inter-Bold', 'Inter-Regular'], ['AdobeInvisFont']),
    effects: [
      { matchName: 'ADBE Fill', name: 'Fill' },
      { matchName: 'ADBE Drop Shadow', name: 'Drop Shadow', renamed: 'Shadow' },
    ],
  });
}
