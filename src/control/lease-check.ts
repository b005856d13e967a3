/** Whether a task is still the business of the node that speaks of it. */
import { FlatrenderError } from '../lib/errors.ts';
import type { Fence, TaskRecord } from '../store/store.ts';
import type { Control } from './context.ts';

/**
 * Refuses a node that does not hold the task: another one has it, or it is over. A task whose lease ended without
 * anybody taking it is still this node's. With `ended`: also when this attempt is over (last log lines).
 * True: the lease holds.
 */
export async function requireLease(
  control: Pick<Control, 'leases' | 'store'>,
  fence: Fence,
  ended = false,
): Promise<boolean> {
  if (control.leases.holds(fence.taskId, fence.epoch, fence.nodeId)) return true;
  const task = await control.store.getTask(fence.taskId);
  if (task === null) throw new FlatrenderError('TASK_NOT_FOUND', `there is no task ${fence.taskId}`);
  const isOwn = task.epoch === fence.epoch && task.nodeId === fence.nodeId;
  if (isOwn && (ended || task.state === 'running' || task.state === 'queued'))
    return task.state === 'running';
  throw leaseLost(task, fence);
}

function leaseLost(task: TaskRecord, fence: Fence): FlatrenderError {
  const { state, epoch } = task;
  return new FlatrenderError(
    'LEASE_LOST',
    `node "${fence.nodeId}" does not hold ${fence.taskId} any more: it is ${state}`,
    {
      hint: 'stop this work and discard it',
      details: { state, epoch },
    },
  );
}
