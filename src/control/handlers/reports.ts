/** What nodes say of the tasks they hold: done, failed, given back, and the lines of its log. */
import { z } from 'zod';
import { FlatrenderError } from '../../lib/errors.ts';
import { jobIdOf } from '../../lib/ids.ts';
import { objectKeys } from '../../objects/object-store.ts';
import {
  CompleteRequest,
  FailRequest,
  LogRequest,
  ReleaseRequest,
  ReportAnswer,
} from '../../protocol/agent.ts';
import type { TaskError } from '../../protocol/jobs.ts';
import type { Fence, ReportOutcome } from '../../store/store.ts';
import type { Control } from '../context.ts';
import { afterReport, rendered } from '../effects.ts';
import { requireLease } from '../lease-check.ts';
import type { Routes } from '../route.ts';

/** The task in a route of a node. */
export const TaskParams = z.object({ id: z.string().max(64) });

// Kept with the task, the attempt and the job, and read with every look at them.
const DETAILS_BYTES = 64 * 1024;

/** A failure is never refused for what it says; what nobody could read is left out. */
function withShortDetails(error: TaskError): TaskError {
  if (error.details === undefined) return error;
  const bytes = Buffer.byteLength(JSON.stringify(error.details));
  return bytes <= DETAILS_BYTES ? error : { ...error, details: { omittedBytes: bytes } };
}

/** Registers the reports of nodes. */
export function reportRoutes(routes: Routes, control: Control): void {
  const { store, policy, clock } = control;
  const report = { params: TaskParams, answers: { 200: ReportAnswer } } as const;
  routes.add('complete', {
    ...report,
    body: CompleteRequest,
    async handle({ body, node, params }) {
      const fence: Fence = { taskId: params.id, epoch: body.epoch, nodeId: node.entry.id };
      await checkOutput(control, fence, body.result);
      const outcome = await store.complete(fence, body.result, policy, clock.now());
      if (!outcome.repeated) rendered(control, node.entry, outcome, body.result.renderMs);
      afterReport(control, outcome, 'succeeded');
      return reportAnswer(outcome);
    },
  });
  routes.add('fail', {
    ...report,
    body: FailRequest,
    async handle({ body, node, params }) {
      const fence: Fence = { taskId: params.id, epoch: body.epoch, nodeId: node.entry.id };
      const outcome = await store.fail(fence, withShortDetails(body.error), policy, clock.now());
      const { code, message } = body.error;
      if (!outcome.repeated) {
        control.logger.warn('task.failed', { ...fence, code, message, state: outcome.task.state });
        control.metrics.attemptFailed(code, outcome.task.state === 'queued');
      }
      afterReport(control, outcome, 'failed');
      return reportAnswer(outcome);
    },
  });
  routes.add('release', {
    ...report,
    body: ReleaseRequest,
    async handle({ body, node, params }) {
      const fence: Fence = { taskId: params.id, epoch: body.epoch, nodeId: node.entry.id };
      const outcome = await store.release(fence, body.reason, clock.now());
      if (!outcome.repeated) control.logger.info('task.released', { ...fence, reason: body.reason });
      afterReport(control, outcome, 'interrupted');
      return reportAnswer(outcome);
    },
  });
  routes.add('taskLog', {
    params: TaskParams,
    body: LogRequest,
    answers: { 204: { description: 'Taken' } },
    async handle({ body, node, params, reply }) {
      await requireLease(control, { taskId: params.id, epoch: body.epoch, nodeId: node.entry.id }, true);
      const lines = body.lines.map(({ at, stream, line }) => ({ at: Date.parse(at), stream, line }));
      await store.appendLog(params.id, body.epoch, lines, control.config.limits.logBytesPerAttempt);
      const job = jobIdOf(params.id);
      if (control.events.isActive) {
        control.events.publishThrottled(`log ${params.id}`, async () => ({
          type: 'log',
          job,
          task: params.id,
        }));
      }
      return reply.code(204).send();
    },
  });
}

/** The output that a completion names must be this attempt's own and must have arrived. */
async function checkOutput(control: Control, fence: Fence, result: CompleteRequest['result']): Promise<void> {
  const prefix = objectKeys.output(fence.taskId, fence.epoch, '');
  const name = result.key.startsWith(prefix) ? result.key.slice(prefix.length) : '';
  if (!/^[A-Za-z0-9._-]{1,100}$/.test(name)) {
    throw new FlatrenderError(
      'REQUEST_INVALID',
      `the output of ${fence.taskId} is ${prefix}…, not ${result.key}`,
    );
  }
  if (!control.config.objects.checkOutputs || control.uploads.take(result.key, result.sizeBytes)) return;
  const info = await control.objects.head(result.key);
  const isSize = info?.sizeBytes === result.sizeBytes;
  if (isSize && (await control.verified.has(info, result.sha256))) return;
  // Said again after the clean-up has removed it: the store knows that it was there.
  const task = await control.store.getTask(fence.taskId);
  if (task?.state === 'succeeded' && task.epoch === fence.epoch) return;
  const found =
    info === null
      ? 'is not there'
      : isSize
        ? `has another content than sha256 ${result.sha256}`
        : `has ${info.sizeBytes} bytes, not ${result.sizeBytes}`;
  throw new FlatrenderError('OUTPUT_INVALID', `the output ${result.key} ${found}`, {
    hint: 'upload it again, then complete',
  });
}

function reportAnswer({ task }: ReportOutcome): ReportAnswer {
  return { taskId: task.id, state: task.state, epoch: task.epoch };
}
