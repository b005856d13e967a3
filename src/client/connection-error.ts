import { type ErrorCode, FlatrenderError } from '../lib/errors.ts';

const REASONS: Readonly<Record<string, string>> = {
  ECONNREFUSED: 'nothing listens there',
  ENOTFOUND: 'the name is not known',
  EAI_AGAIN: 'the name cannot be looked up',
  ECONNRESET: 'the connection was cut',
  EPIPE: 'the connection was cut',
  UND_ERR_SOCKET: 'the connection was cut',
  ETIMEDOUT: 'no answer',
  UND_ERR_CONNECT_TIMEOUT: 'no answer',
  EHOSTUNREACH: 'no route to that machine',
  ENETUNREACH: 'no route to that network',
};

/** A failed connection as an error that says why in words; `details.cause` is the system's code. */
export function connectionError(
  code: ErrorCode,
  what: string,
  cause: unknown,
  options: { readonly hint?: string | undefined; readonly retryable?: boolean | undefined } = {},
): FlatrenderError {
  if (cause instanceof FlatrenderError) return cause;
  // node:net tries every address of a name and reports them together; the first says enough.
  const first: unknown = cause instanceof AggregateError ? cause.errors[0] : cause;
  const system =
    first instanceof Error && 'code' in first && typeof first.code === 'string' ? first.code : undefined;
  const reason = (system && REASONS[system]) ?? (first instanceof Error ? first.message : String(first));
  return new FlatrenderError(code, `${what}: ${reason}`, {
    cause,
    hint: options.hint,
    retryable: options.retryable,
    ...(system === undefined ? {} : { details: { cause: system } }),
  });
}
