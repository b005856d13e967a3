/** A whole farm in memory: every method of `Store`, each one step. Several control planes may share one. */
import { isJobOver } from '../../src/jobs/job-state.ts';
import { requirementKey } from '../../src/jobs/requirements.ts';
import { FlatrenderError } from '../../src/lib/errors.ts';
import { JobState, TaskState } from '../../src/protocol/jobs.ts';
import type { AuditEntry, NewAuditEntry } from '../../src/store/audit.ts';
import {
  type DeliveryOutcome,
  type DeliveryRecord,
  deliveryHost,
  type NewDelivery,
} from '../../src/store/deliveries.ts';
import type { NodeMark } from '../../src/store/shared.ts';
import type {
  InvitationRecord,
  InvitationUse,
  JobFilter,
  JobRecord,
  LogLine,
  NodeRecord,
  NodeRegistration,
  QueueAge,
  StoreStats,
  TaskChange,
  TemplateRecord,
  TokenRecord,
} from '../../src/store/store.ts';
import { compareVersions, newestVersion } from '../../src/store/version-order.ts';
import { MemoryJobs, type MemoryNode } from './memory-jobs.ts';

/** Methods of `Store` that are one step on the data; each is done when it returns, or has changed nothing when it throws. */
export class MemoryStore extends MemoryJobs {
  readonly templates = new Map<string, TemplateRecord>();
  readonly tokens = new Map<string, TokenRecord>();
  readonly invitations = new Map<string, InvitationRecord>();
  readonly deliveries = new Map<string, DeliveryRecord>();
  readonly audit: AuditEntry[] = [];
  readonly settings = new Map<string, string>();
  #auditSeq = 0;
  readonly previews = new Map<string, Uint8Array>();

  protected override ended({ id, webhook, endedAt }: JobRecord): void {
    if (webhook === null || endedAt === null) return;
    const delivery = {
      id: `job.ended.${id}.${endedAt}`,
      type: 'job.ended',
      jobId: id,
      url: webhook,
      body: null,
    };
    this.addDelivery({ ...delivery, createdAt: endedAt, dueAt: endedAt });
  }

  // jobs
  getJob(id: string) {
    const job = this.jobs.get(id);
    return job ? this.withTasks(job) : null;
  }

  listJobs({ states, template, batchId, before, limit }: JobFilter) {
    const last = before === undefined ? undefined : this.jobs.get(before);
    return [...this.jobs.values()]
      .filter(
        ({ num, record }) =>
          (before === undefined || (last ? num < last.num : record.id < before)) &&
          (states === undefined || states.includes(record.state)) &&
          (template === undefined || record.template === template) &&
          (batchId === undefined || record.batchId === batchId),
      )
      .sort((a, b) => b.num - a.num)
      .slice(0, limit)
      .map((job) => this.withTasks(job));
  }

  getTask(id: string) {
    return this.find(id)?.task.record ?? null;
  }

  listAttempts(jobId: string) {
    const tasks = this.jobs.get(jobId)?.tasks ?? [];
    return tasks.flatMap(({ attempts }) => attempts.map(({ logBytes: _, ...attempt }) => attempt));
  }

  cancelJob(id: string, now: number) {
    return this.command(id, () => ({ type: 'cancel' }), now);
  }

  retryJob(id: string, now: number) {
    return this.command(
      id,
      ({ readyAt }) => ({ type: 'retry', due: readyAt === null || readyAt <= now }),
      now,
    );
  }

  listRunning() {
    return this.running();
  }

  queueAges(): QueueAge[] {
    const oldest = new Map<string, QueueAge & { readonly num: number }>();
    for (const { jobId, requirement } of this.queued()) {
      const { num, record } = this.require(jobId);
      const key = requirementKey(requirement);
      if ((oldest.get(key)?.num ?? Number.POSITIVE_INFINITY) <= num) continue;
      oldest.set(key, { requirement, num, since: Math.max(record.createdAt, record.runAt ?? 0) });
    }
    return [...oldest.values()].map(({ requirement, since }) => ({ requirement, since }));
  }

  // nodes
  node(id: string): MemoryNode {
    const node = this.nodes.get(id);
    if (node && !node.isRemoved) return node;
    throw new FlatrenderError('NODE_NOT_FOUND', `there is no node ${id}`);
  }

  #update(id: string, change: (record: NodeRecord) => Partial<NodeRecord>): NodeRecord {
    const node = this.node(id);
    node.record = { ...node.record, ...change(node.record) };
    node.revision += 1;
    this.changed.push({ kind: 'node', nodeId: id });
    return node.record;
  }

  createNode({ id, name }: { readonly id: string; readonly name: string }, now: number): NodeRecord {
    const old = this.nodes.get(id);
    if (old && !old.isRemoved) throw new FlatrenderError('NODE_EXISTS', `there is already a node ${id}`);
    const retired = old?.record.generation ?? 0;
    const record: NodeRecord = {
      id,
      name,
      generation: retired + 1,
      retiredGeneration: retired,
      intent: 'enabled',
      quarantine: null,
      blockedTemplates: [],
      roles: [],
      hostname: null,
      hostIp: null,
      agentVersion: null,
      capabilities: null,
      lastSeenAt: null,
      createdAt: now,
    };
    const revision = (old?.revision ?? 0) + 1;
    this.nodes.set(id, { record, revision, streaks: NO_STREAKS, isRemoved: false });
    this.changed.push({ kind: 'node', nodeId: id });
    return record;
  }

  rotateNode(id: string) {
    return this.#update(id, ({ generation }) => ({ generation: generation + 1 }));
  }

  retireGenerations(id: string, below: number) {
    return this.#update(id, ({ generation, retiredGeneration }) => ({
      retiredGeneration: Math.max(retiredGeneration, Math.min(below - 1, generation - 1)),
    }));
  }

  registerNode(id: string, registration: NodeRegistration, now: number) {
    const { roles, hostname, hostIp, agentVersion, capabilities } = registration;
    const known = { roles, hostname, hostIp, agentVersion, capabilities };
    return this.#update(id, () => ({ ...known, lastSeenAt: now }));
  }

  setIntent(id: string, intent: NodeRecord['intent']) {
    return this.#update(id, () => ({ intent }));
  }

  resumeNode(id: string) {
    this.node(id).streaks = NO_STREAKS;
    return this.#update(id, () => ({ intent: 'enabled', quarantine: null, blockedTemplates: [] }));
  }

  removeNode(id: string, now: number): TaskChange[] {
    const node = this.node(id);
    const { generation } = node.record;
    node.record = { ...node.record, retiredGeneration: generation, capabilities: null };
    node.isRemoved = true;
    this.changed.push({ kind: 'nodeRemoved', nodeId: id });
    const invitation = this.invitations.get(id);
    if (invitation) this.invitations.set(id, { ...emptyInvitation(id), number: invitation.number + 1 });
    const error = { code: 'ABORTED', message: `node ${id} was removed from the farm`, retryable: true };
    return this.interrupt(id, error, now);
  }

  getNode(id: string) {
    const node = this.nodes.get(id);
    return node && !node.isRemoved ? node.record : null;
  }

  listNodes(): NodeRecord[] {
    const alive = [...this.nodes.values()].filter(({ isRemoved }) => !isRemoved);
    return alive.map(({ record }) => record).sort((a, b) => (a.id < b.id ? -1 : 1));
  }

  listNodeMarks(): NodeMark[] {
    return this.listNodes().map(({ id, lastSeenAt }) => ({
      nodeId: id,
      revision: this.node(id).revision,
      lastSeenAt,
    }));
  }

  saveBeats(beats: readonly { readonly nodeId: string; readonly at: number }[]): void {
    for (const { nodeId, at } of beats) {
      const node = this.nodes.get(nodeId);
      if (node) node.record = { ...node.record, lastSeenAt: Math.max(node.record.lastSeenAt ?? 0, at) };
    }
  }

  // invitations
  issueInvitation(
    nodeId: string,
    { expiresAt, temporaryKey }: { readonly expiresAt: number; readonly temporaryKey: string | null },
  ) {
    this.node(nodeId);
    const number = (this.invitations.get(nodeId)?.number ?? 0) + 1;
    const invitation = { ...emptyInvitation(nodeId), number, expiresAt, temporaryKey };
    this.invitations.set(nodeId, invitation);
    return invitation;
  }

  useInvitation(nodeId: string, { number, publicKey, hostname }: InvitationUse, now: number) {
    const { record } = this.node(nodeId);
    const invitation = this.invitations.get(nodeId);
    if (invitation?.number !== number) throw new FlatrenderError('INVITATION_REPLACED', 'no longer good');
    if (invitation.usedAt !== null) {
      const hasArrived = record.retiredGeneration >= (invitation.generation ?? 0) - 1;
      if (invitation.publicKey === publicKey && !hasArrived) return { invitation, node: record };
      throw new FlatrenderError('INVITATION_USED', `used by ${invitation.usedBy}`);
    }
    if (invitation.expiresAt <= now) throw new FlatrenderError('INVITATION_EXPIRED', 'expired');
    const node = this.rotateNode(nodeId);
    const use = { usedAt: now, usedBy: hostname, publicKey, generation: node.generation };
    const used = { ...invitation, ...use };
    this.invitations.set(nodeId, used);
    return { invitation: used, node };
  }

  setInvitationApplied(nodeId: string, number: number): void {
    const invitation = this.invitations.get(nodeId);
    if (invitation?.number === number) this.invitations.set(nodeId, { ...invitation, isApplied: true });
  }

  listInvitations() {
    return [...this.invitations.values()].filter(
      ({ nodeId, expiresAt }) => expiresAt > 0 && !this.nodes.get(nodeId)?.isRemoved,
    );
  }

  // templates
  putTemplate(template: TemplateRecord) {
    const key = `${template.name}@${template.version}`;
    const stored = this.templates.get(key);
    if (stored && stored.sha256 !== template.sha256) {
      throw new FlatrenderError('TEMPLATE_VERSION_EXISTS', `${key} exists with other content`);
    }
    if (!stored) {
      this.templates.set(key, template);
      this.changed.push({ kind: 'template', name: template.name });
    }
    return { template: stored ?? template, already: stored !== undefined };
  }

  getTemplate(name: string, version?: string) {
    const own = [...this.templates.values()].filter((template) => template.name === name);
    const wanted = version ?? newestVersion(own.map((template) => template.version));
    return own.find((template) => template.version === wanted) ?? null;
  }

  listTemplates() {
    return [...this.templates.values()].sort((a, b) =>
      a.name === b.name ? compareVersions(b.version, a.version) : a.name < b.name ? -1 : 1,
    );
  }

  removeTemplate(name: string, version?: string) {
    const isMeant = (each: { name: string; version: string }): boolean =>
      each.name === name && (version === undefined || each.version === version);
    const removed = this.listTemplates().filter(isMeant);
    if (removed.length === 0) throw new FlatrenderError('TEMPLATE_NOT_FOUND', `there is no template ${name}`);
    const open = [...this.jobs.values()].filter(
      ({ record }) => !isJobOver(record.state) && isMeant({ name: record.template, version: record.version }),
    );
    if (open.length > 0) {
      throw new FlatrenderError('TEMPLATE_IN_USE', `${name} is needed`, { details: { jobs: open.length } });
    }
    for (const template of removed) this.templates.delete(`${template.name}@${template.version}`);
    this.changed.push({ kind: 'template', name });
    return removed;
  }

  // tokens
  createToken(token: TokenRecord): void {
    this.tokens.set(token.id, token);
  }

  findToken(hash: string) {
    return [...this.tokens.values()].find((token) => token.hash === hash) ?? null;
  }

  listTokens() {
    return [...this.tokens.values()].sort((a, b) => a.createdAt - b.createdAt || (a.id < b.id ? -1 : 1));
  }

  revokeToken(id: string): void {
    if (!this.tokens.delete(id)) throw new FlatrenderError('TOKEN_NOT_FOUND', `there is no token ${id}`);
    this.changed.push({ kind: 'token', id });
  }

  saveTokenUse(uses: readonly { readonly id: string; readonly at: number }[]): void {
    for (const { id, at } of uses) {
      const token = this.tokens.get(id);
      if (token) this.tokens.set(id, { ...token, lastUsedAt: Math.max(token.lastUsedAt ?? 0, at) });
    }
  }

  // logs
  appendLog(taskId: string, epoch: number, lines: readonly LogLine[], maxBytes: number): void {
    const found = this.find(taskId);
    const attempt = found?.task.attempts.find((each) => each.epoch === epoch);
    if (!found || !attempt) throw new FlatrenderError('TASK_NOT_FOUND', `no attempt ${epoch} of ${taskId}`);
    for (const { at, stream, line } of lines) {
      if (attempt.logBytes < 0) return;
      attempt.logBytes += Buffer.byteLength(line) + 1;
      if (attempt.logBytes > maxBytes) {
        const text = `the log ends here: more than ${maxBytes} bytes`;
        found.job.log.push({ taskId, epoch, at, stream: 'agent', line: text });
        attempt.logBytes = -1;
      } else found.job.log.push({ taskId, epoch, at, stream, line });
    }
    this.changed.push({ kind: 'log', jobId: found.job.record.id, after: found.job.log.length });
  }

  readLog(jobId: string, after: number, limit: number) {
    const lines = (this.jobs.get(jobId)?.log ?? []).slice(after, after + limit);
    return { lines, next: after + lines.length };
  }

  // retention
  purgeJobs(options: { readonly endedBefore: number; readonly keep: number; readonly limit: number }) {
    const ended = [...this.jobs.values()]
      .filter(({ record }) => record.endedAt !== null)
      .sort((a, b) => (a.record.endedAt ?? 0) - (b.record.endedAt ?? 0) || a.num - b.num);
    const due = ended.filter(
      ({ record }, i) => i < ended.length - options.keep || (record.endedAt ?? 0) < options.endedBefore,
    );
    const gone = due.slice(0, options.limit);
    for (const job of gone) this.forget(job);
    return gone.map(({ record }) => record.id);
  }

  assetsInUse(sha256s: readonly string[]): ReadonlySet<string> {
    const used = new Set<string>();
    for (const { record } of this.jobs.values()) {
      for (const value of Object.values(record.inputs)) if (typeof value === 'object') used.add(value.asset);
    }
    return new Set(sha256s.filter((sha256) => used.has(sha256)));
  }

  bundlesInUse(sha256s: readonly string[]): ReadonlySet<string> {
    const open = [...this.jobs.values()].filter(({ record }) => !isJobOver(record.state));
    const used = new Set(open.map(({ record }) => record.bundleSha256));
    for (const template of this.templates.values()) used.add(template.sha256);
    return new Set(sha256s.filter((sha256) => used.has(sha256)));
  }

  purgeIdempotency(before: number): number {
    const old = [...this.idempotency].filter(([, { usedAt }]) => usedAt < before);
    for (const [key] of old) this.idempotency.delete(key);
    return old.length;
  }

  // deliveries
  addDelivery(delivery: NewDelivery): DeliveryRecord {
    const known = this.deliveries.get(delivery.id);
    if (known) return known;
    const fresh = { attempts: 0, lastAttemptAt: null, lastStatus: null, lastError: null, endedAt: null };
    const record: DeliveryRecord = { ...delivery, state: 'waiting', ...fresh };
    this.deliveries.set(delivery.id, record);
    this.changed.push({ kind: 'delivery' });
    return record;
  }

  #delivery(id: string): DeliveryRecord {
    const delivery = this.deliveries.get(id);
    if (delivery) return delivery;
    throw new FlatrenderError('DELIVERY_NOT_FOUND', `there is no delivery ${id}`);
  }

  takeDeliveries(now: number, hiddenUntil: number, limit: number, exceptHosts: readonly string[] = []) {
    const waiting = [...this.deliveries.values()].filter(({ state }) => state === 'waiting');
    waiting.sort((a, b) => a.dueAt - b.dueAt || a.createdAt - b.createdAt);
    const deliveries = waiting
      .filter(({ dueAt, url }) => dueAt <= now && !exceptHosts.includes(deliveryHost(url)))
      .slice(0, limit)
      .map((delivery) => ({ ...delivery, dueAt: hiddenUntil }));
    for (const delivery of deliveries) this.deliveries.set(delivery.id, delivery);
    const rest = waiting.map(({ id }) => this.#delivery(id).dueAt);
    return { deliveries, nextAt: rest.length > 0 ? Math.min(...rest) : null };
  }

  settleDelivery(id: string, { state, at, status, error, dueAt, body }: DeliveryOutcome): DeliveryRecord {
    const old = this.#delivery(id);
    if (old.state !== 'waiting') return old;
    const record: DeliveryRecord = {
      ...old,
      state,
      attempts: old.attempts + 1,
      lastAttemptAt: at,
      lastStatus: status,
      lastError: error,
      dueAt: dueAt ?? old.dueAt,
      body: body ?? old.body,
      endedAt: state === 'waiting' ? null : at,
    };
    this.deliveries.set(id, record);
    return record;
  }

  replayDelivery(id: string, now: number): DeliveryRecord {
    const record: DeliveryRecord = {
      ...this.#delivery(id),
      state: 'waiting',
      attempts: 0,
      dueAt: now,
      endedAt: null,
    };
    this.deliveries.set(id, record);
    this.changed.push({ kind: 'delivery' });
    return record;
  }

  getDelivery(id: string) {
    return this.deliveries.get(id) ?? null;
  }

  listDeliveries(filter: {
    readonly state?: DeliveryRecord['state'] | undefined;
    readonly jobId?: string | undefined;
    readonly limit: number;
  }) {
    return [...this.deliveries.values()]
      .filter(
        ({ state, jobId }) =>
          (filter.state === undefined || state === filter.state) &&
          (filter.jobId === undefined || jobId === filter.jobId),
      )
      .sort((a, b) => b.createdAt - a.createdAt || (a.id < b.id ? 1 : -1))
      .slice(0, filter.limit);
  }

  purgeDeliveries(endedBefore: number, limit: number): number {
    const old = [...this.deliveries.values()].filter(
      ({ endedAt }) => endedAt !== null && endedAt < endedBefore,
    );
    for (const { id } of old.slice(0, limit)) this.deliveries.delete(id);
    return Math.min(old.length, limit);
  }

  // audit
  appendAudit(entry: NewAuditEntry): void {
    this.#auditSeq += 1;
    this.audit.push({ ...entry, seq: this.#auditSeq });
  }

  listAudit(filter: {
    readonly before?: number | undefined;
    readonly since?: number | undefined;
    readonly actor?: string | undefined;
    readonly action?: string | undefined;
    readonly subject?: string | undefined;
    readonly limit: number;
  }) {
    return this.audit
      .filter(
        (entry) =>
          entry.seq < (filter.before ?? Number.POSITIVE_INFINITY) &&
          entry.at >= (filter.since ?? 0) &&
          (filter.actor === undefined || entry.actor === filter.actor) &&
          (filter.action === undefined || entry.action === filter.action) &&
          (filter.subject === undefined || entry.subject === filter.subject),
      )
      .reverse()
      .slice(0, filter.limit);
  }

  purgeAudit(before: number, limit: number): number {
    const old = this.audit.filter(({ at }) => at < before).slice(0, limit);
    for (const entry of old) this.audit.splice(this.audit.indexOf(entry), 1);
    return old.length;
  }

  // settings
  getSetting(key: string): string | null {
    return this.settings.get(key) ?? null;
  }

  changeSetting(key: string, change: (value: string | null) => string | null): string | null {
    const value = change(this.getSetting(key));
    if (value === null) this.settings.delete(key);
    else this.settings.set(key, value);
    return value;
  }

  listSettings(prefix: string) {
    return [...this.settings]
      .filter(([key]) => key.startsWith(prefix))
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([key, value]) => ({ key, value }));
  }

  stats(): StoreStats {
    const jobs = Object.fromEntries(JobState.options.map((state) => [state, 0])) as Record<JobState, number>;
    const tasks = Object.fromEntries(TaskState.options.map((state) => [state, 0])) as Record<
      TaskState,
      number
    >;
    for (const job of this.jobs.values()) {
      jobs[job.record.state] += 1;
      for (const { record } of job.tasks) tasks[record.state] += 1;
    }
    return { jobs, tasks };
  }
}

const NO_STREAKS = { failures: {}, failedTemplates: [] };

function emptyInvitation(nodeId: string): InvitationRecord {
  return {
    nodeId,
    number: 1,
    expiresAt: 0,
    temporaryKey: null,
    usedAt: null,
    usedBy: null,
    publicKey: null,
    isApplied: false,
    generation: null,
  };
}
