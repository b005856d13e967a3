import { formatDuration } from './output.ts';

/** How far a piece of work is. */
export interface ProgressFacts {
  /** 0 to 1. */
  readonly fraction: number;
  readonly frame: number;
  /** null: not known yet. */
  readonly frames: number | null;
  readonly fps: number | null;
}

/** `█████░░░░░`, eighths of a cell included; plain characters where the terminal knows no others. */
export function bar(fraction: number, width: number, unicode = true): string {
  const clamped = Math.min(1, Math.max(0, fraction));
  if (!unicode) {
    const done = Math.round(clamped * width);
    return `[${'#'.repeat(done)}${'.'.repeat(width - done)}]`;
  }
  const eighths = Math.round(clamped * width * 8);
  const full = Math.floor(eighths / 8);
  const rest = ' ▏▎▍▌▋▊▉'.charAt(eighths % 8).trim();
  return `${'█'.repeat(full)}${rest}${'░'.repeat(width - full - rest.length)}`;
}

/** What is left at this rate, ms; null while nobody can say. */
export function timeLeftMs({ frame, frames, fps }: ProgressFacts): number | null {
  return frames === null || !fps || frame >= frames ? null : ((frames - frame) / fps) * 1000;
}

/** Whole seconds: an estimate has no tenths. */
function formatLeft(ms: number): string {
  return ms < 59_000 ? `${Math.max(1, Math.ceil(ms / 1000))} s` : formatDuration(ms);
}

const WORD = ' frames';
const WIDEST_BAR = 24;
/** A bar below this says less than the number beside it. */
const NARROWEST_BAR = 6;
/** Up to this length the bar has the room of the word "frames". */
const BAR_BEFORE_WORDS = 12;

/**
 * A progress line for so many columns. What counts most is how far and how long: first the word "frames" goes, then
 * the bar, then the rate. Room for a rate and some seconds is kept from the start: nothing jumps when they come.
 */
export function fittedProgress(facts: ProgressFacts, columns: number): string {
  const digits = String(facts.frames ?? 9999).length;
  const left = formatLeft(timeLeftMs(facts) ?? 0);
  const ending = '  100 fps'.length + Math.max('59 s'.length, left.length) + '   left'.length;
  const room = columns - '100 %'.length - 2 - (digits * 2 + 1) - ending - 2;
  const short = room - WORD.length < BAR_BEFORE_WORDS;
  const width = Math.min(WIDEST_BAR, short ? room : room - WORD.length);
  const line = progressLine(facts, width < NARROWEST_BAR ? 0 : width, short);
  return line.length <= columns ? line : line.replace(/ {2}[\d.]+ fps/, '');
}

/** `███████░░░  62 %  93/150 frames  41 fps  2 s left`; without `width` no bar, for logs; `short`: no word "frames". */
export function progressLine(facts: ProgressFacts, width = 0, short = false): string {
  const left = timeLeftMs(facts);
  return [
    width > 0 ? bar(facts.fraction, width) : '',
    `${String(Math.floor(facts.fraction * 100)).padStart(3)} %`,
    facts.frames === null
      ? ''
      : `${String(facts.frame).padStart(String(facts.frames).length)}/${facts.frames}${short ? '' : WORD}`,
    facts.fps ? `${facts.fps < 10 ? facts.fps.toFixed(1) : Math.round(facts.fps)} fps` : '',
    left === null ? '' : `${formatLeft(left)} left`,
  ]
    .filter((part) => part !== '')
    .join('  ');
}
