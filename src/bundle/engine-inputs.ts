/** Inputs as engines see them: data, or the absolute path of a verified local file. */
import { join } from 'node:path';
import { FlatrenderError } from '../lib/errors.ts';
import type { InputValue, InputValues } from '../protocol/jobs.ts';
import type { InputDefinition, Manifest } from './manifest.ts';

/** One input of a render. */
export type EngineInput =
  | { readonly type: 'text' | 'color' | 'choice'; readonly value: string }
  | { readonly type: 'number'; readonly value: number }
  | { readonly type: 'boolean'; readonly value: boolean }
  | { readonly type: 'image' | 'audio' | 'video' | 'font'; readonly path: string };

export interface EngineInputSources {
  readonly manifest: Manifest;
  /** The task's values, as `checkInputs` gave them when the job was submitted. */
  readonly values: InputValues;
  /** Absolute path of the downloaded file with this sha256; undefined when it was not downloaded. */
  readonly assetPath: (sha256: string) => string | undefined;
  /** Absolute path of the unpacked bundle. */
  readonly bundleDir: string;
}

/**
 * Every input of the manifest that has a value, defaults applied. An input that is optional and was not given is absent.
 * INPUT_INVALID when a value does not fit its input or its file is not there.
 */
export function engineInputs(sources: EngineInputSources): Record<string, EngineInput> {
  const inputs: Record<string, EngineInput> = {};
  for (const [name, definition] of Object.entries(sources.manifest.inputs)) {
    const given = Object.hasOwn(sources.values, name) ? sources.values[name] : undefined;
    const input =
      given === undefined ? defaultOf(definition, sources) : toEngineInput(name, definition, given, sources);
    if (input !== undefined) inputs[name] = input;
  }
  return inputs;
}

function defaultOf(definition: InputDefinition, sources: EngineInputSources): EngineInput | undefined {
  if (definition.default === undefined) return undefined;
  switch (definition.type) {
    case 'number':
      return { type: definition.type, value: definition.default };
    case 'boolean':
      return { type: definition.type, value: definition.default };
    case 'text':
    case 'color':
    case 'choice':
      return { type: definition.type, value: definition.default };
    default:
      return { type: definition.type, path: join(sources.bundleDir, ...definition.default.split('/')) };
  }
}

function toEngineInput(
  name: string,
  definition: InputDefinition,
  value: InputValue,
  sources: EngineInputSources,
): EngineInput {
  const { type } = definition;
  if (type === 'number' && typeof value === 'number') return { type, value };
  if (type === 'boolean' && typeof value === 'boolean') return { type, value };
  if ((type === 'text' || type === 'color' || type === 'choice') && typeof value === 'string')
    return { type, value };
  if (
    (type === 'image' || type === 'audio' || type === 'video' || type === 'font') &&
    typeof value === 'object'
  ) {
    const path = sources.assetPath(value.asset);
    if (path !== undefined) return { type, path };
    throw new FlatrenderError('INPUT_INVALID', `input "${name}": the file ${value.name} was not downloaded`);
  }
  throw new FlatrenderError(
    'INPUT_INVALID',
    `input "${name}" is a ${type}; the task has another kind of value for it`,
  );
}

/** sha256, size and name of every file that these values refer to, each once. */
export function assetsOf(values: InputValues): { sha256: string; sizeBytes: number; name: string }[] {
  const found = new Map<string, { sha256: string; sizeBytes: number; name: string }>();
  for (const value of Object.values(values)) {
    if (typeof value === 'object') {
      found.set(value.asset, { sha256: value.asset, sizeBytes: value.sizeBytes, name: value.name });
    }
  }
  return [...found.values()];
}
