/** `doctor`: looks at this machine and at the connection, and says which command mends what is wrong. */
import { FlatrenderError } from '../../lib/errors.ts';
import { paint, type Style } from '../paint.ts';

export type CheckStatus = 'ok' | 'warning' | 'failed' | 'skipped';

/** What one check found. */
export interface Finding {
  readonly status: CheckStatus;
  readonly message: string;
  /** The command, or the thing to do, that mends it. */
  readonly fix?: string | undefined;
  /** Mends it without a question: nothing is lost by it, and doing it twice is harmless. Only used by `--fix`. */
  readonly repair?: (() => Promise<void>) | undefined;
}

export interface Check {
  readonly name: string;
  /** May throw: that is a failed check with the error's message and hint. */
  readonly run: () => Promise<Finding | readonly Finding[]>;
}

export interface CheckResult extends Omit<Finding, 'repair'> {
  readonly name: string;
  /** What `--fix` did about it: `fixed`, or why it could not be mended. */
  readonly repaired?: string;
}

export interface RunChecksOptions {
  readonly signal: AbortSignal;
  /** Mend what can be mended safely, then look again. */
  readonly fix?: boolean;
  readonly onResult: (result: CheckResult) => void;
}

/** Runs checks one after the other, telling each result as it comes. */
export async function runChecks(
  checks: readonly Check[],
  { signal, fix = false, onResult }: RunChecksOptions,
): Promise<readonly CheckResult[]> {
  const results: CheckResult[] = [];
  for (const check of checks) {
    signal.throwIfAborted();
    const first = await findings(check, signal);
    const repairs = fix ? await repairAll(first) : [];
    const found = repairs.some((why) => why === FIXED) ? await findings(check, signal) : first;
    for (const [index, { repair: _, ...finding }] of found.entries()) {
      const repaired = found.length === first.length ? repairs[index] : undefined;
      const result = { name: check.name, ...finding, ...(repaired == null ? {} : { repaired }) };
      results.push(result);
      onResult(result);
    }
  }
  return results;
}

const FIXED = 'fixed';

/** For each finding: what came of its repair; null: it has none or needs none. */
async function repairAll(found: readonly Finding[]): Promise<readonly (string | null)[]> {
  const outcomes: (string | null)[] = [];
  for (const { repair, status } of found) {
    if (!repair || status === 'ok') outcomes.push(null);
    else {
      outcomes.push(
        await repair().then(
          () => FIXED,
          (error: unknown) => `not fixed: ${error instanceof Error ? error.message : String(error)}`,
        ),
      );
    }
  }
  return outcomes;
}

const STYLES: Readonly<Record<CheckStatus, Style>> = {
  ok: 'good',
  warning: 'warning',
  failed: 'error',
  skipped: 'dim',
};

/** One result in one line, and how to mend it in a second one. */
export function checkText({ name, status, message, fix, repaired }: CheckResult): string {
  const line = `${paint(STYLES[status], status.padEnd(7))}  ${name.padEnd(14)}  ${message}${
    repaired === undefined ? '' : paint(repaired === FIXED ? 'good' : 'warning', ` (${repaired})`)
  }`;
  return fix === undefined ? line : `${line}\n${' '.repeat(9)}${paint('dim', '→')} ${fix}`;
}

async function findings(check: Check, signal: AbortSignal): Promise<readonly Finding[]> {
  try {
    const found = await check.run();
    return 'status' in found ? [found] : found;
  } catch (error) {
    if (signal.aborted) throw signal.reason;
    const fix = error instanceof FlatrenderError ? error.hint : undefined;
    return [{ status: 'failed', message: error instanceof Error ? error.message : String(error), fix }];
  }
}
