import { closest } from '../lib/did-you-mean.ts';
import { FlatrenderError } from '../lib/errors.ts';
import type { OutputSpec } from '../protocol/jobs.ts';
import type { Manifest, OutputDefinition } from './manifest.ts';
import { PRESETS, type PresetName } from './presets.ts';

type Composition = Manifest['composition'];
type Changes = Exclude<OutputDefinition, string>;
type PresetFields = { readonly [Key in 'width' | 'height' | 'maxFps' | 'quality']?: number } & {
  readonly container?: OutputSpec['container'];
};

/** x264's and vp9's usual middle, where neither the manifest nor a preset says. */
const DEFAULT_QUALITY = { mp4: 18, mov: 18, webm: 31, gif: 20, png: 0 } as const;

/**
 * The file that an output name stands for: an output of the manifest, or else a preset, which every template can make.
 * REQUEST_INVALID for any other name.
 */
export function resolveOutput(manifest: Manifest, name: string): OutputSpec {
  const own = manifest.outputs.find((output) => outputName(output) === name);
  if (own !== undefined && typeof own !== 'string') return build(manifest.composition, own);
  if (own !== undefined || Object.hasOwn(PRESETS, name)) {
    return build(manifest.composition, { name, preset: name as PresetName });
  }
  const names = outputNames(manifest);
  const guess = closest(name, names);
  throw new FlatrenderError('REQUEST_INVALID', `template ${manifest.name} has no output "${name}"`, {
    hint: `${guess ? `did you mean "${guess}"? ` : ''}there are: ${names.join(', ')}`,
    details: { output: name, outputs: names },
  });
}

/** The outputs of a job that names none: the manifest's first. */
export function defaultOutputs(manifest: Manifest): OutputSpec[] {
  return manifest.outputs.slice(0, 1).map((output) => resolveOutput(manifest, outputName(output)));
}

/** Name of an output as written in a manifest. */
export function outputName(output: OutputDefinition): string {
  return typeof output === 'string' ? output : output.name;
}

/** What a job may ask for: the manifest's outputs in order, then the presets. */
export function outputNames(manifest: Manifest): string[] {
  return [...new Set([...manifest.outputs.map(outputName), ...Object.keys(PRESETS)])];
}

function build(composition: Composition, output: Changes): OutputSpec {
  const preset = presetOf(output.preset);
  const container = output.container ?? preset.container ?? 'mp4';
  const size = sizeOf(composition, output, preset);
  const even = container === 'gif' || container === 'png' ? (n: number) => n : toEven;
  const fps = output.fps ?? Math.min(composition.fps, preset.maxFps ?? composition.fps);
  const { duration } = composition;
  const durationSeconds = output.durationSeconds ?? (typeof duration === 'number' ? duration : null);
  return {
    name: output.name,
    container,
    width: even(size.width),
    height: even(size.height),
    fps,
    durationSeconds,
    durationFrom: durationSeconds === null && typeof duration !== 'number' ? duration.input : null,
    atSeconds: output.atSeconds ?? null,
    fit: output.fit ?? 'contain',
    background: output.background ?? composition.background,
    quality: output.quality ?? preset.quality ?? DEFAULT_QUALITY[container],
  };
}

function presetOf(name: string | undefined): PresetFields {
  return name !== undefined && Object.hasOwn(PRESETS, name) ? PRESETS[name as PresetName] : {};
}

/** One side alone keeps the composition's aspect ratio. */
function sizeOf(
  composition: Composition,
  output: Changes,
  preset: PresetFields,
): { width: number; height: number } {
  const { width, height } = output;
  if (width !== undefined && height === undefined) {
    return { width, height: limit((width * composition.height) / composition.width) };
  }
  if (height !== undefined && width === undefined) {
    return { width: limit((height * composition.width) / composition.height), height };
  }
  return {
    width: width ?? preset.width ?? composition.width,
    height: height ?? preset.height ?? composition.height,
  };
}

function limit(size: number): number {
  return Math.min(16_384, Math.max(2, Math.round(size)));
}

/** Video codecs subsample colour by two: they refuse odd sizes. */
function toEven(size: number): number {
  return size - (size % 2);
}
