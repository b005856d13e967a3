/** References of a manifest to its own inputs. */
import { didYouMean } from '../lib/did-you-mean.ts';
import type { InputDefinition, Manifest } from './manifest.ts';
import type { ManifestPath, Problem } from './problems.ts';

export type InputType = InputDefinition['type'];

/** The problem with a reference to the input `name`, which must be of one of the types; empty: none. */
export function refer(
  manifest: Manifest,
  path: ManifestPath,
  name: string,
  fitting: readonly InputType[],
): Problem[] {
  const input = inputOf(manifest, name);
  if (!input) {
    const guess = didYouMean(name, Object.keys(manifest.inputs));
    return [{ path, message: `there is no input "${name}"${guess}` }];
  }
  if (fitting.includes(input.type)) return [];
  return [
    { path, message: `input "${name}" is of type ${input.type}; ${fitting.join(' or ')} is needed here` },
  ];
}

/** The definition of an input; undefined: there is none of that name. */
export function inputOf(manifest: Manifest, name: string): InputDefinition | undefined {
  return Object.hasOwn(manifest.inputs, name) ? manifest.inputs[name] : undefined;
}

/** Whether a job can leave the input without a value. */
export function mayBeAbsent(manifest: Manifest, name: string): boolean {
  const input = inputOf(manifest, name);
  return input !== undefined && !input.required && input.default === undefined;
}

/** Fonts that claim one name for two files. */
export function fontNameProblems(
  base: ManifestPath,
  fonts: readonly { readonly file: string; readonly names: readonly string[] }[],
): Problem[] {
  const problems: Problem[] = [];
  const seen = new Map<string, string>();
  for (const [index, font] of fonts.entries()) {
    for (const name of font.names) {
      const other = seen.get(name);
      if (other !== undefined && other !== font.file) {
        problems.push({
          path: [...base, 'fonts', index, 'names'],
          message: `"${name}" is already a name of ${other}`,
        });
      }
      seen.set(name, font.file);
    }
  }
  return problems;
}
