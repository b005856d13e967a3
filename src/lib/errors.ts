/**
 * The one error type of the program and the table that gives each code its HTTP status, exit code and
 * whether a retry can help.
 */

interface ErrorTraits {
  /** HTTP status with which the control plane answers. */
  readonly status: number;
  /** Exit code of the command line: 1 the operation failed, 2 usage or configuration, 70 a bug. */
  readonly exit: number;
  /** Whether the same request can succeed later without anybody changing it. */
  readonly retryable: boolean;
}

const usage = { status: 400, exit: 2, retryable: false } as const;
const denied = { status: 401, exit: 2, retryable: false } as const;
const missing = { status: 404, exit: 1, retryable: false } as const;
const conflict = { status: 409, exit: 1, retryable: false } as const;
const failed = { status: 422, exit: 1, retryable: false } as const;
/** May succeed when tried again, best on another node. */
const render = { status: 422, exit: 1, retryable: true } as const;
const again = { status: 503, exit: 1, retryable: true } as const;

/** Every code the program may show, grouped by what a user can do about it. */
export const ERROR_CODES = {
  // requests and configuration
  USAGE: usage,
  CONFIG_INVALID: usage,
  CONFIG_MISSING: usage,
  REQUEST_INVALID: usage,
  REQUEST_TOO_LARGE: { status: 413, exit: 2, retryable: false },
  REQUEST_TOO_DEEP: usage,
  REQUEST_TIMEOUT: { status: 408, exit: 1, retryable: true },
  UNSUPPORTED_MEDIA_TYPE: { status: 415, exit: 2, retryable: false },
  ROUTE_NOT_FOUND: missing,
  METHOD_NOT_ALLOWED: { status: 405, exit: 2, retryable: false },
  RATE_LIMITED: { status: 429, exit: 1, retryable: true },
  // who is asking
  TOKEN_MISSING: denied,
  TOKEN_INVALID: denied,
  TOKEN_FORBIDDEN: { status: 403, exit: 2, retryable: false },
  NODE_UNKNOWN: denied,
  SIGNATURE_MISSING: denied,
  SIGNATURE_INVALID: denied,
  SIGNATURE_REPLAYED: denied,
  CLOCK_SKEW: denied,
  DIGEST_MISMATCH: denied,
  ANSWER_UNSIGNED: { status: 502, exit: 1, retryable: false },
  // jobs and leases
  JOB_NOT_FOUND: missing,
  TASK_NOT_FOUND: missing,
  JOB_STATE: conflict,
  LEASE_LOST: conflict,
  IDEMPOTENCY_CONFLICT: conflict,
  INPUT_INVALID: failed,
  NO_CAPABLE_NODE: failed,
  JOB_FAILED: { status: 422, exit: 1, retryable: false },
  JOB_CANCELLED: { status: 409, exit: 1, retryable: false },
  OUTPUT_MISSING: missing,
  OUTPUT_EXISTS: conflict,
  LOST_TOO_OFTEN: failed,
  // nodes, tokens
  NODE_NOT_FOUND: missing,
  NODE_EXISTS: conflict,
  TOKEN_NOT_FOUND: missing,
  // webhooks
  DELIVERY_NOT_FOUND: missing,
  HOOK_NOT_FOUND: missing,
  HOOK_EXISTS: conflict,
  // joining a farm
  INVITATION_INVALID: usage,
  INVITATION_EXPIRED: denied,
  INVITATION_USED: denied,
  INVITATION_REPLACED: denied,
  // the mesh
  MESH_INVALID: usage,
  MESH_UNAVAILABLE: { status: 503, exit: 1, retryable: false },
  MESH_PEER_NOT_FOUND: missing,
  MESH_PEER_EXISTS: conflict,
  MESH_KEY_IN_USE: conflict,
  MESH_ADDRESS_TAKEN: conflict,
  MESH_FULL: conflict,
  // services of this machine
  ELEVATION_NEEDED: { status: 403, exit: 2, retryable: false },
  SERVICE_NOT_INSTALLED: missing,
  SERVICE_UNSUPPORTED: { status: 422, exit: 2, retryable: false },
  SERVICE_FAILED: { status: 422, exit: 1, retryable: false },
  SETUP_FAILED: { status: 422, exit: 1, retryable: false },
  // templates and objects
  TEMPLATE_NOT_FOUND: missing,
  TEMPLATE_VERSION_EXISTS: conflict,
  TEMPLATE_IN_USE: conflict,
  TEMPLATE_INVALID: failed,
  BUNDLE_REFUSED: failed,
  OBJECT_NOT_FOUND: missing,
  OBJECT_EXISTS: conflict,
  OBJECT_CORRUPT: failed,
  OBJECT_URL_EXPIRED: { status: 403, exit: 1, retryable: false },
  OBJECT_URL_INVALID: { status: 403, exit: 1, retryable: false },
  OBJECT_RANGE: { status: 416, exit: 1, retryable: false },
  DISK_FULL: { status: 507, exit: 1, retryable: true },
  // rendering
  ENGINE_UNAVAILABLE: render,
  ENGINE_CRASHED: render,
  ENGINE_FAILED: render,
  ENGINE_TIMEOUT: render,
  OUTPUT_INVALID: render,
  FONT_MISSING: failed,
  GLYPH_MISSING: failed,
  LOTTIE_INVALID: failed,
  LOTTIE_EXPRESSIONS: failed,
  LOTTIE_UNSUPPORTED: failed,
  FFMPEG_FAILED: render,
  FFMPEG_MISSING: render,
  MEDIA_INVALID: failed,
  // After Effects
  AEP_INVALID: failed,
  AE_NOT_FOUND: render,
  AE_LAUNCH_TIMEOUT: render,
  AE_OTHER_INSTANCE: render,
  AE_LICENSE: render,
  AE_DIALOG: render,
  AE_PROJECT_INVALID: failed,
  AE_SCRIPT_ERROR: failed,
  AE_COMP_NOT_FOUND: failed,
  AE_LAYER_NOT_FOUND: failed,
  AE_PROPERTY_NOT_FOUND: failed,
  AE_MISSING_FOOTAGE: failed,
  // Another node may have it.
  AE_MISSING_FONT: render,
  AE_OUTPUT_MODULE_NOT_FOUND: render,
  AE_RENDER_FAILED: render,
  AE_CRASHED: render,
  AE_HUNG: render,
  AE_SHORT_OUTPUT: render,
  // programs that flatrender starts
  PROGRAM_MISSING: { status: 422, exit: 1, retryable: false },
  PROGRAM_FAILED: { status: 422, exit: 1, retryable: true },
  PROGRAM_TIMEOUT: { status: 422, exit: 1, retryable: true },
  TRANSFER_FAILED: { status: 502, exit: 1, retryable: true },
  ABORTED: { status: 499, exit: 130, retryable: true },
  // the control plane itself
  UNREACHABLE: again,
  UNAVAILABLE: again,
  STORE_FAILED: again,
  SCHEMA_NEWER: { status: 500, exit: 2, retryable: false },
  ALREADY_RUNNING: { status: 409, exit: 1, retryable: false },
  INTERNAL: { status: 500, exit: 70, retryable: false },
} as const satisfies Record<string, ErrorTraits>;

/** One of the documented codes. */
export type ErrorCode = keyof typeof ERROR_CODES;

/** What an error looks like on the wire, in `--json` and in the store. */
export interface ErrorBody {
  readonly code: string;
  readonly message: string;
  readonly hint?: string;
  readonly retryable?: boolean;
  readonly details?: Record<string, unknown>;
}

interface ErrorOptions {
  readonly cause?: unknown;
  /** The next thing to type or to look at. */
  readonly hint?: string | undefined;
  /** Facts for programs: names, limits, times. Never a secret. */
  readonly details?: Record<string, unknown> | undefined;
  /** Overrides the table, e.g. for an error that came over the wire. */
  readonly retryable?: boolean | undefined;
}

/** An expected failure: what failed with the value and the place, and what to do next. */
export class FlatrenderError extends Error {
  override readonly name = 'FlatrenderError';
  readonly code: ErrorCode;
  readonly hint: string | undefined;
  readonly details: Record<string, unknown> | undefined;
  readonly retryable: boolean;

  constructor(code: ErrorCode, message: string, options: ErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.code = code;
    this.hint = options.hint;
    this.details = options.details;
    this.retryable = options.retryable ?? ERROR_CODES[code].retryable;
  }

  /** HTTP status of this error. */
  get status(): number {
    return ERROR_CODES[this.code].status;
  }

  /** Exit code of this error. */
  get exit(): number {
    return ERROR_CODES[this.code].exit;
  }

  /** The wire shape; carries neither stack nor cause. */
  toBody(): ErrorBody {
    return {
      code: this.code,
      message: this.message,
      ...(this.hint === undefined ? {} : { hint: this.hint }),
      retryable: this.retryable,
      ...(this.details === undefined ? {} : { details: this.details }),
    };
  }
}

/** True for a code of the table. */
export function isErrorCode(code: string): code is ErrorCode {
  return Object.hasOwn(ERROR_CODES, code);
}

/** Rebuilds an error that came over the wire or out of a child process; an unknown code becomes INTERNAL. */
export function errorFromBody(body: ErrorBody): FlatrenderError {
  const known = isErrorCode(body.code);
  return new FlatrenderError(
    known ? body.code : 'INTERNAL',
    known ? body.message : `${body.code}: ${body.message}`,
    {
      hint: body.hint,
      details: body.details,
      retryable: body.retryable,
    },
  );
}

/** Any thrown value as a FlatrenderError; what is not one already is a bug and becomes INTERNAL. */
export function toFlatrenderError(error: unknown): FlatrenderError {
  if (error instanceof FlatrenderError) return error;
  const message = error instanceof Error ? error.message : String(error);
  return new FlatrenderError('INTERNAL', message, { cause: error });
}
