import type { TokenRole } from '../../protocol/tokens.ts';
import { tokenNotFound } from '../refusals.ts';
import type { Store, TokenRecord } from '../store.ts';
import type { Context } from './context.ts';
import { number } from './rows.ts';
import type { Row } from './sql.ts';

type TokenMethods = Pick<Store, 'createToken' | 'findToken' | 'listTokens' | 'revokeToken' | 'saveTokenUse'>;

export function tokenMethods({ sql, writer }: Context): TokenMethods {
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

function toToken(row: Row): TokenRecord {
  return {
    id: String(row.id),
    name: String(row.name),
    role: String(row.role) as TokenRole,
    hash: String(row.hash),
    createdAt: Number(row.created_at),
    expiresAt: number(row.expires_at),
    lastUsedAt: number(row.last_used_at),
  };
}
