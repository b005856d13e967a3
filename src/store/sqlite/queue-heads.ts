import type { Sql } from './sql.ts';

/** Where a task is: its job's number and its index in it. In this order first come, first served. */
export interface TaskKey {
  readonly jobNum: number;
  readonly idx: number;
}

export interface Head extends TaskKey {
  readonly priority: number;
}

/** Whether `a` is claimed before `b`. */
export function isBefore(a: Head, b: Head): boolean {
  if (a.priority !== b.priority) return a.priority > b.priority;
  if (a.jobNum !== b.jobNum) return a.jobNum < b.jobNum;
  return a.idx < b.idx;
}

function isSame(a: TaskKey, b: TaskKey): boolean {
  return a.jobNum === b.jobNum && a.idx === b.idx;
}

/**
 * The first queued task of each class, so that a claim asks the database for one row at most, and for none when
 * nothing fits. Classes without queued tasks are not in here; an unknown head is looked up when a claim wants it.
 */
export class QueueHeads {
  readonly #heads = new Map<number, Head | 'unknown'>();

  /** After opening: every class may have queued tasks. */
  reset(classIds: Iterable<number>): void {
    this.#heads.clear();
    for (const id of classIds) this.#heads.set(id, 'unknown');
  }

  /** Classes that may have queued tasks. */
  classIds(): Iterable<number> {
    return this.#heads.keys();
  }

  /** The class is gone. */
  drop(classId: number): void {
    this.#heads.delete(classId);
  }

  /** The class's first queued task, or null. */
  head(sql: Sql, classId: number): Head | null {
    const known = this.#heads.get(classId);
    if (known !== 'unknown') return known ?? null;
    const row = sql.get(
      `select priority, job_num, idx from tasks indexed by tasks_queued
       where class_id = ? and state = 'queued' order by priority desc, job_num, idx limit 1`,
      classId,
    );
    if (row === null) {
      this.#heads.delete(classId);
      return null;
    }
    const head = { priority: Number(row.priority), jobNum: Number(row.job_num), idx: Number(row.idx) };
    this.#heads.set(classId, head);
    return head;
  }

  /** The task is now queued in that class. */
  added(classId: number, task: Head): void {
    const known = this.#heads.get(classId);
    if (known === undefined || (known !== 'unknown' && isBefore(task, known))) this.#heads.set(classId, task);
  }

  /** The task is no longer queued in that class. */
  removed(classId: number, task: TaskKey): void {
    const known = this.#heads.get(classId);
    if (known !== undefined && known !== 'unknown' && isSame(known, task))
      this.#heads.set(classId, 'unknown');
  }
}
