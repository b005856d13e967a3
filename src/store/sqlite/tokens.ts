import { toToken } from '../records.ts';
import { tokenNotFound } from '../refusals.ts';
import type { TokenStore } from '../store-parts.ts';
import type { Context } from './context.ts';

export function tokenMethods({ sql, writer }: Context): TokenStore {
  return {
    createToken: (token) =>
      writer.write(() => {
        sql.run(
          'insert into tokens (id, name, role, hash, created_at, expires_at, last_used_at) values (?, ?, ?, ?, ?, ?, ?)',
          token.id,
          token.name,
          token.role,
          token.hash,
          token.createdAt,
          token.expiresAt,
          token.lastUsedAt,
        );
      }),

    async findToken(hash) {
      const row = sql.get('select * from tokens where hash = ?', hash);
      return row === null ? null : toToken(row);
    },

    async listTokens() {
      return sql.all('select * from tokens order by created_at, id').map(toToken);
    },

    revokeToken: (id) =>
      writer.write(() => {
        if (sql.get('select 1 from tokens where id = ?', id) === null) throw tokenNotFound(id);
        sql.run('delete from tokens where id = ?', id);
      }),

    saveTokenUse: (uses) =>
      writer.write(() => {
        for (const { id, at } of uses) {
          sql.run('update tokens set last_used_at = max(coalesce(last_used_at, 0), ?) where id = ?', at, id);
        }
      }),
  };
}
