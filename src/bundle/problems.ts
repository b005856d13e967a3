/** What is wrong with a manifest, and where. */
import { FlatrenderError } from '../lib/errors.ts';

/** A place in the manifest: keys and list positions from the root. */
export type ManifestPath = readonly (string | number)[];

export interface Problem {
  readonly path: ManifestPath;
  readonly message: string;
  /** True: the key itself is wrong, not its value. */
  readonly atKey?: boolean;
}

/** A problem with its place in the file. */
export interface LocatedProblem {
  /** `inputs.title.maxLength`, `outputs[1].width`; empty: the whole file. */
  readonly path: string;
  readonly message: string;
  /** From 1; null when the manifest did not come from a file. */
  readonly line: number | null;
  readonly column: number | null;
}

/** `inputs.title.maxLength`, `outputs[1].width`. */
export function formatPath(path: ManifestPath): string {
  let text = '';
  for (const part of path) {
    if (typeof part === 'number') text += `[${part}]`;
    else if (!/^[A-Za-z0-9_-]{1,80}$/.test(part)) text += `[${JSON.stringify(part.slice(0, 80))}]`;
    else text += text === '' ? part : `.${part}`;
  }
  return text;
}

/** TEMPLATE_INVALID with every problem on a line of its own, `file:line:column: path: message`. */
export function templateInvalid(file: string, problems: readonly LocatedProblem[]): FlatrenderError {
  const lines = problems.map((problem) => {
    const place = problem.line === null ? file : `${file}:${problem.line}:${problem.column}`;
    return `${place}: ${problem.path === '' ? '' : `${problem.path}: `}${problem.message}`;
  });
  const message =
    lines.length === 1 ? (lines[0] ?? '') : `${file} has ${lines.length} problems\n${lines.join('\n')}`;
  return new FlatrenderError('TEMPLATE_INVALID', message, {
    hint: 'templates/MANIFEST.md describes every field; check again with "flatrender template validate"',
    details: { file, problems },
  });
}
