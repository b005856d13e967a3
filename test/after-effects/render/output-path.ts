/** Where an output module writes, given what stands after -output. */
import { extname } from 'node:path';
import type { OutputModule } from '../output-modules.ts';

/**
 * How names come out: `given`: as asked for, where the module takes that extension; else its own is added. The rest are
 * what users of real installations meet (see the faults).
 */
export type Naming = 'given' | 'ext' | 'none' | 'underscore' | 'brackets';

/** The file of a frame; of a movie or sound the only one. */
export function outputPath(output: string, module: OutputModule, naming: Naming, frame: number): string {
  const suffix = extname(output);
  const isOwn = [module.extension, ...module.alsoTakes].includes(suffix.toLowerCase());
  const stem = isOwn ? output.slice(0, output.length - suffix.length) : output;
  const extension = naming === 'none' ? '' : isOwn && naming !== 'ext' ? suffix : module.extension;
  const start = naming === 'ext' ? output : stem;
  if (module.kind !== 'sequence') return start + (naming === 'brackets' ? '_[#####]' : '') + extension;
  const number = (digits: number) => String(frame).padStart(digits, '0');
  const pattern = /\[(#+)\]/;
  if (naming === 'underscore') return `${start.replace(pattern, '')}_${number(5)}${extension}`;
  if (!pattern.test(start)) return `${start}_${number(5)}${extension}`;
  const fill = (_: string, hashes: string) =>
    naming === 'brackets' ? `[${number(hashes.length)}]` : number(hashes.length);
  return start.replace(pattern, fill) + extension;
}
