/** A bundle to look into, packed or not. */
import { lstat, open, readdir, readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { buffer } from 'node:stream/consumers';
import { FlatrenderError } from '../lib/errors.ts';
import { NameRegister, nameProblem } from './entry-names.ts';
import { IGNORE_FILE, type Ignores, ignoreRules } from './ignore-rules.ts';
import { BUNDLE_LIMITS, openZip, refused, type ZipSource } from './zip-reader.ts';

/** The files of a bundle. */
export interface BundleSource extends AsyncDisposable {
  /** For messages: the path of the folder or the zip. */
  readonly name: string;
  /** Size of each file by its path in the bundle, sorted by path. */
  readonly files: ReadonlyMap<string, number>;
  /** A whole file; it must be one of `files`. */
  read(path: string): Promise<Buffer>;
  /** The first bytes of a file. */
  head(path: string, bytes: number): Promise<Buffer>;
}

/** Opens a folder or a zip; USAGE when there is neither, BUNDLE_REFUSED when it has what no bundle may have. */
export async function openBundle(source: ZipSource): Promise<BundleSource> {
  if (typeof source !== 'string') return openZipBundle(source);
  const found = await stat(source).catch((error) => {
    throw new FlatrenderError('USAGE', `there is no folder or zip ${source}`, { cause: error });
  });
  return found.isDirectory() ? openFolder(source) : openZipBundle(source);
}

async function openZipBundle(source: ZipSource): Promise<BundleSource> {
  const zip = await openZip(source);
  const byName = new Map(zip.entries.filter((entry) => !entry.folder).map((entry) => [entry.name, entry]));
  const stream = async (path: string) => {
    const entry = byName.get(path);
    if (!entry) throw new FlatrenderError('TEMPLATE_INVALID', `the bundle has no file ${path}`);
    return zip.read(entry);
  };
  return {
    name: typeof source === 'string' ? source : source.name,
    files: sorted(Array.from(byName.values(), ({ name, sizeBytes }) => [name, sizeBytes])),
    read: async (path) => buffer(await stream(path)),
    async head(path, bytes) {
      const content = await stream(path);
      const chunks: Buffer[] = [];
      let size = 0;
      for await (const chunk of content) {
        chunks.push(chunk);
        size += chunk.length;
        if (size >= bytes) break;
      }
      return Buffer.concat(chunks).subarray(0, bytes);
    },
    [Symbol.asyncDispose]: () => zip[Symbol.asyncDispose](),
  };
}

async function openFolder(root: string): Promise<BundleSource> {
  const files = await listFiles(root);
  return {
    name: root,
    files,
    read: (path) => readFile(join(root, ...path.split('/'))),
    async head(path, bytes) {
      const handle = await open(join(root, ...path.split('/')), 'r');
      try {
        const { buffer: data, bytesRead } = await handle.read(Buffer.alloc(bytes), 0, bytes, 0);
        return data.subarray(0, bytesRead);
      } finally {
        await handle.close();
      }
    },
    async [Symbol.asyncDispose]() {},
  };
}

/** What of a folder goes into its bundle. Links, devices and names that some node cannot have are refused. */
async function listFiles(root: string): Promise<ReadonlyMap<string, number>> {
  const rules = await readFile(join(root, IGNORE_FILE), 'utf8').catch(() => '');
  const found: [string, number][] = [];
  await walk(root, '', ignoreRules(rules), found, new NameRegister());
  const total = found.reduce((sum, [, size]) => sum + size, 0);
  if (found.length > BUNDLE_LIMITS.maxEntries || total > BUNDLE_LIMITS.maxBytes) {
    const reason = `${root} has ${found.length} files of ${total} bytes; at most ${BUNDLE_LIMITS.maxEntries} files of ${BUNDLE_LIMITS.maxBytes} bytes are allowed`;
    const hint = `list what does not belong into the bundle in ${IGNORE_FILE}`;
    throw new FlatrenderError('BUNDLE_REFUSED', `bundle refused: ${reason}`, { hint });
  }
  return sorted(found);
}

async function walk(
  root: string,
  folder: string,
  ignores: Ignores,
  found: [string, number][],
  names: NameRegister,
): Promise<void> {
  for (const entry of await readdir(join(root, folder), { withFileTypes: true })) {
    const path = folder === '' ? entry.name : `${folder}/${entry.name}`;
    if (ignores(path, entry.isDirectory())) continue;
    const problem = nameProblem(path) ?? names.add(path, entry.isDirectory());
    if (problem !== null) throw refused(path, problem);
    if (entry.isDirectory()) await walk(root, path, ignores, found, names);
    else if (entry.isFile()) found.push([path, (await lstat(join(root, path))).size]);
    else if (entry.isSymbolicLink()) throw refused(path, 'is a symbolic link; put the file itself there');
    else throw refused(path, 'is a special file (device, pipe or socket)');
  }
}

/** By code units: the same order on every system and in every language. */
function sorted(files: [string, number][]): ReadonlyMap<string, number> {
  return new Map(files.sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0)));
}
