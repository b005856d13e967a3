import { toToken } from '../records.ts';
import { tokenNotFound } from '../refusals.ts';
import type { TokenStore } from '../store-parts.ts';
import type { Context } from './context.ts';

const COLUMNS = 'id, name, role, hash, created_at, expires_at, last_used_at';

export function tokenMethods({ db, announce }: Context): TokenStore {
  return {
    async createToken({ id, name, role, hash, createdAt, expiresAt, lastUsedAt }) {
      // The id is of this call: there already only when its answer was lost.
      await db.rows(
        `insert into tokens (${COLUMNS}) values ($1, $2, $3, $4, $5, $6, $7) on conflict (id) do nothing`,
        [id, name, role, hash, createdAt, expiresAt, lastUsedAt],
      );
      announce([{ kind: 'token', id }]);
    },

    async findToken(hash) {
      const [row] = await db.rows(`select ${COLUMNS} from tokens where hash = $1`, [hash], 'token');
      return row === undefined ? null : toToken(row);
    },

    async listTokens() {
      return (await db.rows(`select ${COLUMNS} from tokens order by created_at, id`)).map(toToken);
    },

    async revokeToken(id) {
      await db.transaction(async (queries) => {
        const rows = await queries.rows('delete from tokens where id = $1 returning 1', [id]);
        if (rows.length === 0) throw tokenNotFound(id);
      });
      announce([{ kind: 'token', id }]);
    },

    async saveTokenUse(uses) {
      const newest = new Map<string, number>();
      for (const { id, at } of uses) newest.set(id, Math.max(at, newest.get(id) ?? 0));
      const sorted = [...newest].sort(([a], [b]) => (a < b ? -1 : 1));
      await db.rows(
        `with wanted as (
           select t.id as wanted_id, w.at from unnest($1::text[], $2::bigint[]) as w (id, at) join tokens t on t.id = w.id
           order by t.id for no key update of t
         )
         update tokens set last_used_at = greatest(last_used_at, at) from wanted where id = wanted_id`,
        [sorted.map(([id]) => id), sorted.map(([, at]) => at)],
      );
    },
  };
}
