/** How a failure of After Effects is put into an error. */
import { type ErrorCode, FlatrenderError } from '../../../lib/errors.ts';
import type { RenderEvidence } from './evidence.ts';

/** Lines in `details`, and their length. */
const MOST_LINES = 20;
const LONGEST_LINE = 500;

interface FailOptions {
  readonly hint?: string | undefined;
  readonly retryable?: boolean | undefined;
  readonly details?: Record<string, unknown>;
}

/** Builds the error, with the last lines in the message unless it has them already. */
export function fail(
  evidence: RenderEvidence,
  code: ErrorCode,
  message: string,
  { hint, retryable, details = {} }: FailOptions,
): FlatrenderError {
  const lines = evidence.lastLines
    .filter((line) => line.trim() !== '')
    .slice(-MOST_LINES)
    .map((line) => line.trim().slice(0, LONGEST_LINE));
  const tail = lines.slice(-3).filter((line) => !message.includes(line) && !line.includes(message));
  const short = message.slice(0, 1000);
  return new FlatrenderError(
    code,
    tail.length > 0 ? `${short}; last lines: ${tail.join(' | ').slice(0, LONGEST_LINE)}` : short,
    {
      hint: hint === '' ? undefined : hint,
      retryable,
      details: {
        stage: evidence.stage,
        phase: evidence.expired?.phase ?? evidence.phase,
        exitCode: evidence.exitCode,
        ...(evidence.signal === null ? {} : { signal: evidence.signal }),
        ...(evidence.expired === null ? {} : { expired: evidence.expired }),
        ...(evidence.dialog === null ? {} : { dialog: evidence.dialog.kind }),
        ...(evidence.framesExpected === null ? {} : { expected: evidence.framesExpected }),
        ...(evidence.framesFound === null ? {} : { found: evidence.framesFound }),
        ...details,
        lastLines: lines,
      },
    },
  );
}

const PHASES = {
  launch: 'while it started',
  bind: 'while the inputs were put in',
  'first-frame': 'before the first frame',
  frame: 'between frames',
  encode: 'after the last frame',
} as const;
const STAGES = {
  launch: 'while it started',
  bind: 'while the inputs were put in',
  render: 'while it rendered',
  collect: 'after it rendered',
} as const;

/** When it happened, as part of a sentence. */
export function doing(evidence: RenderEvidence, phase = evidence.phase): string {
  return phase === null ? STAGES[evidence.stage] : PHASES[phase];
}
