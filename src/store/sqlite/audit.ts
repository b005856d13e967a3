import type { AuditStore } from '../audit.ts';
import { toAuditEntry } from '../records.ts';
import { CHUNK, type Context } from './context.ts';

export function auditMethods({ sql, writer }: Context): AuditStore {
  return {
    appendAudit: (entry) =>
      writer.write(() => {
        sql.run(
          'insert into audit (at, actor, action, subject, outcome, "from", details) values (?, ?, ?, ?, ?, ?, ?)',
          entry.at,
          entry.actor,
          entry.action,
          entry.subject,
          entry.outcome,
          entry.from,
          JSON.stringify(entry.details),
        );
      }),

    async listAudit({ before, since, actor, action, subject, limit }) {
      const conditions = Object.entries({
        'seq < ?': before,
        'at >= ?': since,
        'actor = ?': actor,
        'action = ?': action,
        'subject = ?': subject,
      }).flatMap(([text, value]) => (value === undefined ? [] : [{ text, value }]));
      const where =
        conditions.length === 0 ? '' : `where ${conditions.map((each) => each.text).join(' and ')}`;
      return sql
        .all(
          `select * from audit ${where} order by seq desc limit ?`,
          ...conditions.map((each) => each.value),
          limit,
        )
        .map(toAuditEntry);
    },

    async purgeAudit(before, limit) {
      let purged = 0;
      while (purged < limit) {
        const size = Math.min(CHUNK, limit - purged);
        const count = await writer.write(() =>
          sql.run(
            'delete from audit where seq in (select seq from audit where at < ? order by at limit ?)',
            before,
            size,
          ),
        );
        purged += count;
        if (count < size) break;
      }
      return purged;
    },
  };
}
