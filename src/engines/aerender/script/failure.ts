/** What went wrong, as it gets into result.json. */
import type { BindErrorCode, MissingFootage } from '../bind/bind-data.ts';

export interface Failure {
  /** Tells ours from the errors of After Effects. */
  readonly isFailure: true;
  readonly code: BindErrorCode;
  readonly message: string;
  readonly candidates: readonly string[];
  file: string | null;
  line: number | null;
  missingFootage: readonly MissingFootage[];
  missingFonts: readonly string[];
}

/** Ends the script with this error. */
export function fail(code: BindErrorCode, message: string, candidates?: readonly string[]): never {
  throw failure(code, message, candidates);
}

/** The error that {@link fail} throws, for those that add to it. */
export function failure(code: BindErrorCode, message: string, candidates?: readonly string[]): Failure {
  return {
    isFailure: true,
    code: code,
    message: message,
    candidates: candidates || [],
    file: null,
    line: null,
    missingFootage: [],
    missingFonts: []
  };
}

/** Any thrown value: ours as it is; errors of After Effects and of JavaScript with the place where they say it was. */
export function toFailure(error: unknown): Failure {
  var thrown = error as { isFailure?: boolean; fileName?: unknown; line?: unknown } | null;
  if (thrown !== null && typeof thrown === 'object' && thrown.isFailure === true) return error as Failure;
  var made = failure('AE_SCRIPT_ERROR', messageOf(error));
  if (thrown !== null && typeof thrown === 'object') {
    if (typeof thrown.line === 'number') made.line = thrown.line;
    if (thrown.fileName) made.file = String(thrown.fileName);
  }
  return made;
}

/** The message of any thrown value, on one line. */
export function messageOf(error: unknown): string {
  var thrown = error as { message?: unknown; description?: unknown } | null;
  var text = '';
  if (thrown !== null && typeof thrown === 'object') {
    if (thrown.message) text = String(thrown.message);
    else if (thrown.description) text = String(thrown.description);
  }
  if (text === '') text = String(error);
  return text.replace(/\s+/g, ' ');
}

/** A name as it appears in messages. */
export function quote(name: string): string {
  return '"' + name + '"';
}
