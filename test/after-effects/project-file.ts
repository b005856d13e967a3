/**
 * Project files of the simulator: a real RIFX .aep, as far as the inspector of this program reads one, and behind its data
 * the description that the stand-ins work on, in JSON. Real files have an XMP packet there.
 */
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join, posix, win32 } from 'node:path';
import {
  aepFile,
  compositionItem,
  folderItem,
  footageItem,
  type LayerFlag,
  layer,
  textData,
  versionChunk,
} from '../helpers/rifx-writer.ts';
import type {
  SimComp,
  SimFootage,
  SimItem,
  SimLayer,
  SimProject,
  SimProperty,
  SimText,
} from './sim-project.ts';

/** Begins the line behind which the description is. */
const MARKER = '\n%simulated-project%\n';

/** What After Effects says of a file that it cannot open; the wording is not verified. */
export class ProjectFileError extends Error {}

/** Writes a project as an .aep file. The project itself stays as it is. */
export function writeProject(path: string, project: SimProject): void {
  const saved: SimProject = { ...project, savedAs: project.savedAs ?? path };
  const [major = 23, minor = 0] = project.version.split(/[.x]/).map(Number);
  const bytes = aepFile(itemsIn(project, null), versionChunk({ major, minor }));
  writeFileSync(path, Buffer.concat([bytes, Buffer.from(`${MARKER}${JSON.stringify(saved)}\n%end%\n`)]));
}

/**
 * Reads a project that {@link writeProject} wrote. Footage that is not where it was, but lies to the file as it lay when it
 * was saved, is found there, as After Effects does. Throws a {@link ProjectFileError} for anything else or damaged.
 */
export function readProject(path: string): SimProject {
  const project = parseProject(path);
  for (const item of project.items) {
    if (item.type !== 'footage' || item.source.kind !== 'file' || existsSync(item.source.path)) continue;
    const moved = movedPath(item.source.path, project.savedAs ?? path, path);
    if (moved !== null && existsSync(moved)) item.source.path = moved;
  }
  project.savedAs = path;
  return project;
}

function parseProject(path: string): SimProject {
  if (!existsSync(path)) throw new ProjectFileError(`After Effects error: file “${path}” does not exist.`);
  const bytes = readFileSync(path);
  const damaged = () => new ProjectFileError(`After Effects error: the project file “${path}” is damaged.`);
  if (
    bytes.length < 12 ||
    bytes.toString('latin1', 0, 4) !== 'RIFX' ||
    bytes.toString('latin1', 8, 12) !== 'Egg!'
  )
    throw damaged();
  const end = bytes.readUInt32BE(4) + 8;
  const from = bytes.indexOf(MARKER, end);
  const to = bytes.lastIndexOf('\n%end%\n');
  if (end > bytes.length || from === -1 || to === -1) throw damaged();
  try {
    return JSON.parse(bytes.toString('utf8', from + MARKER.length, to)) as SimProject;
  } catch {
    throw damaged();
  }
}

/** Where a file is when the project has moved with it; null: on another drive. Paths of either system. */
function movedPath(file: string, savedAs: string, now: string): string | null {
  const paths = /^[a-z]:[\\/]|^\\\\/i.test(savedAs) ? win32 : posix;
  const relative = paths.relative(paths.dirname(savedAs), file);
  if (paths.isAbsolute(relative)) return null;
  return join(dirname(now), ...relative.split(paths.sep));
}

function itemsIn(project: SimProject, parent: number | null): Buffer[] {
  return project.items.filter((item) => item.parent === parent).map((item) => itemChunk(project, item));
}

function itemChunk(project: SimProject, item: SimItem): Buffer {
  if (item.type === 'folder') return folderItem(item, itemsIn(project, item.id));
  if (item.type === 'comp') return compositionChunk(project, item);
  return footageChunk(item);
}

function compositionChunk(project: SimProject, comp: SimComp): Buffer {
  return compositionItem({
    id: comp.id,
    name: comp.name,
    width: comp.width,
    height: comp.height,
    fps: comp.fps,
    duration: [Math.round(comp.duration * 1_000_000), 1_000_000],
    layers: comp.layers.map((each) => layerChunk(project, each)),
  });
}

function footageChunk({ id, name, width, height, source }: SimFootage): Buffer {
  const base = { id, name, width, height };
  if (source.kind === 'file') return footageItem({ ...base, path: source.path });
  if (source.kind === 'solid') return footageItem({ ...base, solid: { name: '', color: source.color } });
  return footageItem({ ...base, placeholder: '' });
}

const LAYER_TYPES: Partial<Record<SimLayer['kind'], number>> = { light: 1, camera: 2, text: 3, shape: 4 };

function layerChunk(project: SimProject, each: SimLayer): Buffer {
  const is: Record<LayerFlag, boolean> = {
    enabled: each.enabled,
    locked: each.locked === true,
    threeD: each.threeD === true,
    adjustment: each.adjustment === true,
    guide: each.guide === true,
    shy: each.shy === true,
    solo: each.solo === true,
    null: each.kind === 'null',
  };
  const source = project.items.find(({ id }) => id === each.sourceId);
  const texts = textsOf(each);
  const [text] = texts;
  return layer({
    // A layer without a name of its own has that of its source.
    name: each.name === source?.name ? '' : each.name,
    type: LAYER_TYPES[each.kind] ?? 0,
    sourceId: each.sourceId ?? 0,
    flags: (Object.keys(is) as LayerFlag[]).filter((flag) => is[flag]),
    ...(text ? { text: textData(text.text, [...new Set(texts.map(({ font }) => font))]) } : {}),
    effects: groupIn(each.properties, 'ADBE Effect Parade').map(({ matchName, name }) => ({
      matchName,
      name,
    })),
  });
}

/** The document of a text layer, then those of its keyframes. */
function textsOf(each: SimLayer): SimText[] {
  const property = groupIn(each.properties, 'ADBE Text Properties').find(
    ({ matchName }) => matchName === 'ADBE Text Document',
  );
  const keys = (property?.keyframes ?? []).map(({ value }) => value as SimText);
  return keys.length > 0 ? keys : property?.value === undefined ? [] : [property.value as SimText];
}

function groupIn(properties: readonly SimProperty[], matchName: string): readonly SimProperty[] {
  return properties.find((property) => property.matchName === matchName)?.children ?? [];
}
