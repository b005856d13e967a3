import { formatDuration } from '../output.ts';
import type { Finding } from './checks.ts';

/** Requests of nodes are refused beyond 300 s (protocol/signatures.ts); half of that is the time to act. */
const SKEW_FAILED_MS = 300_000;
const SKEW_WARNING_MS = 150_000;

/** What a clock is worth that is this far from the control plane's, in milliseconds; half a round trip of error is nothing. */
export function clockFinding(skewMs: number, platform: NodeJS.Platform = process.platform): Finding {
  const skew = Math.abs(skewMs);
  const message = `the clock is ${skew < 1000 ? 'less than 1 s' : formatDuration(skew)} apart from the control plane's`;
  if (skew < SKEW_WARNING_MS) return { status: 'ok', message };
  const fix = clockFix(platform);
  return { status: skew < SKEW_FAILED_MS ? 'warning' : 'failed', message, fix };
}

/** What to type to set the clock of a machine right. */
export function clockFix(platform: NodeJS.Platform = process.platform): string {
  switch (platform) {
    case 'win32':
      return 'w32tm /resync (as administrator)';
    case 'darwin':
      return 'sudo sntp -sS time.apple.com';
    default:
      return 'sudo timedatectl set-ntp true';
  }
}
