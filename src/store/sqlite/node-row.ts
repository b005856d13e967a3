import { nodeNotFound } from '../refusals.ts';
import type { Context } from './context.ts';
import type { Row } from './sql.ts';

/** The row of a node that was not removed, or null. */
export function findNodeRow({ sql }: Context, id: string): Row | null {
  return sql.get('select * from nodes where id = ? and removed_at is null', id);
}

/** The same; NODE_NOT_FOUND. */
export function nodeRow(context: Context, id: string): Row {
  const row = findNodeRow(context, id);
  if (row === null) throw nodeNotFound(id);
  return row;
}
