/** Claims: the best queued tasks for nodes that wait, in one transaction for all that ask at the same time. */
import { FlatrenderError } from '../../lib/errors.ts';
import type { ClaimInput, JobWithTask } from '../store.ts';
import type { Context } from './context.ts';
import type { Queries, Row } from './database.ts';
import type { Outcome } from './lane.ts';
import { type StoredTask, TASK_COLUMNS } from './rows.ts';
import { Work } from './work.ts';

type Claimed = JobWithTask | null;

interface Head {
  readonly classId: number;
  readonly priority: number;
  readonly jobNum: number;
  readonly idx: number;
}

/** Another control plane may take what this one just saw: so often it looks again. */
const ROUNDS = 5;

/** Answers each claim; all in one transaction. */
export async function claimAll(
  context: Context,
  inputs: readonly ClaimInput[],
): Promise<readonly Outcome<Claimed>[]> {
  const { work, outcomes } = await context.db.transaction(async (queries) => {
    const claims = new Claims(context, queries, inputs);
    await claims.run();
    return { work: claims.work, outcomes: claims.outcomes() };
  });
  work.committed();
  return outcomes;
}

class Claims {
  readonly work: Work;
  readonly #context: Context;
  readonly #queries: Queries;
  readonly #inputs: readonly ClaimInput[];
  /** The first of each claim: the same one twice gets one task. */
  readonly #first = new Map<string, number>();
  readonly #taken = new Map<number, StoredTask>();
  readonly #results = new Map<number, JobWithTask>();
  readonly #gone = new Set<string>();

  constructor(context: Context, queries: Queries, inputs: readonly ClaimInput[]) {
    this.#context = context;
    this.#queries = queries;
    this.#inputs = inputs;
    this.work = new Work(context, queries);
    for (const [i, input] of inputs.entries()) {
      const key = claimKey(input.nodeId, input.claimId);
      if (!this.#first.has(key)) this.#first.set(key, i);
    }
  }

  async run(): Promise<void> {
    await this.#findRunning();
    const open = [...this.#first.values()].filter((i) => !this.#results.has(i));
    await this.#lockBest(open);
    await this.#checkNodes();
    for (const [i, task] of this.#taken) {
      const input = this.#inputs[i];
      if (!input || this.#gone.has(input.nodeId)) continue;
      const { nodeId, claimId, leaseUntil, now } = input;
      const change = await this.work.change(task, { type: 'claim' }, { now, nodeId, claimId, leaseUntil });
      if (change === null) throw new Error(`the queue's task ${task.record.id} cannot be claimed`);
      this.#results.set(i, { job: change.job, task: change.task });
    }
    await this.work.flush();
  }

  outcomes(): readonly Outcome<Claimed>[] {
    return this.#inputs.map(({ nodeId, claimId }) => {
      if (this.#gone.has(nodeId)) {
        return { refused: new FlatrenderError('NODE_NOT_FOUND', `there is no node ${nodeId}`) };
      }
      return { result: this.#results.get(this.#first.get(claimKey(nodeId, claimId)) ?? -1) ?? null };
    });
  }

  /** Claims whose answer was lost: the same task again. */
  async #findRunning(): Promise<void> {
    const rows = await this.#queries.rows(
      `select ${TASK_COLUMNS} from unnest($1::text[], $2::text[]) as w (node_id, claim_id)
       join tasks t on t.node_id = w.node_id and t.claim_id = w.claim_id and t.state = 'running'
       order by t.job_num, t.idx for update of t`,
      [this.#inputs.map(({ nodeId }) => nodeId), this.#inputs.map(({ claimId }) => claimId)],
      'claim-running',
    );
    if (rows.length === 0) return;
    await this.work.take(rows);
    for (const task of this.work.tasks()) {
      const i = this.#first.get(claimKey(task.record.nodeId ?? '', task.claimId ?? ''));
      const input = i === undefined ? undefined : this.#inputs[i];
      if (i === undefined || !input) continue;
      // The answer was lost: the agent starts only now.
      const record = this.work.setLease(task, input.leaseUntil);
      this.#results.set(i, { job: this.work.jobOf(task), task: record });
    }
  }

  /** Locks for each claim the best task that it accepts, as far as there are some. */
  async #lockBest(open: readonly number[]): Promise<void> {
    let left = [...open];
    for (let round = 0; round < ROUNDS && left.length > 0; round += 1) {
      const heads = await this.#heads(left.length);
      const wanted = this.#assign(left, heads);
      if (wanted.size === 0) return;
      const locked = await this.#lock(wanted);
      await this.work.take(locked);
      this.#give(left, locked);
      left = left.filter((i) => !this.#taken.has(i));
      // All that was wanted was there: the others really find nothing.
      if (locked.length === [...wanted.values()].reduce((sum, count) => sum + count, 0)) return;
    }
  }

  /** The first tasks of each class that has some, without what this transaction has already. */
  async #heads(count: number): Promise<readonly Head[]> {
    const rows = await this.#queries.rows(HEADS, [count + this.#taken.size], 'claim-heads');
    await this.#context.classes.load(
      this.#context.db,
      rows.map((row) => Number(row.class_id)),
    );
    const own = new Set([...this.#taken.values()].map((task) => `${task.jobNum}.${task.record.index}`));
    return rows.map(toHead).filter((head) => !own.has(`${head.jobNum}.${head.idx}`));
  }

  /** How many tasks of which class the claims would take now, each the best that is left for it. */
  #assign(open: readonly number[], heads: readonly Head[]): Map<number, number> {
    const left = [...heads].sort(byOrder);
    const wanted = new Map<number, number>();
    for (const i of open) {
      const accepts = this.#accepts(i);
      const at = left.findIndex((head) => accepts(head.classId));
      const [head] = at < 0 ? [] : left.splice(at, 1);
      if (head) wanted.set(head.classId, (wanted.get(head.classId) ?? 0) + 1);
    }
    return wanted;
  }

  #lock(wanted: ReadonlyMap<number, number>): Promise<Row[]> {
    return this.#queries.rows(LOCK, [[...wanted.keys()], [...wanted.values()]], 'claim-lock');
  }

  #give(open: readonly number[], locked: readonly Row[]): void {
    const left = locked.map(toHead).sort(byOrder);
    const tasks = new Map(this.work.tasks().map((task) => [`${task.jobNum}.${task.record.index}`, task]));
    for (const i of open) {
      const accepts = this.#accepts(i);
      const at = left.findIndex((head) => accepts(head.classId));
      const [head] = at < 0 ? [] : left.splice(at, 1);
      const task = head && tasks.get(`${head.jobNum}.${head.idx}`);
      if (task) this.#taken.set(i, task);
    }
  }

  #accepts(i: number): (classId: number) => boolean {
    const known = new Map<number, boolean>();
    return (classId) => {
      let is = known.get(classId);
      if (is === undefined) {
        is = this.#inputs[i]?.accepts(this.#context.classes.get(classId).requirement) ?? false;
        known.set(classId, is);
      }
      return is;
    };
  }

  /** Nodes that were removed meanwhile; the others cannot be before this commits. */
  async #checkNodes(): Promise<void> {
    const ids = [...new Set(this.#inputs.map(({ nodeId }) => nodeId))].sort();
    const rows = await this.#queries.rows(
      'select id from nodes where id = any($1) and removed_at is null order by id for key share',
      [ids],
      'claim-nodes',
    );
    const known = new Set(rows.map(({ id }) => String(id)));
    for (const id of ids) if (!known.has(id)) this.#gone.add(id);
  }
}

function claimKey(nodeId: string, claimId: string): string {
  return `${nodeId} ${claimId}`;
}

function toHead(row: Row): Head {
  return {
    classId: Number(row.class_id),
    priority: Number(row.priority),
    jobNum: Number(row.job_num),
    idx: Number(row.idx),
  };
}

function byOrder(a: Head, b: Head): number {
  return b.priority - a.priority || a.jobNum - b.jobNum || a.idx - b.idx;
}

/** Classes with queued tasks, found by jumping from one to the next in the index, and the first tasks of each. */
const HEADS = `with recursive class as (
  (select class_id from tasks where state = 'queued' order by class_id limit 1)
  union all
  select (select t.class_id from tasks t where t.state = 'queued' and t.class_id > class.class_id
          order by t.class_id limit 1)
  from class where class.class_id is not null
)
select class.class_id, head.priority, head.job_num, head.idx from class cross join lateral (
  select t.priority, t.job_num, t.idx from tasks t where t.state = 'queued' and t.class_id = class.class_id
  order by t.priority desc, t.job_num, t.idx limit $1
) head where class.class_id is not null`;

/** As many as wanted of each class, the best that nobody else is taking. */
const LOCK = `select ${TASK_COLUMNS} from unnest($1::bigint[], $2::int[]) as w (class_id, count) cross join lateral (
  select * from tasks q where q.state = 'queued' and q.class_id = w.class_id
  order by q.priority desc, q.job_num, q.idx limit w.count for update skip locked
) t`;
