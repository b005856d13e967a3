/** What is wrong with a Lottie template, found before anything is rendered. */
import { type ErrorCode, FlatrenderError } from '../../lib/errors.ts';

export interface Problem {
  readonly code: ErrorCode;
  readonly message: string;
  readonly hint?: string;
  /** A warning does not stop the rendering. */
  readonly severity: 'error' | 'warning';
}

/** Makes a problem that stops the rendering. */
export function problem(code: ErrorCode, message: string, hint?: string): Problem {
  return { code, message, severity: 'error', ...(hint === undefined ? {} : { hint }) };
}

/** Makes a problem that is only told. */
export function warning(code: ErrorCode, message: string, hint?: string): Problem {
  return { ...problem(code, message, hint), severity: 'warning' };
}

/** True for a problem, where something else was possible. */
export function isProblem(value: object): value is Problem {
  return 'severity' in value && 'code' in value;
}

/** Throws the first error among the problems; its message tells the others too. Warnings are passed over. */
export function throwProblems(problems: readonly Problem[], file: string): void {
  const errors = problems.filter(({ severity }) => severity === 'error');
  const [first, ...rest] = errors;
  if (!first) return;
  const more = rest.slice(0, 9).map(({ message }) => `; ${message}`);
  const left = rest.length > 9 ? `; and ${rest.length - 9} more` : '';
  throw new FlatrenderError(first.code, `${file}: ${first.message}${more.join('')}${left}`, {
    hint: first.hint,
    details: { problems: errors.slice(0, 50).map(({ code, message }) => ({ code, message })) },
  });
}
