/** When a webhook is tried again. */

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;

// The example of the Standard Webhooks specification ("Deliverability and reliability"): ten tries within 76 hours, so
// that a receiver that is down over a weekend's night, or for a day, still hears of everything.
const DELAYS_MS = [
  5000,
  5 * MINUTE,
  30 * MINUTE,
  2 * HOUR,
  5 * HOUR,
  10 * HOUR,
  14 * HOUR,
  20 * HOUR,
  24 * HOUR,
];
/** Up to this part of a delay is added to it: what failed together is not tried again together. */
const JITTER = 0.2;
/** A receiver may ask for patience, but not for ever. */
const LONGEST_MS = 24 * HOUR;

/**
 * Milliseconds until the next try after `attempts` of them; null: there is none. `retryAfterMs`: what the receiver asked
 * for. `random`: 0 to 1.
 */
export function nextDelay(attempts: number, retryAfterMs: number | null, random: number): number | null {
  const delay = DELAYS_MS[attempts - 1];
  if (delay === undefined) return null;
  return Math.round(Math.max(delay, Math.min(retryAfterMs ?? 0, LONGEST_MS)) * (1 + JITTER * random));
}

/** A Retry-After header (RFC 9110, 10.2.3: seconds or a date) in milliseconds from now; null: none that makes sense. */
export function retryAfterMs(header: string | undefined, now: number): number | null {
  if (header === undefined) return null;
  if (/^\d{1,9}$/.test(header)) return Number(header) * 1000;
  const at = Date.parse(header);
  return Number.isNaN(at) ? null : Math.max(0, at - now);
}
