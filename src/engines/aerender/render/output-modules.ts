/**
 * Which output module template writes the frames, the movie or the sound. After Effects knows its templates by names
 * that people may change, and aerender refuses a name that is not there.
 */
import { closest } from '../../../lib/did-you-mean.ts';
import { FlatrenderError } from '../../../lib/errors.ts';

export type RenderMode = 'sequence' | 'movie';

/**
 * Names that are tried in this order. A fresh After Effects has no template for PNG ("PNG Sequence" is the name that
 * people give theirs), but "TIFF Sequence with Alpha" (output module templates of After Effects 2020 to 2026 as printed
 * in public logs; not verified here).
 */
const SEQUENCES: readonly RegExp[] = [
  /^png sequence$/i,
  /^tiff sequence with alpha$/i,
  /png/i,
  /tiff?\b/i,
  /jpe?g/i,
];
/** Lossless first: what is encoded twice loses twice. */
const MOVIES: readonly RegExp[] = [
  /^lossless$/i,
  /^high quality$/i,
  /^h\.264 - match render settings - 15 mbps$/i,
  /lossless/i,
  /high quality/i,
  /quicktime|prores|avi/i,
  /^h\.?264/i,
];
/** The same, where the movie is the output as it is. */
const H264: readonly RegExp[] = [
  /^h\.264 - match render settings - 15 mbps$/i,
  /^h\.264 - match render settings/i,
];
const SOUNDS: readonly RegExp[] = [/^aiff 48khz$/i, /^wav\b/i, /aiff/i, /\bwave?\b/i, /audio only/i];

/** What is tried when After Effects would not list its templates. */
const USUAL = {
  sequence: 'TIFF Sequence with Alpha',
  movie: 'Lossless',
  sound: 'AIFF 48kHz',
} as const;

export interface ModuleWish {
  /** Of the node's settings or the template, the first that is set; null: ours to choose. */
  readonly wanted: string | null;
  /** Templates of this After Effects; empty: it would not say. */
  readonly available: readonly string[];
}

/** The template that writes single frames. AE_OUTPUT_MODULE_NOT_FOUND lists what there is. */
export function sequenceModule(wish: ModuleWish): string {
  return chosen(wish, SEQUENCES, USUAL.sequence) ?? noModule(wish, 'writes single pictures (PNG or TIFF)');
}

/** The template that writes one file; with `isFinal` rather one that needs no second encoding. */
export function movieModule(wish: ModuleWish, isFinal: boolean): string {
  const order = isFinal ? [...H264, ...MOVIES] : MOVIES;
  return chosen(wish, order, USUAL.movie) ?? noModule(wish, 'writes a movie');
}

/** The template that writes sound alone. */
export function soundModule(wish: ModuleWish): string {
  return chosen(wish, SOUNDS, USUAL.sound) ?? noModule(wish, 'writes the sound alone (WAV or AIFF)');
}

/** The extension that files of a template of this name most likely have; what is there afterwards counts. */
export function extensionOf(module: string, fallback: string): string {
  if (/png/i.test(module)) return 'png';
  if (/tiff?\b/i.test(module)) return 'tif';
  if (/jpe?g/i.test(module)) return 'jpg';
  if (/h\.?26[45]|mp4|mpeg-4/i.test(module)) return 'mp4';
  if (/aiff/i.test(module)) return 'aif';
  if (/\bwave?\b/i.test(module)) return 'wav';
  if (/\bavi\b/i.test(module)) return 'avi';
  // QuickTime on macOS, AVI on Windows: as users report, not verified here.
  if (/^lossless/i.test(module)) return process.platform === 'darwin' ? 'mov' : 'avi';
  return fallback;
}

function chosen({ wanted, available }: ModuleWish, order: readonly RegExp[], usual: string): string | null {
  if (wanted !== null) return available.length === 0 || available.includes(wanted) ? wanted : null;
  if (available.length === 0) return usual;
  for (const pattern of order) {
    const found = available.find((name) => pattern.test(name));
    if (found !== undefined) return found;
  }
  return null;
}

function noModule({ wanted, available }: ModuleWish, what: string): never {
  const listed = available.map((name) => `"${name}"`).join(', ');
  const guess = wanted === null ? undefined : closest(wanted, [...available]);
  throw new FlatrenderError(
    'AE_OUTPUT_MODULE_NOT_FOUND',
    wanted === null
      ? `this After Effects has no output module template that ${what}; there are: ${listed}`
      : `this After Effects has no output module template "${wanted}"; there are: ${listed}`,
    {
      hint: `${guess === undefined ? '' : `did you mean "${guess}"? `}make one on the node in Edit > Templates > Output Module, or name one of those`,
      details: { wanted, available: [...available] },
    },
  );
}
