import type { QueueAge } from '../store.ts';
import type { Context } from './context.ts';

/** How long each class waits: a few steps of the queue's index per class and priority, however long the queue is. */
export function queueAges({ sql, memory }: Context): readonly QueueAge[] {
  const ages: QueueAge[] = [];
  for (const classId of [...memory.heads.classIds()]) {
    const head = memory.heads.head(sql, classId);
    if (head === null) continue;
    let first = head.jobNum;
    for (let priority: number | null = head.priority; priority !== null; ) {
      const row = sql.get(
        `select min(job_num) as first from tasks indexed by tasks_queued
         where class_id = ? and state = 'queued' and priority = ?`,
        classId,
        priority,
      );
      first = Math.min(first, Number(row?.first ?? first));
      const lower = sql.get(
        `select max(priority) as next from tasks indexed by tasks_queued
         where class_id = ? and state = 'queued' and priority < ?`,
        classId,
        priority,
      );
      priority = typeof lower?.next === 'number' ? lower.next : null;
    }
    const job = sql.get('select max(created_at, ifnull(run_at, 0)) as since from jobs where num = ?', first);
    const requirement = memory.classes.get(classId).body;
    if (job !== null) ages.push({ requirement, since: Number(job.since) });
  }
  return ages;
}
