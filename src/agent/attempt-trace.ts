/** An attempt as spans: one for each phase it went through here, below the attempt's own, which the control plane writes. */
import type { Clock } from '../lib/clock.ts';
import { spanId, type Tracing } from '../lib/tracing.ts';
import type { ClaimAnswer } from '../protocol/agent.ts';
import type { TaskPhase } from '../protocol/jobs.ts';
import type { ActiveTask } from './active-task.ts';

interface AttemptTraceOptions {
  readonly tracing: Tracing;
  readonly clock: Clock;
  readonly nodeId: string;
}

/** Follows the phases of an attempt until the result is called with how it ended. */
export function traceAttempt(
  { task: { jobId, template, engine } }: ClaimAnswer,
  task: ActiveTask,
  { tracing, clock, nodeId }: AttemptTraceOptions,
): (ended: string, error?: string) => void {
  if (!tracing.isOn) return () => undefined;
  const parent = spanId(`${task.taskId}#${task.epoch}`);
  let phase: TaskPhase = task.phase;
  let since = clock.now();
  const turn = (error?: string, ended?: string): void => {
    const now = clock.now();
    const attributes = {
      'flatrender.task': task.taskId,
      'flatrender.epoch': task.epoch,
      'flatrender.node': nodeId,
      'flatrender.template': template,
      'flatrender.engine': engine,
      'flatrender.frames': task.frames,
      'flatrender.ended': ended,
    };
    tracing.record({ jobId, name: phase, parent, startedAt: since, endedAt: now, attributes, error });
    phase = task.phase;
    since = now;
  };
  const onPhase = (): void => turn();
  task.onPhase.add(onPhase);
  return (ended, error) => {
    task.onPhase.delete(onPhase);
    turn(error, ended);
  };
}
