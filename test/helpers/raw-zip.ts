/** Writes zips that no honest tool would: every field of an entry can be set to what is not true. */
import { crc32, deflateRawSync } from 'node:zlib';

export interface RawEntry {
  readonly name: string | Buffer;
  /** Name in the local header. Default: the same. */
  readonly localName?: string | Buffer;
  readonly data?: Buffer | string;
  /** 0 stored, 8 deflate (the default), anything else claimed but stored. */
  readonly method?: number;
  /** General purpose bits. Default: UTF-8 names. */
  readonly flags?: number;
  /** Unix mode with its type bits, e.g. 0o120777 for a link. Default: a regular file, or a folder for a final slash. */
  readonly mode?: number;
  /** 3 unix, 0 DOS. */
  readonly madeBy?: number;
  /** Announced size, CRC and packed size. Default: the true ones. */
  readonly size?: number;
  readonly crc?: number;
  readonly packedSize?: number;
  /** Offset of the local header in the directory. Default: the true one. */
  readonly offset?: number;
  /** Extra field of the directory entry. */
  readonly extra?: Buffer;
}

export interface RawZipOptions {
  /** Number of entries that the end record announces. */
  readonly count?: number;
  readonly comment?: string;
}

/** The bytes of a zip with these entries. */
export function rawZip(entries: readonly RawEntry[], options: RawZipOptions = {}): Buffer {
  const parts: Buffer[] = [];
  const directory: Buffer[] = [];
  let offset = 0;
  for (const entry of entries) {
    const data = Buffer.from(entry.data ?? '');
    const method = entry.method ?? 8;
    const content = method === 8 ? deflateRawSync(data) : data;
    const fields = fieldsOf(entry, data, content, method);
    const local = localHeader(entry, fields);
    directory.push(directoryHeader(entry, fields, entry.offset ?? offset));
    parts.push(local, content);
    offset += local.length + content.length;
  }
  const central = Buffer.concat(directory);
  const comment = Buffer.from(options.comment ?? '');
  const end = Buffer.alloc(22);
  end.writeUInt32LE(0x06054b50, 0);
  end.writeUInt16LE(options.count ?? entries.length, 8);
  end.writeUInt16LE(options.count ?? entries.length, 10);
  end.writeUInt32LE(central.length, 12);
  end.writeUInt32LE(offset, 16);
  end.writeUInt16LE(comment.length, 20);
  return Buffer.concat([...parts, central, end, comment]);
}

/** Version, flags, method, time, date, crc, sizes: the fields that both headers share. */
function fieldsOf(entry: RawEntry, data: Buffer, content: Buffer, method: number): Buffer {
  const fields = Buffer.alloc(22);
  fields.writeUInt16LE(20, 0);
  fields.writeUInt16LE(entry.flags ?? 0x800, 2);
  fields.writeUInt16LE(method, 4);
  fields.writeUInt32LE(entry.crc ?? crc32(data), 10);
  fields.writeUInt32LE(entry.packedSize ?? content.length, 14);
  fields.writeUInt32LE(entry.size ?? data.length, 18);
  return fields;
}

function localHeader(entry: RawEntry, fields: Buffer): Buffer {
  const name = Buffer.from(entry.localName ?? entry.name);
  const header = Buffer.alloc(30);
  header.writeUInt32LE(0x04034b50, 0);
  fields.copy(header, 4);
  header.writeUInt16LE(name.length, 26);
  return Buffer.concat([header, name]);
}

function directoryHeader(entry: RawEntry, fields: Buffer, offset: number): Buffer {
  const name = Buffer.from(entry.name);
  const extra = entry.extra ?? Buffer.alloc(0);
  const folder = name.at(-1) === 0x2f;
  const header = Buffer.alloc(46);
  header.writeUInt32LE(0x02014b50, 0);
  header.writeUInt16LE(((entry.madeBy ?? 3) << 8) | 20, 4);
  fields.copy(header, 6);
  header.writeUInt16LE(name.length, 28);
  header.writeUInt16LE(extra.length, 30);
  header.writeUInt32LE(((entry.mode ?? (folder ? 0o040755 : 0o100644)) << 16) >>> 0, 38);
  header.writeUInt32LE(offset, 42);
  return Buffer.concat([header, name, extra]);
}
