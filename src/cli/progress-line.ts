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

/** `███████░░░  62 %  93/150 frames  41 fps  2 s left`; without `width` no bar, for logs. */
export function progressLine(facts: ProgressFacts, width = 0, unicode = true): string {
  const left = timeLeftMs(facts);
  return [
    width > 0 ? bar(facts.fraction, width, unicode) : '',
    `${String(Math.floor(facts.fraction * 100)).padStart(3)} %`,
    facts.frames === null
      ? ''
      : `${String(facts.frame).padStart(String(facts.frames).length)}/${facts.frames} frames`,
    facts.fps ? `${facts.fps < 10 ? facts.fps.toFixed(1) : Math.round(facts.fps)} fps` : '',
    left === null ? '' : `${formatLeft(left)} left`,
  ]
    .filter((part) => part !== '')
    .join('  ');
}
