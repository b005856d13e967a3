/** What aerender looks up in a project before it renders. */
import type { AerenderArguments } from './aerender-arguments.ts';
import { isFile } from './render/footage.ts';
import { findProperty, groupOf, isText } from './render/properties.ts';
import { exactFps, type FrameSpan } from './render/render-comp.ts';
import type { SimComp, SimItem, SimLayer, SimProject } from './sim-project.ts';

/** The first composition of a name, in the order of the project panel. */
export function findComp(project: SimProject, name: string): SimComp | undefined {
  return project.items.find((item): item is SimComp => item.type === 'comp' && item.name === name);
}

/**
 * Frames that are rendered: the work area ("Best Settings"), or from -s to -e, which count as the composition displays its
 * frames; either alone leaves the other end as it is. Null: there is nothing there.
 */
export function frameSpan(
  comp: SimComp,
  args: Pick<AerenderArguments, 'start' | 'end' | 'increment'>,
): FrameSpan | null {
  const { num, den } = exactFps(comp.fps);
  const frames = (seconds: number) => Math.round((seconds * num) / den);
  const { workArea, displayStartFrame, duration } = comp;
  const first = args.start === null ? frames(workArea.start) : args.start - displayStartFrame;
  const last =
    args.end === null ? frames(workArea.start + workArea.duration) - 1 : args.end - displayStartFrame;
  if (first < 0 || last < first || last >= frames(duration)) return null;
  return { first, count: Math.ceil((last - first + 1) / args.increment), step: args.increment };
}

/** Paths of footage that a composition shows and that is not there. */
export function missingFootage(project: SimProject, comp: SimComp): string[] {
  const paths = usedItems(project, comp).map((item) =>
    item.type === 'footage' && item.source.kind === 'file' ? item.source.path : null,
  );
  return [...new Set(paths.filter((path) => path !== null))].filter((path) => !isFile(path));
}

/** Fonts of a composition's texts that are not installed. */
export function missingFonts(
  project: SimProject,
  comp: SimComp,
  installed: readonly string[],
): { family: string; style: string }[] {
  const missing = new Map<string, { family: string; style: string }>();
  const comps = [comp, ...usedItems(project, comp)].filter((item) => item.type === 'comp');
  for (const layer of comps.flatMap(({ layers }) => layers)) {
    const text = findProperty(groupOf(layer, 'ADBE Text Properties'), 'ADBE Text Document')?.value;
    if (isText(text) && !installed.includes(text.font))
      missing.set(text.font, { family: text.fontFamily, style: text.fontStyle });
  }
  return [...missing.values()];
}

/** Items that a composition uses, those of compositions in it too; layers that are off count for nothing. */
function usedItems(project: SimProject, comp: SimComp, known = new Set<SimItem>()): SimItem[] {
  const isUsed = (layer: SimLayer) => layer.enabled || layer.audioEnabled;
  for (const layer of comp.layers.filter(isUsed)) {
    const item = project.items.find(({ id }) => id === layer.sourceId);
    if (!item || known.has(item)) continue;
    known.add(item);
    if (item.type === 'comp') usedItems(project, item, known);
  }
  return [...known];
}
