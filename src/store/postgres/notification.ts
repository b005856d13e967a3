/** What control planes tell each other by LISTEN/NOTIFY, as text. */
import { requirementKey } from '../../jobs/requirements.ts';
import type { FarmChange } from '../shared.ts';

/** Of LISTEN and NOTIFY. */
export const CHANNEL = 'flatrender';

/** PostgreSQL takes less than 8000 bytes (documentation of NOTIFY). */
const MAX_BYTES = 7900;
/** `{"r":"…","s":…,"c":[…]}` around the changes. */
const FRAME_BYTES = 100;
/** More waiting than this say only that much has changed: comparing with the store is quicker. */
const MAX_WAITING = 20_000;

/** One notification: changes of one control plane. Its numbers have no holes. */
export interface Notification {
  readonly replicaId: string;
  readonly seq: number;
  /** null: so much changed that all should be compared. */
  readonly changes: readonly FarmChange[] | null;
}

const KINDS: ReadonlySet<string> = new Set<FarmChange['kind']>([
  'job',
  'queued',
  'delayed',
  'task',
  'log',
  'node',
  'nodeRemoved',
  'template',
  'token',
  'delivery',
]);

/** Changes that wait to be sent: each thing once, however often it changed meanwhile. */
export class Outbox {
  #waiting = new Map<string, FarmChange>();
  #isOverflowing = false;

  get isEmpty(): boolean {
    return this.#waiting.size === 0 && !this.#isOverflowing;
  }

  add(changes: readonly FarmChange[]): void {
    if (this.#isOverflowing) return;
    for (const change of changes) {
      const key = keyOf(change);
      const earlier = this.#waiting.get(key);
      // At the end, where it belongs in the order of what happened.
      if (earlier) this.#waiting.delete(key);
      this.#waiting.set(key, earlier ? merge(earlier, change) : change);
    }
    if (this.#waiting.size > MAX_WAITING) this.overflow();
  }

  /** Everybody is to compare all. */
  overflow(): void {
    this.#waiting.clear();
    this.#isOverflowing = true;
  }

  /** Takes what waits as the texts of at most `limit` notifications with the numbers after `seq`. */
  take(replicaId: string, seq: number, limit: number): readonly string[] {
    const payloads: string[] = [];
    const push = (c: string): void => {
      payloads.push(`{"r":${JSON.stringify(replicaId)},"s":${seq + payloads.length + 1},"c":${c}}`);
    };
    if (this.#isOverflowing) {
      this.#isOverflowing = false;
      push('null');
      return payloads;
    }
    let texts: string[] = [];
    let bytes = FRAME_BYTES;
    for (const [key, change] of this.#waiting) {
      const text = JSON.stringify(change);
      const size = Buffer.byteLength(text) + 1;
      if (bytes + size > MAX_BYTES && texts.length > 0) {
        push(`[${texts.join(',')}]`);
        texts = [];
        bytes = FRAME_BYTES;
        if (payloads.length === limit) return payloads;
      }
      this.#waiting.delete(key);
      // A requirement with thousands of tags: let them look.
      if (FRAME_BYTES + size > MAX_BYTES) {
        push('null');
        if (payloads.length === limit) return payloads;
      } else {
        texts.push(text);
        bytes += size;
      }
    }
    if (texts.length > 0) push(`[${texts.join(',')}]`);
    return payloads;
  }
}

function keyOf(change: FarmChange): string {
  switch (change.kind) {
    case 'job':
    case 'log':
      return `${change.kind} ${change.jobId}`;
    case 'queued':
      return `queued ${requirementKey(change.requirement)}`;
    case 'task':
      return `task ${change.taskId}`;
    case 'node':
    case 'nodeRemoved':
      return `node ${change.nodeId}`;
    case 'template':
      return `template ${change.name}`;
    case 'token':
      return `token ${change.id}`;
    default:
      return change.kind;
  }
}

function merge(earlier: FarmChange, later: FarmChange): FarmChange {
  if (later.kind === 'queued' && earlier.kind === 'queued') {
    return { ...later, count: earlier.count + later.count };
  }
  if (later.kind === 'log' && earlier.kind === 'log') {
    return { ...later, after: Math.min(earlier.after, later.after) };
  }
  if (later.kind === 'delayed' && earlier.kind === 'delayed') {
    return { ...later, runAt: Math.min(earlier.runAt, later.runAt) };
  }
  return later;
}

/** Reads a notification; null when it is none of ours. Kinds of change that only a newer flatrender knows are left out. */
export function parseNotification(text: string): Notification | null {
  try {
    const { r, s, c } = JSON.parse(text) as Record<string, unknown>;
    if (typeof r !== 'string' || !Number.isSafeInteger(s)) return null;
    const changes = Array.isArray(c) ? c.filter(isKnown) : null;
    return { replicaId: r, seq: Number(s), changes };
  } catch {
    return null;
  }
}

function isKnown(change: unknown): change is FarmChange {
  return typeof change === 'object' && change !== null && 'kind' in change && KINDS.has(String(change.kind));
}
