import { FlatrenderError } from '../lib/errors.ts';

const UNIT_MS: Readonly<Record<string, number>> = { s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 };

/**
 * When a job is to start: `22:00` (the next time this machine's clock shows it), `+10m` (s, m, h, d; also combined,
 * `+1h30m`), or an ISO 8601 instant (without a zone: local time). USAGE for anything else and for the past.
 */
export function parseStartTime(text: string, now: number): Date {
  const at = readTime(text.trim(), now);
  if (!at || Number.isNaN(at.getTime())) {
    throw new FlatrenderError('USAGE', `--at: "${text}" is not a time`, {
      hint: 'write 22:00, +10m or 2026-03-01T22:00:00Z',
    });
  }
  // A minute of grace: clocks differ, and "now" passes while a command starts.
  if (at.getTime() < now - 60_000) {
    throw new FlatrenderError('USAGE', `--at: ${at.toISOString()} has passed`, {
      hint: 'leave --at away to start at once',
    });
  }
  return at;
}

function readTime(text: string, now: number): Date | null {
  const clock = /^([01]?\d|2[0-3]):([0-5]\d)$/.exec(text);
  if (clock) {
    const at = new Date(now);
    at.setHours(Number(clock[1]), Number(clock[2]), 0, 0);
    // By calendar day, not by 24 hours: the night the clocks change is an hour longer or shorter.
    if (at.getTime() <= now) at.setDate(at.getDate() + 1);
    return at;
  }
  if (text.startsWith('+')) {
    const ms = durationOf(text.slice(1));
    return ms === null ? null : new Date(now + ms);
  }
  return /^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}/.test(text) ? new Date(text) : null;
}

/** `90s`, `10m`, `12h`, `90d`, or several (`1h30m`) in milliseconds; USAGE, naming the flag, for anything else. */
export function parseDuration(text: string, flag: string): number {
  const ms = durationOf(text.trim());
  if (ms !== null && ms > 0) return ms;
  throw new FlatrenderError('USAGE', `${flag}: "${text}" is not a length of time`, {
    hint: 'write 90s, 10m, 12h or 90d',
  });
}

function durationOf(text: string): number | null {
  if (!/^(\d{1,9}[smhd])+$/.test(text)) return null;
  return [...text.matchAll(/(\d+)([smhd])/g)].reduce(
    (sum, [, count, unit]) => sum + Number(count) * (UNIT_MS[unit ?? ''] ?? 0),
    0,
  );
}

/** `24h`, `7d` (so long ago), or an ISO 8601 instant; USAGE, naming the flag, for anything else. */
export function parseSince(text: string, flag: string, now: number): Date {
  const ago = durationOf(text.trim());
  const at = ago === null ? readTime(text.trim(), now) : new Date(now - ago);
  if (at && !Number.isNaN(at.getTime())) return at;
  throw new FlatrenderError('USAGE', `${flag}: "${text}" is not a time`, {
    hint: 'write 24h, 7d or 2026-03-01T22:00:00Z',
  });
}
