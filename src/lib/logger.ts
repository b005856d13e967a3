/** Logs of long-running processes: JSON lines, or text for people on a terminal. */
import { fstatSync } from 'node:fs';
import { pino } from 'pino';
import { build as pretty } from 'pino-pretty';
import { FlatrenderError } from './errors.ts';
import { descriptorStream } from './log-file.ts';

export type LogLevel = 'trace' | 'debug' | 'info' | 'warn' | 'error' | 'silent';

/** Facts about an event: jobId, taskId, nodeId, and whatever else says what happened. `error` takes any thrown value. */
export type LogFields = Readonly<Record<string, unknown>>;

/** `event` is a stable dotted name that programs may rely on (`lease.expired`); details are fields. */
export interface Logger {
  trace(event: string, fields?: LogFields): void;
  debug(event: string, fields?: LogFields): void;
  info(event: string, fields?: LogFields): void;
  warn(event: string, fields?: LogFields): void;
  error(event: string, fields?: LogFields): void;
  /** A logger that adds these fields to every line. */
  child(fields: LogFields): Logger;
  isEnabled(level: LogLevel): boolean;
}

interface LoggerOptions {
  /** Default: $LOG_LEVEL, then `info`. */
  readonly level?: LogLevel | undefined;
  /** Where lines go. Default: stderr. */
  readonly stream?: NodeJS.WritableStream | undefined;
  /** Text instead of JSON. Default: when stderr is a terminal. */
  readonly text?: boolean | undefined;
  readonly fields?: LogFields | undefined;
}

const LEVELS: readonly string[] = ['trace', 'debug', 'info', 'warn', 'error', 'silent'] satisfies LogLevel[];

/** Fields whose value never reaches a log, at the top and one level below. */
const SECRET_FIELDS = [
  'token',
  'secret',
  'password',
  'authorization',
  'signature',
  'cookie',
  'headers',
  'body',
  'config',
  'env',
];

// What secrets look like wherever they turn up: client tokens, bearer headers, node secrets in env form, signed URLs.
const SECRET_TEXT =
  /\bfr_[A-Za-z0-9_-]{20,}|(?<=Bearer\s+)[\w.~+/=-]{8,}|(?<=NODE_HMAC_SECRET=)[^\s"\\]+|(?<=[?&](?:sig|signature|token|X-Amz-Signature)=)[^&\s"\\]+/gi;

/** Takes what looks like a token, a secret or the signature of a URL out of a text. */
function redactSecrets(text: string): string {
  return text.replace(SECRET_TEXT, '***');
}

/** True for a name that `--log-level` and LOG_LEVEL accept. */
export function isLogLevel(name: string): name is LogLevel {
  return LEVELS.includes(name);
}

/** A logger; an unknown $LOG_LEVEL counts as `info`. Nothing to close: lines are written at once. */
export function createLogger(options: LoggerOptions = {}): Logger {
  const fromEnv = process.env.LOG_LEVEL?.toLowerCase() ?? '';
  const level = options.level ?? (isLogLevel(fromEnv) ? fromEnv : 'info');
  const stream = options.stream ?? standardError();
  const asText = options.text ?? (options.stream === undefined && process.stderr.isTTY === true);
  const target = asText ? textStream(stream) : stream;
  const base = pino(
    {
      level,
      base: options.fields ?? null,
      timestamp: pino.stdTimeFunctions.isoTime,
      messageKey: 'event',
      errorKey: 'error',
      formatters: { level: (label) => ({ level: label }) },
      serializers: { error: describeError },
      redact: { paths: [...SECRET_FIELDS, ...SECRET_FIELDS.map((name) => `*.${name}`)], censor: '***' },
      hooks: { streamWrite: redactSecrets },
    },
    target,
  );
  return wrap(base);
}

/** Standard error; when it is a file, a full disk neither ends the program nor, once there is room again, its log. */
function standardError(): NodeJS.WritableStream {
  try {
    return fstatSync(2).isFile() ? descriptorStream(2) : process.stderr;
  } catch {
    return process.stderr;
  }
}

type PinoLogger = pino.Logger<never, boolean>;

function wrap(base: PinoLogger): Logger {
  const at =
    (level: 'trace' | 'debug' | 'info' | 'warn' | 'error') =>
    (event: string, fields?: LogFields): void => {
      if (fields === undefined) base[level](event);
      else base[level](fields, event);
    };
  return {
    trace: at('trace'),
    debug: at('debug'),
    info: at('info'),
    warn: at('warn'),
    error: at('error'),
    child: (fields) => wrap(base.child({ ...fields })),
    isEnabled: (level) => level !== 'silent' && base.isLevelEnabled(level),
  };
}

/** An error as a log line shows it: expected ones with code and hint, bugs with their stack. */
function describeError(error: unknown): unknown {
  if (error instanceof FlatrenderError) {
    const cause = error.cause === undefined ? {} : { cause: describeError(error.cause) };
    const stack = error.code === 'INTERNAL' ? { stack: error.stack } : {};
    return { ...error.toBody(), ...cause, ...stack };
  }
  if (error instanceof Error) return { type: error.name, message: error.message, stack: error.stack };
  return error;
}

function textStream(destination: NodeJS.WritableStream): NodeJS.WritableStream {
  return pretty({
    destination,
    colorize: (destination as { isTTY?: boolean }).isTTY === true && !process.env.NO_COLOR,
    messageKey: 'event',
    errorLikeObjectKeys: ['error'],
    timestampKey: 'time',
    translateTime: 'SYS:HH:MM:ss',
    ignore: 'pid,hostname',
    singleLine: true,
    sync: true,
  });
}
