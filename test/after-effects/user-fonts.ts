/** Fonts that were installed for the user, where After Effects and the system look for them. */
import { readdirSync, readFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';

/** PostScript names and files. Files that are no fonts are left out. */
export function userFonts(): { postScriptName: string; file: string }[] {
  return folders().flatMap((folder) =>
    filesIn(folder).flatMap((file) => {
      const postScriptName = postScriptNameOf(readFileSync(file));
      return postScriptName === null ? [] : [{ postScriptName, file }];
    }),
  );
}

/** Per-user folders of the systems and the one of Adobe (scripting guide, FontsObject). */
function folders(): string[] {
  const { env, platform } = process;
  if (platform === 'win32')
    return [
      join(env.LOCALAPPDATA ?? '', 'Microsoft', 'Windows', 'Fonts'),
      join(env.CommonProgramW6432 ?? env.CommonProgramFiles ?? '', 'Adobe', 'Fonts'),
    ];
  if (platform === 'darwin')
    return [join(homedir(), 'Library', 'Fonts'), '/Library/Application Support/Adobe/Fonts'];
  return [join(env.XDG_DATA_HOME || join(homedir(), '.local', 'share'), 'fonts')];
}

function filesIn(folder: string): string[] {
  try {
    return readdirSync(folder, { recursive: true, encoding: 'utf8' })
      .filter((name) => /\.(ttf|otf)$/i.test(name))
      .map((name) => join(folder, name));
  } catch {
    return [];
  }
}

/** Name 6 of the table "name" (OpenType, "name — Naming Table"); null: there is none. */
export function postScriptNameOf(bytes: Buffer): string | null {
  try {
    const table = tableAt(bytes);
    if (table === null) return null;
    const strings = table + bytes.readUInt16BE(table + 4);
    for (let record = table + 6, left = bytes.readUInt16BE(table + 2); left > 0; record += 12, left -= 1) {
      if (bytes.readUInt16BE(record + 6) !== 6) continue;
      const start = strings + bytes.readUInt16BE(record + 10);
      const text = bytes.subarray(start, start + bytes.readUInt16BE(record + 8));
      // Platform 1 has a byte a character, the others two; PostScript names are ASCII.
      const isWide = bytes.readUInt16BE(record) !== 1;
      return Buffer.from(text.filter((_, index) => !isWide || index % 2 === 1)).toString('latin1');
    }
    return null;
  } catch {
    return null;
  }
}

function tableAt(bytes: Buffer): number | null {
  for (let entry = 12, left = bytes.readUInt16BE(4); left > 0; entry += 16, left -= 1)
    if (bytes.toString('latin1', entry, entry + 4) === 'name') return bytes.readUInt32BE(entry + 8);
  return null;
}
