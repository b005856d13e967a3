import type { SettingStore } from '../settings.ts';
import type { Context } from './context.ts';
import type { Queries } from './database.ts';

export function settingMethods({ db }: Context): SettingStore {
  return {
    getSetting: (key) => find(db, key),

    changeSetting: (key, change) =>
      db.transaction(async (queries) => {
        // Few, and changed by people: one at a time for the whole table is the simplest that is right for new keys, too.
        await queries.rows('lock table settings in share row exclusive mode');
        const value = change(await find(queries, key));
        if (value === null) await queries.rows('delete from settings where key = $1', [key]);
        else {
          await queries.rows(
            'insert into settings (key, value) values ($1, $2) on conflict (key) do update set value = excluded.value',
            [key, value],
          );
        }
        return value;
      }),

    async listSettings(prefix) {
      const rows = await db.rows('select key, value from settings where starts_with(key, $1) order by key', [
        prefix,
      ]);
      return rows.map((row) => ({ key: String(row.key), value: String(row.value) }));
    },
  };
}

async function find(queries: Queries, key: string): Promise<string | null> {
  const [row] = await queries.rows('select value from settings where key = $1', [key]);
  return row === undefined ? null : String(row.value);
}
