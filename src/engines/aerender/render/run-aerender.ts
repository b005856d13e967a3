/** One launch of aerender: its lines read, its phases watched, what is known about it kept. */
import { FlatrenderError } from '../../../lib/errors.ts';
import type { Command } from '../../../lib/exec.ts';
import type { RenderEvidence, TroublePolicy } from '../report/evidence.ts';
import { failureOf, troubleIn } from '../report/failures.ts';
import { type AerenderEvent, AerenderOutput } from '../report/output.ts';
import type { RenderProgress } from '../report/progress.ts';
import { type Outcome, type Supervised, type SuperviseOptions, supervise } from './supervise.ts';

/** Events kept: a render of hours prints a line per frame, of which only the others matter afterwards. */
const KEPT_EVENTS = 2_000;

/** What belongs to the whole attempt, whatever is launched in it. */
export type Surroundings = Omit<
  SuperviseOptions,
  'name' | 'command' | 'cwd' | 'phase' | 'onLine' | 'onStart'
>;

export interface AerenderRunOptions extends Surroundings {
  readonly command: Command;
  readonly cwd: string;
  readonly composition: string;
  readonly outputModule: string;
  readonly renderSettings: string | null;
  readonly fps: number;
  /** Frames that this run renders. */
  readonly frames: number;
  readonly policy: TroublePolicy;
  /** Takes the frames it reports; null for sound alone. */
  readonly progress: RenderProgress | null;
  readonly onFrame: () => void;
  /** After all its frames it has so long to end, ms. */
  readonly graceMs: number;
  readonly onStart: (program: Supervised) => () => void;
}

export interface AerenderRun {
  readonly outcome: Outcome;
  readonly events: readonly AerenderEvent[];
  /** It said that the composition is finished. */
  readonly isFinished: boolean;
  /** What the lines say was left out of the picture, were it whole otherwise; null: nothing. */
  readonly trouble: Error | null;
  /** It ended by itself with exit code 0, or had said that it is finished and was ended because it stayed. */
  readonly isDone: boolean;
  /** The error, given how many frames are there of how many. */
  failure(found: number | null, expected: number | null): Error;
}

/** Runs aerender. Never throws for what it did: PROGRAM_MISSING and the reason of an abort only. */
export async function runAerender(options: AerenderRunOptions): Promise<AerenderRun> {
  const output = new AerenderOutput({ fps: options.fps });
  const events: AerenderEvent[] = [];
  let seen = 0;
  let isFinished = false;
  const outcome = await supervise({
    ...options,
    name: 'aerender',
    phase: 'launch',
    onLine(line, program) {
      const event = output.push(line);
      if (!event) return;
      if (event.type === 'frame') {
        seen = Math.max(seen, event.number);
        options.progress?.frame(event);
        program.enter(seen >= options.frames ? 'encode' : 'frame');
        options.onFrame();
        return;
      }
      if (events.length < KEPT_EVENTS) events.push(event);
      // Whatever comes after the start comes from an After Effects that is up.
      if (event.type === 'launched' || event.type === 'starting') program.enter('first-frame');
      if (event.type === 'finished') {
        isFinished = true;
        program.workDone(options.graceMs);
      }
    },
  });
  const trouble = troubleIn(events, options.policy);
  const { ended } = outcome;
  return {
    outcome,
    events,
    isFinished,
    trouble,
    isDone: ended?.exitCode === 0 || (isFinished && outcome.lingered),
    failure: (framesFound, framesExpected) =>
      failureOf({ ...evidence(options, outcome, events), framesFound, framesExpected }),
  };
}

function evidence(
  options: AerenderRunOptions,
  outcome: Outcome,
  events: readonly AerenderEvent[],
): Omit<RenderEvidence, 'framesFound' | 'framesExpected'> {
  const { ended, expiry } = outcome;
  return {
    stage: ended?.exitCode === 0 ? 'collect' : 'render',
    phase: expiry?.phase ?? null,
    exitCode: ended?.exitCode ?? null,
    signal: ended?.signal ?? null,
    expired: expiry,
    lastLines: outcome.lastLines,
    errors: events.filter((event) => event.type === 'error'),
    warnings: events.flatMap((event) => (event.type === 'warning' ? [event.text] : [])),
    dialog: outcome.dialog,
    composition: options.composition,
    outputModule: options.outputModule,
    renderSettings: options.renderSettings,
    policy: options.policy,
  };
}

/** What may go well when it is tried again at once; anything else fails here the same way again. */
export function canResume(error: Error): boolean {
  return (
    error instanceof FlatrenderError &&
    ['AE_CRASHED', 'AE_HUNG', 'AE_SHORT_OUTPUT', 'AE_RENDER_FAILED', 'AE_LAUNCH_TIMEOUT'].includes(error.code)
  );
}
