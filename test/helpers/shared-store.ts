/**
 * Several control planes on one SQLite store in this process: what each of them writes is told to the others, as a database
 * would. Tests hold back or lose what is told, move the leadership, and cut a control plane off.
 */
import { FlatrenderError } from '../../src/lib/errors.ts';
import type { FarmChange, Replica, SharedListener, SharedStore } from '../../src/store/shared.ts';
import type { JobRecord, Store, TaskRecord } from '../../src/store/store.ts';

/** The store as one control plane has it. */
export interface StoreView extends Store {
  readonly shared: SharedStore;
  /** What others change is told at once, kept for {@link catchUp}, or lost without a word. */
  hears: 'at-once' | 'late' | 'never';
  /** Tells what was kept. */
  catchUp(): void;
  /** Changes may have been missed. */
  gap(reason: string): void;
  /** The database cannot be reached from here: everything fails with UNAVAILABLE; leadership goes to another one. */
  cut(): void;
  /** It can be reached again. */
  mend(): void;
  /** Its process died: it says nothing more, and another one leads. */
  die(): void;
}

export interface SharedFarm extends AsyncDisposable {
  /** One more control plane. The first one leads. */
  open(): StoreView;
  /** Makes this one the leader; null: nobody, until somebody is made it. */
  lead(view: StoreView | null): void;
  /** Tells all of something, as a newer version might. */
  tell(changes: readonly FarmChange[]): void;
  /** What was told so far, by all, in order. */
  readonly told: readonly FarmChange[];
}

export interface ShareOptions {
  /** When a change is told after it was written; default: in the next turn of the event loop. */
  readonly deliver?: (tell: () => void) => void;
  readonly now?: () => number;
}

interface Member {
  readonly view: StoreView;
  readonly replica: Omit<Replica, 'isLeader' | 'seenAt'>;
  listener: SharedListener | null;
  kept: FarmChange[];
  isCut: boolean;
}

/** Many may keep files, or one may remove them. */
class FilesLock {
  #removing: Promise<unknown> = Promise.resolve();
  readonly #keeping = new Set<Promise<unknown>>();

  async keeping<T>(work: () => Promise<T>): Promise<T> {
    await this.#removing;
    const done = work();
    this.#keeping.add(done);
    try {
      return await done;
    } finally {
      this.#keeping.delete(done);
    }
  }

  removing<T>(work: () => Promise<T>): Promise<T> {
    const done = this.#removing.then(() => Promise.allSettled([...this.#keeping])).then(work);
    this.#removing = done.catch(() => undefined);
    return done;
  }
}

/** Shares an open store; disposing of the farm closes it, closing a view only leaves the farm. */
export function shareStore(store: Store, options: ShareOptions = {}): SharedFarm {
  const { deliver = (tell) => void setImmediate(tell), now = Date.now } = options;
  const members: Member[] = [];
  const told: FarmChange[] = [];
  const previews = new Map<string, Uint8Array>();
  const agreed = new Map<string, string>();
  const revisions = new Map<string, number>();
  let leader: Member | null = null;
  let opened = 0;
  const files = new FilesLock();

  const lead = (next: Member | null): void => {
    if (leader === next) return;
    const before = leader;
    leader = next;
    before?.listener?.onLeader(false);
    next?.listener?.onLeader(true);
  };
  const leave = (member: Member): void => {
    const index = members.indexOf(member);
    if (index < 0) return;
    members.splice(index, 1);
    member.listener = null;
    if (leader === member) lead(members.find(({ isCut }) => !isCut) ?? null);
  };
  const tell = (from: Member, changes: readonly FarmChange[]): void => {
    if (changes.length === 0) return;
    told.push(...changes);
    for (const change of changes) {
      if (change.kind === 'node') revisions.set(change.nodeId, (revisions.get(change.nodeId) ?? 0) + 1);
    }
    deliver(() => {
      for (const member of members) {
        if (member === from || member.isCut || member.view.hears === 'never') continue;
        if (member.view.hears === 'late') member.kept.push(...changes);
        else member.listener?.onChanges(changes);
      }
    });
  };

  const open = (): StoreView => {
    opened += 1;
    const id = `replica-${opened}`;
    const refuseWhenCut = (): void => {
      if (member.isCut) throw unreachable();
    };
    const shared: SharedStore = {
      replicaId: id,
      get isLeader() {
        return leader === member;
      },
      listen(listener) {
        member.listener = listener;
      },
      async listLeases() {
        refuseWhenCut();
        const running = await store.listRunning();
        return running.map(({ id: taskId, epoch, nodeId, leaseUntil, phase, frame, frames, fps }) => ({
          taskId,
          epoch,
          nodeId: nodeId ?? '',
          leaseUntil: leaseUntil ?? 0,
          phase: phase ?? 'claimed',
          frame,
          frames,
          fps,
        }));
      },
      async listNodeMarks() {
        refuseWhenCut();
        const nodes = await store.listNodes();
        return nodes.map(({ id: nodeId, lastSeenAt }) => ({
          nodeId,
          revision: revisions.get(nodeId) ?? 0,
          lastSeenAt,
        }));
      },
      async listQueued() {
        refuseWhenCut();
        const open = await store.listJobs({ states: ['queued', 'running'], limit: 1000 });
        return open
          .flatMap(({ tasks }) => tasks)
          .filter(({ state }) => state === 'queued')
          .map(({ requirement }) => requirement);
      },
      async listReplicas() {
        refuseWhenCut();
        return members.map((one) => ({ ...one.replica, seenAt: now(), isLeader: one === leader }));
      },
      keepingFiles: (work) => files.keeping(work),
      removingFiles: (work) => files.removing(work),
      async savePreview(taskId, jpeg) {
        refuseWhenCut();
        previews.set(taskId, Uint8Array.from(jpeg));
      },
      async loadPreview(taskId) {
        refuseWhenCut();
        return previews.get(taskId) ?? null;
      },
      async agree(key, value) {
        refuseWhenCut();
        const kept = agreed.get(key) ?? value;
        agreed.set(key, kept);
        return kept;
      },
    };
    const view: StoreView = {
      ...reachable(
        telling(store, (changes) => tell(member, changes)),
        refuseWhenCut,
      ),
      shared,
      hears: 'at-once',
      stats: () => store.stats(),
      failure: () => (member.isCut ? unreachable() : store.failure()),
      catchUp() {
        const changes = member.kept;
        member.kept = [];
        if (changes.length > 0) member.listener?.onChanges(changes);
      },
      gap: (reason) => member.listener?.onGap(reason),
      cut() {
        member.isCut = true;
        if (leader === member) lead(members.find(({ isCut }) => !isCut) ?? null);
      },
      mend() {
        member.isCut = false;
        if (leader === null) lead(member);
        member.listener?.onGap('the database was away');
      },
      die: () => leave(member),
      close: async () => leave(member),
    };
    const member: Member = {
      view,
      replica: { id, hostname: `host-${opened}`, version: '0.0.0-test', startedAt: now() },
      listener: null,
      kept: [],
      isCut: false,
    };
    members.push(member);
    if (opened === 1) leader = member;
    return view;
  };

  return {
    open,
    told,
    tell: (changes) => {
      for (const { listener } of members) listener?.onChanges(changes);
    },
    lead: (view) => lead(members.find((member) => member.view === view) ?? null),
    async [Symbol.asyncDispose]() {
      for (const member of [...members]) leave(member);
      await store.close();
    },
  };
}

function unreachable(): FlatrenderError {
  return new FlatrenderError('UNAVAILABLE', 'the database cannot be reached', {
    hint: 'this control plane tries again by itself',
  });
}

/** The same store, refusing whenever `check` throws. */
function reachable(store: Store, check: () => void): Store {
  return Object.fromEntries(
    Object.entries(store).map(([name, value]) => [
      name,
      typeof value === 'function'
        ? async (...args: unknown[]) => {
            check();
            return await (value as (...args: unknown[]) => unknown)(...args);
          }
        : value,
    ]),
  ) as unknown as Store;
}

/** The same store; what it changes is told after it was written, as `FarmChange` says. */
function telling(store: Store, tell: (changes: readonly FarmChange[]) => void): Store {
  const tasks = (list: readonly TaskRecord[]): FarmChange[] =>
    list.flatMap(({ id: taskId, epoch, nodeId, state, requirement }): FarmChange[] => [
      { kind: 'task', taskId, epoch, nodeId, state },
      ...(state === 'queued' ? [{ kind: 'queued' as const, requirement, count: 1 }] : []),
    ]);
  const changed = (list: readonly { readonly task: TaskRecord; readonly job: JobRecord }[]): FarmChange[] =>
    list.flatMap(({ task, job }) => [
      ...tasks([task]),
      { kind: 'job' as const, jobId: job.id },
      ...delivery(job),
    ]);
  const delivery = ({ webhook, endedAt }: JobRecord): FarmChange[] =>
    webhook === null || endedAt === null ? [] : [{ kind: 'delivery' }];
  const node = (nodeId: string): FarmChange[] => [{ kind: 'node', nodeId }];
  /** The method, followed by what `changesOf` makes of its result and arguments. */
  function then<A extends unknown[], R>(
    method: (...args: A) => Promise<R>,
    changesOf: (result: R, ...args: A) => FarmChange[] | Promise<FarmChange[]>,
  ): (...args: A) => Promise<R> {
    return async (...args) => {
      const result = await method(...args);
      tell(await changesOf(result, ...args));
      return result;
    };
  }
  return {
    ...store,
    submit: then(store.submit, ({ jobs, repeated }, asked) =>
      repeated
        ? []
        : jobs.flatMap(({ id: jobId, runAt, createdAt }, i): FarmChange[] => [
            { kind: 'job', jobId },
            ...(runAt !== null && runAt > createdAt
              ? [{ kind: 'delayed' as const, runAt }]
              : (asked[i]?.tasks ?? []).map(({ requirement }) => ({
                  kind: 'queued' as const,
                  requirement,
                  count: 1,
                }))),
          ]),
    ),
    cancelJob: then(store.cancelJob, (done, jobId) => [
      { kind: 'job', jobId },
      ...tasks(done.tasks),
      ...delivery(done.job),
    ]),
    addDelivery: then(store.addDelivery, () => [{ kind: 'delivery' }]),
    replayDelivery: then(store.replayDelivery, () => [{ kind: 'delivery' }]),
    retryJob: then(store.retryJob, (done, jobId) => [
      { kind: 'job', jobId },
      ...tasks(done.tasks),
      ...(done.job.runAt === null ? [] : [{ kind: 'delayed' as const, runAt: done.job.runAt }]),
    ]),
    promoteDue: then(store.promoteDue, async ({ jobIds }) => {
      const jobs = await Promise.all(jobIds.map((id) => store.getJob(id)));
      return jobs.flatMap((found) =>
        found === null ? [] : [{ kind: 'job' as const, jobId: found.job.id }, ...tasks(found.tasks)],
      );
    }),
    claim: then(store.claim, (work) => (work === null ? [] : changed([work]))),
    complete: then(store.complete, (done, { nodeId }) =>
      done.repeated ? [] : [...changed([done]), ...(done.node === null ? [] : node(nodeId))],
    ),
    fail: then(store.fail, (done, { nodeId }) =>
      done.repeated ? [] : [...changed([done]), ...(done.node === null ? [] : node(nodeId))],
    ),
    release: then(store.release, (done) => (done.repeated ? [] : changed([done]))),
    reattach: then(store.reattach, (task) =>
      task === null ? [] : [...tasks([task]), { kind: 'job', jobId: task.jobId }],
    ),
    expireLeases: then(store.expireLeases, (changes) => changed(changes)),
    createNode: then(store.createNode, (_, { id }) => node(id)),
    rotateNode: then(store.rotateNode, (_, id) => node(id)),
    retireGenerations: then(store.retireGenerations, (_, id) => node(id)),
    registerNode: then(store.registerNode, (_, id) => node(id)),
    setIntent: then(store.setIntent, (_, id) => node(id)),
    resumeNode: then(store.resumeNode, (_, id) => node(id)),
    removeNode: then(store.removeNode, (changes, nodeId) => [
      { kind: 'nodeRemoved', nodeId },
      ...changed(changes),
    ]),
    issueInvitation: then(store.issueInvitation, (_, id) => node(id)),
    useInvitation: then(store.useInvitation, (_, id) => node(id)),
    setInvitationApplied: then(store.setInvitationApplied, (_, id) => node(id)),
    putTemplate: then(store.putTemplate, (_, { name }) => [{ kind: 'template', name }]),
    removeTemplate: then(store.removeTemplate, (_, name) => [{ kind: 'template', name }]),
    createToken: then(store.createToken, (_, { id }) => [{ kind: 'token', id }]),
    revokeToken: then(store.revokeToken, (_, id) => [{ kind: 'token', id }]),
    appendLog: then(store.appendLog, (_, taskId) => [
      { kind: 'log', jobId: taskId.slice(0, taskId.lastIndexOf('.')), after: 0 },
    ]),
  };
}
