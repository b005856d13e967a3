/** Puts a job's inputs into a Lottie file, as the manifest's `bind` list says, and checks that each place exists. */
import type { LottieBinding, Manifest } from '../../bundle/manifest.ts';
import type { EngineInput } from '../engine.ts';
import { colorLayer, parseColor, scaled } from './color.ts';
import { documentsOf } from './fonts.ts';
import { findLayer, type LayerPlace, listLayers, nameList } from './layers.ts';
import { lineBreaks } from './line-breaks.ts';
import { LAYER, type Lottie, type LottieAsset } from './lottie-json.ts';
import { isProblem, type Problem, problem } from './problem.ts';
import { findSlot, resolveSlots, setSlot } from './slots.ts';

type LottieSection = NonNullable<Manifest['engines']['lottie']>;
type Inputs = Readonly<Record<string, EngineInput>>;
type BindingOf<To extends LottieBinding['to']> = Extract<LottieBinding, { to: To }>;

/** An image asset that gets a file. */
interface BoundImage {
  readonly asset: LottieAsset;
  readonly input: string;
  readonly path: string;
  readonly fit: 'contain' | 'cover' | 'stretch';
}

/** What the JSON alone cannot hold. */
export interface Bound {
  readonly problems: Problem[];
  readonly places: readonly LayerPlace[];
  readonly images: BoundImage[];
  /** fName → path of the font file that replaces it. */
  readonly fonts: Map<string, string>;
  /** Text layers whose text was set and may be reduced. */
  readonly shrink: LayerPlace[];
}

/** Types of inputs that a binding takes; a slot takes what it holds. */
const TAKES: Readonly<Record<Exclude<LottieBinding['to'], 'slot'>, readonly EngineInput['type'][]>> = {
  text: ['text', 'choice', 'number'],
  color: ['color'],
  image: ['image'],
  visible: ['boolean'],
  opacity: ['number'],
  font: ['font'],
};

/**
 * Changes `lottie` in place. An input that is not given leaves its place as the file has it, but the place must exist:
 * with no inputs at all this is the check of a template. Text is set at all keyframes of its layer.
 */
export function bindInputs(lottie: Lottie, section: LottieSection, inputs: Inputs): Bound {
  const bound: Bound = { problems: [], places: listLayers(lottie), images: [], fonts: new Map(), shrink: [] };
  const slotImages: BindingOf<'slot'>[] = [];
  for (const binding of section.bind) {
    if (binding.to === 'slot' && bindSlot(lottie, binding, inputs[binding.input], bound))
      slotImages.push(binding);
  }
  resolveSlotImages(lottie, slotImages, inputs, bound);
  resolveSlots(lottie);
  for (const place of bound.places)
    for (const document of documentsOf(place)) document.t = lineBreaks(document.t);
  for (const binding of section.bind) {
    if (binding.to === 'slot') continue;
    const found = bindOne(lottie, binding, inputs[binding.input], bound);
    if (found) bound.problems.push(found);
  }
  return bound;
}

/** Checks that each binding's input exists in the manifest and is of a type that the binding takes. */
export function checkBindingInputs(section: LottieSection, definitions: Manifest['inputs']): Problem[] {
  return section.bind.flatMap((binding): Problem[] => {
    const type = Object.hasOwn(definitions, binding.input) ? definitions[binding.input]?.type : undefined;
    if (type === undefined) {
      const names = nameList(Object.keys(definitions));
      return [
        problem(
          'TEMPLATE_INVALID',
          `a "${binding.to}" binding names the input ${JSON.stringify(binding.input)}; there are: ${names}`,
        ),
      ];
    }
    const takes = binding.to === 'slot' ? undefined : TAKES[binding.to];
    if (!takes || takes.includes(type)) return [];
    return [
      problem(
        'TEMPLATE_INVALID',
        `the input ${binding.input} is of type ${type}; a "${binding.to}" binding takes ${takes.join(' or ')}`,
      ),
    ];
  });
}

type Bind = Exclude<LottieBinding, { to: 'slot' }>;

function bindOne(
  lottie: Lottie,
  binding: Bind,
  input: EngineInput | undefined,
  bound: Bound,
): Problem | undefined {
  switch (binding.to) {
    case 'text':
      return bindText(binding, input, bound);
    case 'image':
      return bindImage(lottie, binding, input, bound);
    case 'font':
      return bindFont(lottie, binding, input, bound);
    default: {
      const place = findLayer(bound.places, binding.layer);
      if (isProblem(place)) return place;
      if (binding.to === 'color') {
        const color = input?.type === 'color' ? parseColor(input.value) : undefined;
        return colorLayer(place, { shape: binding.shape, stroke: binding.stroke }, color);
      }
      if (binding.to === 'visible' && input?.type === 'boolean') place.layer.hd = !input.value;
      if (binding.to === 'opacity' && input?.type === 'number') setOpacity(place, input.value);
      return undefined;
    }
  }
}

function bindText(
  binding: BindingOf<'text'>,
  input: EngineInput | undefined,
  bound: Bound,
): Problem | undefined {
  const place = findLayer(bound.places, binding.layer, [LAYER.text]);
  if (isProblem(place)) return place;
  if (!input || !('value' in input)) return undefined;
  for (const document of documentsOf(place)) document.t = lineBreaks(String(input.value));
  if (binding.shrink) bound.shrink.push(place);
  return undefined;
}

function bindImage(
  lottie: Lottie,
  binding: BindingOf<'image'>,
  input: EngineInput | undefined,
  bound: Bound,
): Problem | undefined {
  const assets = imageAssets(lottie);
  const asset =
    assets.find(({ id }) => id === binding.asset) ??
    assets.find(({ nm, p }) => nm === binding.asset || p === binding.asset);
  if (!asset) {
    const names = nameList(assets.map(({ id }) => id));
    return problem(
      'TEMPLATE_INVALID',
      `there is no image asset ${JSON.stringify(binding.asset)}; there are: ${names}`,
    );
  }
  if (input?.type === 'image')
    bound.images.push({ asset, input: binding.input, path: input.path, fit: binding.fit });
  return undefined;
}

function bindFont(
  lottie: Lottie,
  binding: BindingOf<'font'>,
  input: EngineInput | undefined,
  bound: Bound,
): Problem | undefined {
  const names = (lottie.fonts?.list ?? []).map(({ fName }) => fName);
  if (!names.includes(binding.font)) {
    return problem(
      'TEMPLATE_INVALID',
      `there is no font ${JSON.stringify(binding.font)}; there are: ${nameList(names)}`,
    );
  }
  if (input?.type === 'font') bound.fonts.set(binding.font, input.path);
  return undefined;
}

/** A static opacity becomes the value; a fade keeps its shape and ends at the value. */
function setOpacity({ layer }: LayerPlace, percent: number): void {
  const value = Math.min(100, Math.max(0, percent));
  layer.ks ??= {};
  const k = layer.ks.o?.k;
  layer.ks.o = Array.isArray(k) && k.length > 1 ? scaled(layer.ks.o, value / 100) : { a: 0, k: value };
}

/** Returns true for a slot that holds an image. */
function bindSlot(
  lottie: Lottie,
  binding: BindingOf<'slot'>,
  input: EngineInput | undefined,
  bound: Bound,
): boolean {
  const slot = findSlot(lottie, binding.slot);
  if (isProblem(slot)) {
    bound.problems.push(slot);
    return false;
  }
  const given = input?.type === 'choice' ? 'text' : input?.type === 'boolean' ? 'number' : input?.type;
  if (given !== undefined && given !== slot.kind) {
    bound.problems.push(
      problem(
        'TEMPLATE_INVALID',
        `the slot ${JSON.stringify(binding.slot)} holds ${slot.kind}, the input ${binding.input} is ${given}`,
      ),
    );
    return false;
  }
  if (input && slot.kind !== 'image') setSlot(lottie, binding.slot, input);
  return slot.kind === 'image';
}

function resolveSlotImages(
  lottie: Lottie,
  bindings: readonly BindingOf<'slot'>[],
  inputs: Inputs,
  bound: Bound,
): void {
  for (const { slot, input: name } of bindings) {
    const input = inputs[name];
    for (const asset of lottie.assets ?? []) {
      if (asset.sid === slot && input?.type === 'image')
        bound.images.push({ asset, input: name, path: input.path, fit: 'contain' });
    }
  }
}

/** Assets that are pictures: neither compositions nor data files nor sounds. */
export function imageAssets(lottie: Lottie): LottieAsset[] {
  return (lottie.assets ?? []).filter((asset) => !asset.layers && asset.t !== 3 && asset.w !== undefined);
}
