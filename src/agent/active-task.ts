import { FlatrenderError } from '../lib/errors.ts';
import type { LeaseReport } from '../protocol/agent.ts';
import type { TaskPhase } from '../protocol/jobs.ts';

/**
 * Why a task was stopped before its end. Only `shutdown` still owns the lease and hands it back; the others have
 * nothing to report.
 */
export type StopCause = 'cancelled' | 'lost' | 'cut-off' | 'shutdown';

const STOPPED: Readonly<Record<StopCause, string>> = {
  cancelled: 'an operator cancelled it',
  lost: 'the lease is lost: another node has the task, or it is over',
  'cut-off': 'the control plane was out of reach for too long',
  shutdown: 'the agent shuts down',
};

/** One attempt that this agent is responsible for: what heartbeats report and what can stop it. */
export class ActiveTask {
  readonly taskId: string;
  readonly epoch: number;
  phase: TaskPhase = 'claimed';
  frame = 0;
  frames: number | null = null;
  fps: number | null = null;
  /** The output is made and waits to be delivered: being cut off does not end it any more. */
  isDelivering = false;
  /** Called when the phase has changed. */
  readonly onPhase = new Set<() => void>();
  #stopped: StopCause | null = null;
  readonly #controller = new AbortController();

  constructor(taskId: string, epoch: number) {
    this.taskId = taskId;
    this.epoch = epoch;
  }

  /** Aborts, with an ABORTED error as its reason, when the task is stopped. */
  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  /** Frames are being made: its progress is worth reporting more often. */
  get hasProgress(): boolean {
    return this.phase === 'render' || this.phase === 'encode';
  }

  get stopped(): StopCause | null {
    return this.#stopped;
  }

  /** Stops the work; the first cause counts. */
  stop(cause: StopCause): void {
    if (this.#stopped !== null) return;
    this.#stopped = cause;
    this.#controller.abort(new FlatrenderError('ABORTED', STOPPED[cause]));
  }

  enter(phase: TaskPhase): void {
    if (this.phase === phase) return;
    this.phase = phase;
    for (const listener of this.onPhase) listener();
  }

  /** What the next heartbeat says of it. */
  report(): LeaseReport {
    const { taskId, epoch, phase, frame, frames, fps } = this;
    return { taskId, epoch, phase, frame, frames, fps };
  }
}

/** True for the control plane's refusal of a fence: this attempt is over, whatever it still does. */
export function isLeaseLost(error: unknown): boolean {
  return (
    error instanceof FlatrenderError &&
    (error.code === 'LEASE_LOST' || error.code === 'TASK_NOT_FOUND' || error.code === 'JOB_NOT_FOUND')
  );
}
