/** Output modules: what a template of that name writes. */

export interface OutputModule {
  readonly kind: 'sequence' | 'movie' | 'sound';
  /** As After Effects names it in "Format:". */
  readonly format: string;
  /** With the dot. */
  readonly extension: string;
  /** Other extensions that it takes as they are. */
  readonly alsoTakes: readonly string[];
  /** With an alpha channel the background is transparent; matted, its colour is still in the colour channels. */
  readonly alpha: 'none' | 'straight' | 'matted';
}

const AVI: OutputModule = {
  kind: 'movie',
  format: 'AVI',
  extension: '.avi',
  alsoTakes: [],
  alpha: 'none',
};
const QUICKTIME: OutputModule = { ...AVI, format: 'QuickTime', extension: '.mov' };
const H264: OutputModule = { ...AVI, format: 'H.264', extension: '.mp4' };
const PNG: OutputModule = { ...AVI, kind: 'sequence', format: 'PNG Sequence', extension: '.png' };
const TIFF: OutputModule = {
  ...PNG,
  format: 'TIFF Sequence',
  extension: '.tif',
  alsoTakes: ['.tiff'],
};
const AIFF: OutputModule = {
  ...AVI,
  kind: 'sound',
  format: 'AIFF',
  extension: '.aif',
  alsoTakes: ['.aiff'],
};

/**
 * The templates that come with After Effects, as far as they are played here ("Lossless" writes AVI on Windows and
 * QuickTime on macOS, so it takes both), and usual names of those that people make.
 */
const KNOWN: readonly (readonly [name: RegExp, module: OutputModule])[] = [
  [/^_HIDDEN X-Factor 8 Premul$/, { ...PNG, alpha: 'matted' }],
  [/^TIFF Sequence with Alpha$/, { ...TIFF, alpha: 'straight' }],
  [/^Lossless with Alpha$/, { ...AVI, alsoTakes: ['.mov'], alpha: 'straight' }],
  [/^Lossless$/, { ...AVI, alsoTakes: ['.mov'] }],
  [/^High Quality/, QUICKTIME],
  [/^AIFF/, AIFF],
  [/wav/i, { ...AIFF, format: 'WAV', extension: '.wav', alsoTakes: [] }],
  [/h\.?264|mp4/i, H264],
  [/png/i, PNG],
  [/tiff?/i, TIFF],
  [/avi/i, AVI],
];

/** What a template of that name writes; others are taken for QuickTime. */
export function outputModule(name: string): OutputModule {
  return KNOWN.find(([pattern]) => pattern.test(name))?.[1] ?? QUICKTIME;
}
