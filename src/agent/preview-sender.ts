import type { AgentApi } from '../client/agent-api.ts';
import type { Clock } from '../lib/clock.ts';
import { FlatrenderError } from '../lib/errors.ts';
import type { Logger } from '../lib/logger.ts';
import { type ActiveTask, isLeaseLost } from './active-task.ts';

// The route's limit.
const MAX_BYTES = 512 * 1024;

/**
 * Sends previews of one attempt: one at a time, never more often than `previewMs`; what comes too early, too big or
 * while the control plane is behind (429) is dropped. A preview never delays or fails a render.
 */
export function createPreviewSender(options: {
  readonly api: AgentApi;
  readonly task: ActiveTask;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly previewMs: () => number;
}): (jpeg: Uint8Array) => void {
  const { api, task, clock, logger, previewMs } = options;
  let isBusy = false;
  let nextAt = 0;
  return (jpeg) => {
    if (isBusy || jpeg.length > MAX_BYTES || clock.now() < nextAt || task.signal.aborted) return;
    isBusy = true;
    nextAt = clock.now() + previewMs();
    api
      .preview(task.taskId, task.epoch, jpeg, task.signal)
      .catch((error: unknown) => {
        if (isLeaseLost(error)) task.stop('lost');
        const wait = error instanceof FlatrenderError ? Number(error.details?.retryAfterMs ?? 0) : 0;
        nextAt = Math.max(nextAt, clock.now() + Math.max(wait, 2 * previewMs()));
        logger.debug('preview.dropped', { taskId: task.taskId, error });
      })
      .finally(() => {
        isBusy = false;
      });
  };
}
