import type { AuditStore } from '../audit.ts';
import { portableJson } from '../portable-text.ts';
import { toAuditEntry } from '../records.ts';
import { CHUNK, type Context } from './context.ts';
import { purgeInChunks } from './purge-in-chunks.ts';

export function auditMethods({ db }: Context): AuditStore {
  return {
    async appendAudit({ at, actor, action, subject, outcome, from, details }) {
      // In a transaction: it is not written twice when the connection breaks.
      await db.transaction((queries) =>
        queries.rows(
          'insert into audit (at, actor, action, subject, outcome, "from", details) values ($1, $2, $3, $4, $5, $6, $7)',
          [at, actor, action, subject, outcome, from, portableJson(details)],
          'audit',
        ),
      );
    },

    async listAudit({ before, since, actor, action, subject, limit }) {
      const values: unknown[] = [limit];
      const conditions = [
        ['seq <', before],
        ['at >=', since],
        ['actor =', actor],
        ['action =', action],
        ['subject =', subject],
      ].flatMap(([text, value]) => (value === undefined ? [] : [`${text} $${values.push(value)}`]));
      const where = conditions.length === 0 ? '' : `where ${conditions.join(' and ')}`;
      const rows = await db.rows(`select * from audit ${where} order by seq desc limit $1`, values);
      return rows.map(toAuditEntry);
    },

    purgeAudit: (before, limit) =>
      purgeInChunks(
        db,
        'delete from audit where seq in (select seq from audit where at < $1 order by at limit $2)',
        before,
        { limit, chunk: CHUNK },
      ),
  };
}
