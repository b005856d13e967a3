/** The binding of one render as data: what the script in After Effects shall do, with every input resolved. */
import { join } from 'node:path';
import type { AerenderBinding, AerenderSection } from '../../../bundle/aerender-section.ts';
import { FlatrenderError } from '../../../lib/errors.ts';
import type { EngineInput, RenderRequest } from '../../engine.ts';
import type { BindData, BindOperation, LayerAddress, Rgba } from './bind-data.ts';

type Inputs = Readonly<Record<string, EngineInput>>;
type BindingOf<To extends AerenderBinding['to']> = Extract<AerenderBinding, { to: To }>;

export interface BindPlaces {
  /** Where the bound copy of the project is saved, absolute. */
  readonly saveTo: string;
  /** The bundle's files, where they are not in `request.bundleDir`. */
  readonly bundleDir?: string;
  /** Length of the media that `composition.duration` names; absent or null: the composition keeps its own. */
  readonly durationSeconds?: number | null;
}

/**
 * Pure. An input that was not given leaves its place as the project has it; a font, size or alignment of such a binding
 * is not applied either. TEMPLATE_INVALID where a binding does not take that kind of input, INPUT_INVALID where a choice
 * that decides what is rendered has no value or no composition.
 */
export function planBinding(request: RenderRequest, places: BindPlaces): BindData {
  const section = request.manifest.engines.aerender;
  if (section === undefined) {
    throw new FlatrenderError(
      'TEMPLATE_INVALID',
      `template ${request.manifest.name} has no engines.aerender`,
    );
  }
  const file = (path: string) => join(places.bundleDir ?? request.bundleDir, ...path.split('/'));
  return {
    format: 1,
    project: file(section.project),
    saveTo: places.saveTo,
    footageFolders: foldersOf(section.project).map(file),
    composition: compositionOf(section, request.inputs),
    durationSeconds: places.durationSeconds ?? null,
    missingFonts: section.missingFonts,
    missingFootage: section.missingFootage,
    operations: section.bind.flatMap((binding, index) => operation(binding, index, request.inputs)),
    scripts: section.scripts.map(file),
    inputs: Object.fromEntries(
      Object.entries(request.inputs).map(([name, input]) => [
        name,
        'path' in input ? input.path : input.value,
      ]),
    ),
  };
}

/** The folder of a file of the bundle, then those above it; "" is the bundle's own. */
function foldersOf(path: string): string[] {
  const parts = path.split('/').slice(0, -1);
  return Array.from({ length: parts.length + 1 }, (_, up) => parts.slice(0, parts.length - up).join('/'));
}

function compositionOf(section: AerenderSection, inputs: Inputs): string {
  const { composition } = section;
  if (typeof composition === 'string') return composition;
  const input = given(inputs, composition.input);
  if (input === undefined) {
    throw new FlatrenderError(
      'INPUT_INVALID',
      `input "${composition.input}" decides which composition is rendered and has no value`,
      { hint: `give the input, or a default for it in the manifest` },
    );
  }
  return option('engines.aerender.composition', composition.input, input, composition.options);
}

function operation(binding: AerenderBinding, index: number, inputs: Inputs): BindOperation[] {
  if (binding.to === 'expression') {
    const { property, expression } = binding;
    return [{ at: `bind[${index}]`, op: 'expression', layer: layerOf(binding), property, expression }];
  }
  const input = given(inputs, binding.input);
  if (input === undefined) return [];
  const at = `bind[${index}] (input "${binding.input}")`;
  switch (binding.to) {
    case 'text':
      return [textOperation(at, binding, input, inputs)];
    case 'footage':
      return [footageOperation(at, binding, input)];
    case 'color':
      return [
        {
          at,
          op: 'color',
          layer: layerOf(binding),
          color: colorOf(at, input),
          property: binding.property ?? null,
          shape: binding.shape ?? null,
          stroke: binding.stroke,
        },
      ];
    case 'property':
      return [
        {
          at,
          op: 'property',
          layer: layerOf(binding),
          property: binding.property,
          value: propertyValue(at, input),
        },
      ];
    case 'visible':
      if (input.type !== 'boolean') throw unsuitable(at, input, 'a boolean');
      return [{ at, op: 'visible', layer: layerOf(binding), visible: input.value }];
    case 'source': {
      const composition = option(at, binding.input, input, binding.options);
      return [{ at, op: 'source', layer: layerOf(binding), composition }];
    }
  }
}

function textOperation(
  at: string,
  binding: BindingOf<'text'>,
  input: EngineInput,
  inputs: Inputs,
): BindOperation {
  if (input.type !== 'text' && input.type !== 'number' && input.type !== 'choice') {
    throw unsuitable(at, input, 'a text, number or choice');
  }
  return {
    at,
    op: 'text',
    layer: layerOf(binding),
    text: String(input.value),
    font: binding.font ?? null,
    size: binding.size ?? null,
    color: textColor(at, binding.color, inputs),
    align: binding.align ?? null,
    shrink: binding.shrink,
  };
}

function textColor(at: string, color: BindingOf<'text'>['color'], inputs: Inputs): Rgba | null {
  if (color === undefined) return null;
  if (typeof color === 'string') return parseRgba(color);
  const input = given(inputs, color.input);
  return input === undefined ? null : colorOf(`${at}, color`, input);
}

function footageOperation(at: string, binding: BindingOf<'footage'>, input: EngineInput): BindOperation {
  if (!('path' in input) || input.type === 'font') throw unsuitable(at, input, 'an image, audio or video');
  const { layer, item } = binding;
  if ((layer === undefined) === (item === undefined)) {
    throw new FlatrenderError('TEMPLATE_INVALID', `${at}: a footage binding names either a layer or an item`);
  }
  return {
    at,
    op: 'footage',
    layer: layer === undefined ? null : { composition: binding.composition ?? null, layer },
    item: item ?? null,
    file: input.path,
    fit: binding.fit,
    time: binding.time,
  };
}

function propertyValue(at: string, input: EngineInput): string | number | boolean | Rgba {
  if ('path' in input) throw unsuitable(at, input, 'a text, number, boolean, color or choice');
  return input.type === 'color' ? parseRgba(input.value) : input.value;
}

function layerOf(binding: {
  readonly composition?: string | undefined;
  readonly layer: string | number;
}): LayerAddress {
  return { composition: binding.composition ?? null, layer: binding.layer };
}

/** Inputs are looked up by names that templates choose: never something of the prototype. */
function given(inputs: Inputs, name: string): EngineInput | undefined {
  return Object.hasOwn(inputs, name) ? inputs[name] : undefined;
}

function option(
  at: string,
  name: string,
  input: EngineInput,
  options: Readonly<Record<string, string>>,
): string {
  if (input.type !== 'choice') throw unsuitable(at, input, 'a choice');
  const found = Object.hasOwn(options, input.value) ? options[input.value] : undefined;
  if (found !== undefined) return found;
  throw new FlatrenderError(
    'INPUT_INVALID',
    `${at}: no composition for the choice "${input.value}" of input "${name}"`,
    { hint: `there are: ${Object.keys(options).join(', ')}` },
  );
}

function colorOf(at: string, input: EngineInput): Rgba {
  if (input.type !== 'color') throw unsuitable(at, input, 'a color');
  return parseRgba(input.value);
}

/** `#rrggbb` or `#rrggbbaa`, as the manifest and `checkInputs` let them through. */
function parseRgba(text: string): Rgba {
  const [red = 0, green = 0, blue = 0, alpha = 255] = (text.slice(1).match(/../g) ?? []).map((pair) =>
    Number.parseInt(pair, 16),
  );
  return [red / 255, green / 255, blue / 255, alpha / 255];
}

function unsuitable(at: string, input: EngineInput, wanted: string): FlatrenderError {
  return new FlatrenderError(
    'TEMPLATE_INVALID',
    `${at}: the input is of type ${input.type}; this takes ${wanted}`,
    {
      hint: 'templates/MANIFEST.md describes every binding; check with "flatrender template validate"',
    },
  );
}
