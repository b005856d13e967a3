/** One binding of `engines.aerender` against the project. */
import type { AepEffect, AepLayer } from './aep/aep-project.ts';
import { type PlacedLayer, quoted } from './aep/project-index.ts';
import type { AerenderBinding } from './aerender-section.ts';
import type { ManifestPath } from './problems.ts';
import { errorAt, inspectHint, type ProjectContext, type ProjectFinding } from './project-finding.ts';

/** What the project lacks for the binding, in any composition that may be rendered. */
export function checkBinding(
  context: ProjectContext,
  binding: AerenderBinding,
  path: ManifestPath,
): ProjectFinding[] {
  const { index, section } = context;
  if (binding.to === 'footage' && binding.item !== undefined) {
    const looked = index.findItem(binding.item);
    if ('found' in looked) return [];
    return [errorAt([...path, 'item'], looked.code, looked.problem, inspectHint(section))];
  }
  const { layer, composition } = binding;
  if (layer === undefined) return [];
  const findings = new Map<string, ProjectFinding>();
  for (const main of context.mains) {
    const looked = index.findLayer(main.composition, { layer, composition });
    const found =
      'problem' in looked
        ? [errorAt([...path, fieldOf(looked.code)], looked.code, looked.problem, inspectHint(section))]
        : checkLayer(context, binding, looked.found, path);
    for (const finding of found) {
      const where =
        main.option === null || composition !== undefined ? '' : ` (where ${quoted(main.option)} is chosen)`;
      const shown = { ...finding, message: `${finding.message}${where}` };
      findings.set(shown.message, shown);
    }
  }
  return [...findings.values()];
}

function fieldOf(code: 'AE_COMP_NOT_FOUND' | 'AE_LAYER_NOT_FOUND'): string {
  return code === 'AE_COMP_NOT_FOUND' ? 'composition' : 'layer';
}

/** Whether a layer is of a kind that the binding can change. */
function checkLayer(
  context: ProjectContext,
  binding: AerenderBinding,
  placed: PlacedLayer,
  path: ManifestPath,
): ProjectFinding[] {
  const { layer } = placed;
  switch (binding.to) {
    case 'text':
      return layer.kind === 'text' || layer.kind === 'unknown'
        ? []
        : [errorAt([...path, 'layer'], 'AE_LAYER_NOT_FOUND', `${described(layer)}, no text layer`)];
    case 'footage':
      return checkSource(layer, path);
    case 'source':
      return [...checkSource(layer, path), ...checkOptions(context, binding.options, placed, path)];
    case 'color':
      return binding.property === undefined
        ? checkColor(layer, binding.shape, path)
        : checkProperty(layer, binding.property, path);
    case 'property':
    case 'expression':
      return checkProperty(layer, binding.property, path);
    default:
      return [];
  }
}

const WITHOUT_SOURCE: ReadonlySet<AepLayer['kind']> = new Set(['text', 'shape', 'camera', 'light']);

function checkSource(layer: AepLayer, path: ManifestPath): ProjectFinding[] {
  if (!WITHOUT_SOURCE.has(layer.kind)) return [];
  const message = `${described(layer)}: it shows no footage that could be replaced`;
  return [errorAt([...path, 'layer'], 'AE_LAYER_NOT_FOUND', message)];
}

function checkOptions(
  { index, section }: ProjectContext,
  options: Readonly<Record<string, string>>,
  { composition }: PlacedLayer,
  path: ManifestPath,
): ProjectFinding[] {
  return Object.entries(options).flatMap(([option, name]) => {
    const looked = index.findComposition(name);
    const place = [...path, 'options', option];
    if ('problem' in looked) return [errorAt(place, looked.code, looked.problem, inspectHint(section))];
    if (!index.within(looked.found).includes(composition)) return [];
    const message = `the composition ${quoted(name)} contains the layer that should show it`;
    return [errorAt(place, 'TEMPLATE_INVALID', message)];
  });
}

const WITH_COLOR: ReadonlySet<AepLayer['kind']> = new Set(['text', 'solid', 'shape', 'unknown']);

function checkColor(layer: AepLayer, shape: string | undefined, path: ManifestPath): ProjectFinding[] {
  if (!WITH_COLOR.has(layer.kind)) {
    const fill = layer.effects.find(({ matchName }) => matchName === 'ADBE Fill');
    const hint = fill
      ? `its effect "${fill.name}" has one: add property: "Effects.${fill.name}.ADBE Fill-0002"`
      : 'give the effect "Fill" to the layer and add property: "Effects.Fill.Color"';
    const message = `${described(layer)}; text, solids and shape layers have a colour of their own`;
    return [errorAt([...path, 'layer'], 'AE_PROPERTY_NOT_FOUND', message, hint)];
  }
  if (shape === undefined || layer.kind === 'shape' || layer.kind === 'unknown') return [];
  return [errorAt([...path, 'shape'], 'AE_PROPERTY_NOT_FOUND', `${described(layer)}, no shape layer`)];
}

const EFFECTS = /^(?:effects?|adbe effect parade)\.(.+)$/i;

/** Of properties the inspector reads the effects: the path must go on with the name or number of one of the layer. */
function checkProperty(layer: AepLayer, property: string, path: ManifestPath): ProjectFinding[] {
  // A backslash keeps a dot in a name.
  const rest = EFFECTS.exec(property)?.[1]?.replace(/\\([.\\])/g, '$1');
  if (rest === undefined) return [];
  const { effects } = layer;
  const isNamed = (name: string): boolean => rest === name || rest.startsWith(`${name}.`);
  const byName = alike(effects, ({ name }) => name, isNamed);
  const found = byName.length > 0 ? byName : alike(effects, ({ matchName }) => matchName, isNamed);
  const [first = ''] = rest.split('.');
  if (found.length === 1 || (found.length === 0 && effects[Number(first) - 1])) return [];
  const has = effects.map(({ name, matchName }, at) => `${at + 1} ${quoted(name)} (${matchName})`).join(', ');
  const where = `the layer ${quoted(layer.name)} has`;
  const called = (
    byName.length > 0 ? found.map(({ name }) => name) : found.map(({ matchName }) => matchName)
  )[0];
  const message =
    called === undefined
      ? `${where} no effect ${quoted(first)}; it has ${has === '' ? 'none' : has}`
      : `${where} ${found.length} effects ${quoted(called)}; give the number instead of the name: ${has}`;
  return [errorAt([...path, 'property'], 'AE_PROPERTY_NOT_FOUND', message)];
}

/** Effects of the longest name that fits: "Fill 2" is not "Fill". */
function alike(
  effects: readonly AepEffect[],
  nameOf: (effect: AepEffect) => string,
  isNamed: (name: string) => boolean,
): readonly AepEffect[] {
  const fitting = effects.filter((effect) => isNamed(nameOf(effect)));
  const longest = Math.max(...fitting.map((effect) => nameOf(effect).length));
  return fitting.filter((effect) => nameOf(effect).length === longest);
}

const KINDS: Readonly<Partial<Record<AepLayer['kind'], string>>> = {
  null: 'a null object',
  adjustment: 'an adjustment layer',
  composition: 'a composition',
  footage: 'footage',
};

function described({ name, kind }: AepLayer): string {
  return `the layer ${quoted(name)} is ${KINDS[kind] ?? `a ${kind}${kind === 'text' || kind === 'shape' ? ' layer' : ''}`}`;
}
