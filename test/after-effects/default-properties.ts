/** The properties that every layer has, whether or not a description names them. */
import type {
  SimComp,
  SimItem,
  SimLayer,
  SimProject,
  SimProperty,
  SimText,
  SimValue,
} from './sim-project.ts';

type ValueType = NonNullable<SimProperty['valueType']>;

/** A property with a value. */
export function property(
  name: string,
  matchName: string,
  valueType: ValueType,
  value: SimValue,
  range: { min?: number; max?: number } = {},
): SimProperty {
  return { name, matchName, valueType, value, ...range };
}

/** A text document of black 36 px point text, with what is given. */
export function textDocument(parts: Partial<SimText> = {}): SimText {
  return {
    text: '',
    font: 'ArialMT',
    fontFamily: 'Arial',
    fontStyle: 'Regular',
    fontSize: 36,
    fillColor: [0, 0, 0],
    applyFill: true,
    strokeColor: [0, 0, 0],
    strokeWidth: 0,
    applyStroke: false,
    justification: 'left',
    leading: 0,
    tracking: 0,
    box: null,
    ...parts,
  };
}

/** Adds to the layers of a project what After Effects gives every layer. */
export function completeProject(project: SimProject): void {
  for (const item of project.items) {
    if (item.type !== 'comp') continue;
    for (const layer of item.layers) completeLayer(layer, item, project.items);
  }
}

/** Adds to a layer what it lacks: transform, Source Text, effects, essential properties, audio levels. */
export function completeLayer(layer: SimLayer, comp: SimComp, items: readonly SimItem[]): void {
  const source = items.find(({ id }) => id === layer.sourceId);
  const size = source && source.type !== 'folder' && layer.kind !== 'null' ? source : null;
  if (layer.kind === 'text') {
    const group = ensureGroup(layer.properties, 'Text', 'ADBE Text Properties');
    ensure(group, property('Source Text', 'ADBE Text Document', 'text', textDocument()));
  }
  if (layer.kind === 'shape') ensureGroup(layer.properties, 'Contents', 'ADBE Root Vectors Group');
  if (layer.kind !== 'camera' && layer.kind !== 'light')
    ensureGroup(layer.properties, 'Effects', 'ADBE Effect Parade');
  const transform = ensureGroup(layer.properties, 'Transform', 'ADBE Transform Group');
  const center = size ? [size.width / 2, size.height / 2, 0] : [0, 0, 0];
  ensure(transform, property('Anchor Point', 'ADBE Anchor Point', 'point', center));
  ensure(transform, property('Position', 'ADBE Position', 'point', [comp.width / 2, comp.height / 2, 0]));
  ensure(transform, property('Scale', 'ADBE Scale', 'point', [100, 100, 100]));
  ensure(transform, property('Rotation', 'ADBE Rotate Z', 'number', 0));
  ensure(transform, property('Opacity', 'ADBE Opacity', 'number', 100, { min: 0, max: 100 }));
  if (source?.type === 'comp') completeEssentials(layer, source);
  if (source?.type === 'comp' || (source?.type === 'footage' && source.hasAudio)) {
    const audio = ensureGroup(layer.properties, 'Audio', 'ADBE Audio Group');
    ensure(audio, property('Audio Levels', 'ADBE Audio Levels', 'point', [0, 0], { min: -192, max: 24 }));
  }
}

/** Of a precomposition: what its Essential Graphics offer, as the layer overrides them. */
function completeEssentials(layer: SimLayer, source: SimComp): void {
  const names = Object.keys(source.essential);
  if (names.length === 0) return;
  const group = ensureGroup(layer.properties, 'Essential Properties', 'ADBE Layer Overrides');
  for (const name of names) {
    const found = followPath(source, source.essential[name] ?? '');
    if (found)
      ensure(group, {
        ...structuredClone(found),
        name,
        matchName: `ADBE Layer Overrides/${name}`,
        expression: '',
      });
  }
}

/** The property at "Layer/Group/Property", by names or match names. */
export function followPath(comp: SimComp, path: string): SimProperty | null {
  const [layerName, ...names] = path.split('/');
  let found: SimProperty | undefined;
  let below: readonly SimProperty[] | undefined = comp.layers.find(
    ({ name }) => name === layerName,
  )?.properties;
  for (const name of names) {
    found = below?.find((each) => each.name === name || each.matchName === name);
    below = found?.children;
  }
  return found ?? null;
}

function ensureGroup(properties: SimProperty[], name: string, matchName: string): SimProperty[] {
  const group = properties.find((each) => each.matchName === matchName);
  if (group) {
    group.children ??= [];
    return group.children;
  }
  const children: SimProperty[] = [];
  properties.push({ name, matchName, children });
  return children;
}

function ensure(children: SimProperty[], wanted: SimProperty): void {
  const found = children.find(({ matchName }) => matchName === wanted.matchName);
  if (!found) children.push(wanted);
  else {
    found.valueType ??= wanted.valueType;
    if (found.value === undefined && !found.keyframes?.length) found.value = wanted.value;
  }
}
