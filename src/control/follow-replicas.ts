/** What the changes of other control planes mean for the parts of this one. */
import { jobIdOf } from '../lib/ids.ts';
import type { FarmChange } from '../store/shared.ts';
import type { Control } from './context.ts';
import { jobChanged, jobProgressed, nodeChanged } from './effects.ts';
import type { LeaseNews } from './lease-table.ts';
import type { ReplicaParts } from './replicas.ts';

/** Connects the parts of a control plane with what the others tell; `control` is called when all parts are there. */
export function replicaParts(control: () => Control): ReplicaParts {
  let handlers: Readonly<Record<string, ((change: never) => void) | undefined>> | undefined;
  return {
    onChange(change) {
      handlers ??= handlersOf(control());
      // A newer version may tell of more; what that means is compared like everything else.
      handlers[change.kind]?.(change as never);
    },
    async compare() {
      const { leases, nodeSync } = control();
      await nodeSync.sync();
      await leases.sync();
    },
    async poll() {
      const { dispatcher, replicas } = control();
      await dispatcher.poll();
      if (replicas.isLeader) await dispatcher.promote();
    },
    onGap(reason) {
      const { clientAuth, templates, events } = control();
      clientAuth.forgetAll();
      templates.changed();
      events.reset(reason);
    },
    onLead() {
      const { leases, dispatcher, webhooks } = control();
      leases.postpone();
      void dispatcher.promote();
      webhooks.poke();
    },
    onBack: () => control().leases.postpone(),
  };
}

/** Leases that others gave, renewed or ended. */
export function leaseNews(control: Control, { come, gone, moved }: LeaseNews): void {
  for (const { taskId, nodeId } of come) {
    jobChanged(control, jobIdOf(taskId));
    nodeChanged(control, nodeId);
  }
  for (const { taskId, nodeId } of moved) {
    jobProgressed(control, jobIdOf(taskId));
    nodeChanged(control, nodeId);
  }
  for (const { taskId, nodeId } of gone) {
    control.previews.drop(taskId);
    jobChanged(control, jobIdOf(taskId));
    nodeChanged(control, nodeId);
  }
}

/** A node is no more; its tasks were queued again with it. */
export function nodeGone(control: Control, nodeId: string): void {
  const { registry, nodeAuth, dispatcher, events } = control;
  registry.remove(nodeId);
  nodeAuth.forget(nodeId);
  dispatcher.nodeRemoved(nodeId);
  dispatcher.sweep();
  events.publish({ type: 'node.removed', id: nodeId });
}

/** The same, removed by another control plane. */
export function nodeGoneElsewhere(control: Control, nodeId: string): void {
  nodeGone(control, nodeId);
  void control.enrolment.removedElsewhere(nodeId);
}

type Handlers = {
  readonly [K in FarmChange['kind']]: (change: Extract<FarmChange, { readonly kind: K }>) => void;
};

function handlersOf(control: Control): Handlers {
  const { dispatcher, leases, nodeSync, templates, clientAuth, webhooks, events } = control;
  return {
    job: ({ jobId }) => jobChanged(control, jobId),
    queued: ({ requirement, count }) => dispatcher.wake(requirement, count),
    delayed: ({ runAt }) => dispatcher.dueAt(runAt),
    task: (change) => leases.heard(change),
    log: ({ jobId }) =>
      events.publishThrottled(`log ${jobId}`, async () => ({ type: 'log', job: jobId, task: null })),
    // What cannot be read now is read when everything is compared.
    node: ({ nodeId }) => void nodeSync.changed(nodeId).catch(() => undefined),
    nodeRemoved: ({ nodeId }) => void nodeSync.removed(nodeId),
    template: () => templates.changed(),
    token: ({ id }) => clientAuth.revoked(id),
    delivery: () => webhooks.poke(),
  };
}
