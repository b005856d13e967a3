/** Claims: the best queued tasks for nodes that wait, in one transaction for all that ask at the same time. */
import { FlatrenderError } from '../../lib/errors.ts';
import type { StoredTask } from '../records.ts';
import type { ClaimInput, JobWithTask } from '../store.ts';
import type { Context } from './context.ts';
import type { Row, Transaction } from './database.ts';
import type { Outcome } from './lane.ts';
import { TASK_COLUMNS } from './rows.ts';
import { Work } from './work.ts';

type Claimed = JobWithTask | null;

interface Head {
  readonly classId: number;
  readonly priority: number;
  readonly jobNum: number;
  readonly idx: number;
}

/** So many queued tasks of a class, taken by others at this moment, are passed over without looking a second time. */
const SPARE = 32;

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
  readonly #queries: Transaction;
  readonly #inputs: readonly ClaimInput[];
  /** The first of each claim: the same one twice gets one task. */
  readonly #first = new Map<string, number>();
  readonly #taken = new Map<number, StoredTask>();
  readonly #results = new Map<number, JobWithTask>();
  readonly #gone = new Set<string>();

  constructor(context: Context, queries: Transaction, inputs: readonly ClaimInput[]) {
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
    const [heads] = await Promise.all([this.#heads(), this.#findRunning(), this.#checkNodes()]);
    const open = [...this.#first.values()].filter((i) => !this.#results.has(i) && !this.#isGone(i));
    await this.#lockBest(heads, open);
    for (const [i, task] of this.#taken) {
      const input = this.#inputs[i];
      if (!input) continue;
      const { nodeId, claimId, leaseUntil, now } = input;
      const change = this.work.change(task, { type: 'claim' }, { now, nodeId, claimId, leaseUntil });
      if (change === null) throw new Error(`the queue's task ${task.record.id} cannot be claimed`);
      this.#results.set(i, { job: change.job, task: change.task });
    }
    this.work.flush();
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

  /** Locks for each claim the best task that it accepts and nobody else is taking. */
  async #lockBest(heads: readonly Head[], open: readonly number[]): Promise<void> {
    // Claims that accept the same classes share what there is.
    const groups = new Map<string, { heads: readonly Head[]; claims: number[] }>();
    for (const i of open) {
      const accepts = this.#accepts(i);
      const accepted = heads.filter(({ classId }) => accepts(classId));
      if (accepted.length === 0) continue;
      const key = accepted.map(({ classId }) => classId).join(' ');
      const group = groups.get(key) ?? { heads: accepted, claims: [] };
      group.claims.push(i);
      groups.set(key, group);
    }
    for (const group of groups.values()) await this.#lockFor(group.heads, group.claims);
  }

  /** The best tasks of these classes for the claims, in their order. */
  async #lockFor(heads: readonly Head[], claims: readonly number[]): Promise<void> {
    let left = claims;
    // How deep to look into each class: past what this transaction has, and what others are just taking.
    for (let depth = left.length + this.#taken.size + SPARE; left.length > 0; depth *= 8) {
      const own = [...this.#taken.values()];
      // The best n tasks are in the n classes with the best heads.
      const classIds = heads.slice(0, depth).map(({ classId }) => classId);
      const rows = await this.#queries.rows(
        LOCK,
        [classIds, depth, left.length, own.map((task) => task.jobNum), own.map((task) => task.record.index)],
        'claim-lock',
      );
      await this.work.take(rows);
      const places = rows.map(toHead).sort(byOrder);
      for (const [n, place] of places.entries()) {
        const i = left[n];
        const task = this.work.at(place);
        if (i !== undefined && task !== null) this.#taken.set(i, task);
      }
      left = left.filter((i) => !this.#taken.has(i));
      if (left.length === 0) return;
      const [row] = await this.#queries.rows(CANDIDATES, [classIds, depth], 'claim-candidates');
      if (Number(row?.n) < depth && classIds.length === heads.length) return;
    }
  }

  /** Each class that has queued tasks, by the first of them. */
  async #heads(): Promise<readonly Head[]> {
    const rows = await this.#queries.rows(HEADS, [], 'claim-heads');
    await this.#context.classes.load(
      this.#queries,
      rows.map((row) => Number(row.class_id)),
    );
    return rows.map(toHead).sort(byOrder);
  }

  #isGone(i: number): boolean {
    return this.#gone.has(this.#inputs[i]?.nodeId ?? '');
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

  /** Nodes that are not there any more; the others cannot be removed before this commits. */
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

/** Classes with queued tasks, found by jumping from one to the next in the index, and the first task of each. */
const HEADS = `with recursive class as (
  (select class_id from tasks where state = 'queued' order by class_id limit 1)
  union all
  select (select t.class_id from tasks t where t.state = 'queued' and t.class_id > class.class_id
          order by t.class_id limit 1)
  from class where class.class_id is not null
)
select class.class_id, head.priority, head.job_num, head.idx from class cross join lateral (
  select t.priority, t.job_num, t.idx from tasks t where t.state = 'queued' and t.class_id = class.class_id
  order by t.priority desc, t.job_num, t.idx limit 1
) head where class.class_id is not null`;

/**
 * The best tasks over all these classes that nobody else is taking. Exactly as many as asked for are locked: the limit stands
 * above the locking, which goes through the candidates in their order. Those this transaction has already are left out by
 * name: \`skip locked\` does not skip one's own. State and class are asked for again on the row that is locked: it may have been
 * claimed in the meantime, and have come back for other nodes.
 */
const LOCK = `select ${TASK_COLUMNS} from (
  select head.priority, head.job_num, head.idx from unnest($1::bigint[]) as w (class_id) cross join lateral (
    select q.priority, q.job_num, q.idx from tasks q where q.state = 'queued' and q.class_id = w.class_id
    order by q.priority desc, q.job_num, q.idx limit $2
  ) head
  where (head.job_num, head.idx) not in (select * from unnest($4::bigint[], $5::int[]))
  order by head.priority desc, head.job_num, head.idx limit $2
) best join tasks t on t.job_num = best.job_num and t.idx = best.idx and t.state = 'queued'
  and t.class_id = any($1::bigint[])
order by best.priority desc, best.job_num, best.idx limit $3 for update of t skip locked`;

/** How many candidates there were: fewer than the limit are all. */
const CANDIDATES = `select count(*) as n from (
  select 1 from unnest($1::bigint[]) as w (class_id) cross join lateral (
    select 1 from tasks q where q.state = 'queued' and q.class_id = w.class_id
    order by q.priority desc, q.job_num, q.idx limit $2
  ) head limit $2
) best`;
