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
}

export interface Check {
  readonly name: string;
  /** May throw: that is a failed check with the error's message and hint. */
  readonly run: () => Promise<Finding | readonly Finding[]>;
}

export interface CheckResult extends Finding {
  readonly name: string;
}

/** Runs checks one after the other, telling each result as it comes. */
export async function runChecks(
  checks: readonly Check[],
  signal: AbortSignal,
  onResult: (result: CheckResult) => void,
): Promise<readonly CheckResult[]> {
  const results: CheckResult[] = [];
  for (const check of checks) {
    signal.throwIfAborted();
    for (const finding of await findings(check, signal)) {
      const result = { name: check.name, ...finding };
      results.push(result);
      onResult(result);
    }
  }
  return results;
}

const STYLES: Readonly<Record<CheckStatus, Style>> = {
  ok: 'good',
  warning: 'warning',
  failed: 'error',
  skipped: 'dim',
};

/** One result in one line, and how to mend it in a second one. */
export function checkText({ name, status, message, fix }: CheckResult): string {
  const line = `${paint(STYLES[status], status.padEnd(7))}  ${name.padEnd(14)}  ${message}`;
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
