/** Makes long text fit: into its box, or into the frame from where it starts. */
import { FlatrenderError } from '../../lib/errors.ts';
import type { LoadedFont } from '../font-file.ts';
import type { FontSet } from './fonts.ts';
import type { LayerPlace } from './layers.ts';
import type { Lottie, TextDocument } from './lottie-json.ts';
import { roomForText } from './room.ts';

/** Nobody can read less; a text that needs it is too long for its place. */
const SMALLEST_PX = 4;

/**
 * Reduces the size (and line height) of a text document until its text fits. A box is left to Skottie, whose "downscale
 * to fit" (`rs: 2`) breaks lines and measures as it draws; one line from an anchor may reach the title-safe edge of the
 * frame. Throws INPUT_INVALID when less than 4 px would be left. Without its font nothing is measured.
 */
export function fitText(lottie: Lottie, place: LayerPlace, document: TextDocument, fonts: FontSet): void {
  if (document.sz) {
    document.rs = 2;
    return;
  }
  const font = fonts.get(document.f);
  if (!font || !(document.s > 0)) return;
  const text = document.ca === 1 || document.ca === 2 ? document.t.toUpperCase() : document.t;
  const widest = (measure: LoadedFont['measure']): number =>
    Math.max(...text.split('\r').map((line) => measure(line, document.s, document.tr ?? 0)));
  const room = roomForText(lottie, place, document.j ?? 0);
  // Reading a font's tables for kerning takes 30 ms, and nearly all text fits with room to spare.
  if (widest(font.estimate) <= room * 0.95) return;
  const width = widest(font.measure);
  if (width <= room) return;
  const factor = room / width;
  if (document.s * factor < SMALLEST_PX) {
    throw new FlatrenderError(
      'INPUT_INVALID',
      `the text of layer ${JSON.stringify(place.path)} is too long: ${[...document.t].length} characters would be ${(document.s * factor).toFixed(1)} px high`,
      { hint: 'shorten the text' },
    );
  }
  // Skottie takes fractions; a hundredth keeps the file readable and never rounds up.
  document.s = Math.floor(document.s * factor * 100) / 100;
  if (document.lh) document.lh *= factor;
}
