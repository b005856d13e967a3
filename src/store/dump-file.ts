/**
 * A backup: gzipped lines of JSON. The first says what it is, then come rows `["jobs", {…}]`, and the last has the sums of all
 * rows, so that a file that was cut off or changed is noticed.
 */
import { createReadStream, createWriteStream } from 'node:fs';
import { open, rename, rm } from 'node:fs/promises';
import { Readable, type Writable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { createGunzip, createGzip } from 'node:zlib';
import { FlatrenderError } from '../lib/errors.ts';
import {
  DUMP_TABLES,
  type DumpRow,
  DumpSummer,
  type DumpSums,
  type DumpTable,
  sumsThatDiffer,
} from './dump.ts';

/** The first line of a backup. */
export interface BackupHeader {
  readonly format: 'flatrender-backup';
  readonly version: 1;
  readonly farm: string;
  /** ISO 8601. */
  readonly madeAt: string;
  /** Of flatrender. */
  readonly madeBy: string;
}

/** What a backup held, or what was written into one. */
export interface BackupSummary {
  readonly header: BackupHeader;
  readonly sums: DumpSums;
}

/** Rows as the bytes of a backup. */
export function backupStream(header: BackupHeader, rows: AsyncIterable<DumpRow>): Readable {
  const summer = new DumpSummer();
  async function* lines(): AsyncGenerator<string> {
    yield `${JSON.stringify(header)}\n`;
    for await (const row of rows) {
      summer.add(row);
      yield `${JSON.stringify([row.table, row.data])}\n`;
    }
    yield `${JSON.stringify({ end: true, sums: summer.sums })}\n`;
  }
  const gzip = createGzip({ level: 6 });
  const source = Readable.from(lines(), { objectMode: false });
  // Whoever reads it hears of an error; when nobody does any more (a client that left), it must not end the program.
  gzip.on('error', () => undefined);
  source.on('error', (error) => gzip.destroy(error));
  gzip.on('close', () => source.destroy());
  return source.pipe(gzip);
}

/** Writes the bytes of a backup to a file, readable for this user only; it appears whole or not at all, and is read back. */
export async function writeBackup(
  path: string,
  bytes: Readable,
  signal: AbortSignal,
): Promise<BackupSummary> {
  const part = `${path}.part`;
  try {
    const file = createWriteStream(part, { mode: 0o600, flags: 'w' });
    await pipeline(bytes, file as Writable, { signal });
    const handle = await open(part, 'r+');
    await handle.sync();
    await handle.close();
    const backup = readBackup(part);
    for await (const _ of backup.rows) signal.throwIfAborted();
    await rename(part, path);
    return await backup.summary;
  } catch (error) {
    await rm(part, { force: true });
    throw error;
  }
}

/** A backup being read: its rows, and what it was once they are all read. */
export interface BackupReader {
  readonly rows: AsyncIterable<DumpRow>;
  /** Resolves after the last row; CONFIG_INVALID when the file is cut off or its rows are not what was written. */
  readonly summary: Promise<BackupSummary>;
}

/** Reads a backup; CONFIG_INVALID when it is none, or a newer flatrender's. */
export function readBackup(path: string): BackupReader {
  const done = Promise.withResolvers<BackupSummary>();
  done.promise.catch(() => undefined);
  async function* rows(): AsyncGenerator<DumpRow> {
    const gunzip = createGunzip();
    const input = createReadStream(path);
    const feeding = pipeline(input, gunzip);
    // It is told by whoever reads the lines.
    feeding.catch(() => undefined);
    const summer = new DumpSummer();
    let header: BackupHeader | null = null;
    let sums: DumpSums | null = null;
    try {
      for await (const line of linesOf(gunzip)) {
        const value: unknown = parse(path, line);
        if (header === null) header = checkHeader(path, value);
        else if (Array.isArray(value)) {
          const row = checkRow(path, value);
          summer.add(row);
          yield row;
        } else sums = (value as { sums?: DumpSums }).sums ?? null;
      }
    } catch (error) {
      if (error instanceof FlatrenderError) throw error;
      throw cutOff(path, error);
    } finally {
      input.destroy();
    }
    if (header === null || sums === null) throw cutOff(path, null);
    const different = sumsThatDiffer(sums, summer.sums);
    if (different.length > 0) throw invalid(path, `it was changed or damaged: ${different.join(', ')}`);
    done.resolve({ header, sums });
  }
  return { rows: rows(), summary: done.promise };
}

/** Not node:readline: it throws the errors of its input a second time, where nobody can catch them. */
async function* linesOf(bytes: AsyncIterable<Uint8Array>): AsyncGenerator<string> {
  const decoder = new TextDecoder();
  let open = '';
  for await (const chunk of bytes) {
    const lines = (open + decoder.decode(chunk, { stream: true })).split('\n');
    open = lines.pop() ?? '';
    yield* lines;
  }
  if (open !== '') yield open;
}

function parse(path: string, line: string): unknown {
  try {
    return JSON.parse(line);
  } catch (cause) {
    throw invalid(path, 'it is damaged, or no backup of flatrender', cause);
  }
}

function checkHeader(path: string, value: unknown): BackupHeader {
  const header = value as Partial<BackupHeader> | null;
  if (header?.format !== 'flatrender-backup') throw invalid(path, 'it is no backup of flatrender');
  if (header.version !== 1) {
    throw invalid(path, `it was made by flatrender ${header.madeBy}: this one is too old for it`);
  }
  return header as BackupHeader;
}

function checkRow(path: string, value: readonly unknown[]): DumpRow {
  const [table, data] = value;
  if (!DUMP_TABLES.includes(table as DumpTable) || typeof data !== 'object' || data === null) {
    throw invalid(path, `it has rows that this flatrender does not know (${String(table)})`);
  }
  return { table, data } as DumpRow;
}

function cutOff(path: string, cause: unknown): FlatrenderError {
  const code = cause instanceof Error && 'code' in cause ? String(cause.code) : '';
  if (code === 'ENOENT' || code === 'EACCES') return invalid(path, `cannot be read (${code})`, cause);
  const what = code === 'Z_DATA_ERROR' ? 'it is no backup of flatrender, or damaged' : 'its end is missing';
  return invalid(path, what, cause);
}

function invalid(path: string, what: string, cause?: unknown): FlatrenderError {
  return new FlatrenderError('CONFIG_INVALID', `${path}: ${what}`, {
    cause,
    hint: 'use a file that "flatrender control backup" wrote, complete',
  });
}
