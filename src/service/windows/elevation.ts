import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { loadKoffi } from './koffi-beside.ts';

/** Whether this process has an administrator's rights; null: it cannot be found out, Windows itself will tell. */
export function isElevated(): boolean | null {
  if (!existsSync(join(dirname(process.execPath), 'koffi.node'))) return null;
  return loadKoffi().load('shell32.dll').func('IsUserAnAdmin', 'int', [])() !== 0;
}
