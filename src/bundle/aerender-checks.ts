/** The checks across fields of `engines.aerender`. What only the project itself can tell is in `project-checks.ts`. */
import { didYouMean } from '../lib/did-you-mean.ts';
import type { AerenderBinding, AerenderSection } from './aerender-section.ts';
import { fontNameProblems, type InputType, inputOf, mayBeAbsent, refer } from './input-references.ts';
import type { Manifest } from './manifest.ts';
import type { ManifestPath, Problem } from './problems.ts';

const BASE: ManifestPath = ['engines', 'aerender'];

/** Which inputs fit each kind of binding; an expression takes none. */
const FITTING: Readonly<Record<Exclude<AerenderBinding['to'], 'expression'>, readonly InputType[]>> = {
  text: ['text', 'number', 'choice'],
  footage: ['image', 'audio', 'video'],
  color: ['color'],
  property: ['text', 'number', 'boolean', 'color', 'choice'],
  visible: ['boolean'],
  source: ['choice'],
};

/** Every contradiction in the section; empty when there is none, or no section. */
export function checkAerender(manifest: Manifest): Problem[] {
  const section = manifest.engines.aerender;
  if (!section) return [];
  return [
    ...checkProjectName(section.project),
    ...checkComposition(manifest, section),
    ...section.bind.flatMap((binding, index) => checkBinding(manifest, binding, [...BASE, 'bind', index])),
    ...checkDuplicates(manifest, section.bind),
    ...fontNameProblems(BASE, section.fonts),
    ...section.scripts.flatMap(checkScript),
  ];
}

function checkProjectName(project: string): Problem[] {
  const path = [...BASE, 'project'];
  const extension = /\.([^./]+)$/.exec(project)?.[1]?.toLowerCase();
  if (extension === 'aep') return [];
  // After Effects opens these as well, but nothing in them could be checked before they are rendered.
  if (extension === 'aepx' || extension === 'aet') {
    const message = `"${project}" is an .${extension}; save it as .aep in After Effects (File > Save As)`;
    return [{ path, message }];
  }
  return [{ path, message: `"${project}" is no After Effects project (.aep)` }];
}

function checkComposition(manifest: Manifest, { composition }: AerenderSection): Problem[] {
  if (typeof composition === 'string') return [];
  const path = [...BASE, 'composition'];
  const problems = checkChoice(manifest, path, composition);
  if (mayBeAbsent(manifest, composition.input)) {
    problems.push({
      path: [...path, 'input'],
      message: `input "${composition.input}" says what is rendered: make it required, or give it a default`,
    });
  }
  return problems;
}

/** `input` must be a choice, and `options` have its options, no more and no fewer. */
function checkChoice(
  manifest: Manifest,
  path: ManifestPath,
  { input, options }: { readonly input: string; readonly options: Readonly<Record<string, string>> },
): Problem[] {
  const problems = refer(manifest, [...path, 'input'], input, ['choice']);
  const choice = inputOf(manifest, input);
  if (choice?.type !== 'choice') return problems;
  for (const option of Object.keys(options)) {
    if (choice.options.includes(option)) continue;
    const missing = choice.options.filter((name) => !Object.hasOwn(options, name));
    problems.push({
      path: [...path, 'options', option],
      atKey: true,
      message: `input "${input}" has no option ${JSON.stringify(option)}${didYouMean(option, missing)}`,
    });
  }
  for (const option of choice.options) {
    if (Object.hasOwn(options, option)) continue;
    const message = `the option ${JSON.stringify(option)} of input "${input}" has no composition`;
    problems.push({ path: [...path, 'options'], message });
  }
  return problems;
}

function checkBinding(manifest: Manifest, binding: AerenderBinding, path: ManifestPath): Problem[] {
  if (binding.to === 'expression') return [];
  const wrong = refer(manifest, [...path, 'input'], binding.input, FITTING[binding.to]);
  switch (binding.to) {
    case 'text':
      return typeof binding.color === 'object'
        ? [...wrong, ...refer(manifest, [...path, 'color', 'input'], binding.color.input, ['color'])]
        : wrong;
    case 'footage':
      return [...wrong, ...checkFootage(binding, path)];
    case 'color':
      return [...wrong, ...checkColor(binding, path)];
    case 'source':
      return checkChoice(manifest, path, binding);
    default:
      return wrong;
  }
}

function checkFootage(binding: Extract<AerenderBinding, { to: 'footage' }>, path: ManifestPath): Problem[] {
  const { layer, item, composition } = binding;
  if (layer === undefined && item === undefined) {
    return [{ path, message: 'needs "layer" (one layer) or "item" (wherever the project shows it)' }];
  }
  if (item === undefined) return [];
  if (layer !== undefined) {
    const message = 'stands beside "layer": give one of them';
    return [{ path: [...path, 'item'], atKey: true, message }];
  }
  if (composition === undefined) return [];
  const message = 'is of no use with "item", which is replaced wherever it is used';
  return [{ path: [...path, 'composition'], atKey: true, message }];
}

function checkColor(binding: Extract<AerenderBinding, { to: 'color' }>, path: ManifestPath): Problem[] {
  if (binding.property === undefined) return [];
  const fields = [binding.shape === undefined ? '' : 'shape', binding.stroke ? 'stroke' : ''];
  return fields
    .filter((field) => field !== '')
    .map((field) => ({
      path: [...path, field],
      atKey: true,
      message: 'is of no use with "property", which names one colour',
    }));
}

/**
 * Two bindings that write to one place: the later one wins, so the earlier one is without effect. They may do so where the
 * later one's input can be left out: a picture or, if there is one, a video.
 */
function checkDuplicates(manifest: Manifest, bindings: readonly AerenderBinding[]): Problem[] {
  const problems: Problem[] = [];
  const seen = new Map<string, { readonly index: number; readonly input: string | null }>();
  for (const [index, binding] of bindings.entries()) {
    const input = binding.to === 'expression' ? null : binding.input;
    const place = placeOf(binding);
    const earlier = seen.get(place);
    const isAlternative = input !== null && input !== earlier?.input && mayBeAbsent(manifest, input);
    if (earlier && !isAlternative) {
      const message = `changes the same place as bind[${earlier.index}], which would be without effect`;
      problems.push({ path: [...BASE, 'bind', index], message });
    }
    seen.set(place, { index, input });
  }
  return problems;
}

/** Equal for bindings that write to the same place. A layer may have more than one address; those are not known here. */
function placeOf(binding: AerenderBinding): string {
  const what = whatOf(binding);
  if (binding.to === 'footage' && binding.item !== undefined) return JSON.stringify([what, binding.item]);
  return JSON.stringify([what, binding.composition ?? null, binding.layer ?? null]);
}

/** Of a colour and a property the path, which may be the same. */
function whatOf(binding: AerenderBinding): string | readonly unknown[] {
  switch (binding.to) {
    case 'footage':
      return binding.item === undefined ? ['source'] : ['item'];
    case 'color':
      return binding.property ?? ['color', binding.shape ?? null, binding.stroke];
    case 'property':
      return binding.property;
    case 'expression':
      return ['expression', binding.property];
    default:
      return [binding.to];
  }
}

function checkScript(file: string, index: number): Problem[] {
  if (/\.(jsx|js|jsxbin)$/i.test(file)) return [];
  const message = `"${file}" is no script for After Effects (.jsx)`;
  return [{ path: [...BASE, 'scripts', index], message }];
}
