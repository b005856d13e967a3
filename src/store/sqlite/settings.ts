import { text } from '../records.ts';
import type { SettingStore } from '../settings.ts';
import type { Context } from './context.ts';

export function settingMethods({ sql, writer }: Context): SettingStore {
  const find = (key: string): string | null =>
    text(sql.get('select value from settings where key = ?', key)?.value);
  return {
    getSetting: async (key) => find(key),

    changeSetting: (key, change) =>
      writer.write(() => {
        const value = change(find(key));
        if (value === null) sql.run('delete from settings where key = ?', key);
        else sql.run('insert or replace into settings (key, value) values (?, ?)', key, value);
        return value;
      }),

    async listSettings(prefix) {
      return sql
        .all(
          'select key, value from settings where substr(key, 1, length(?)) = ? order by key',
          prefix,
          prefix,
        )
        .map((row) => ({ key: String(row.key), value: String(row.value) }));
    },
  };
}
