/** `doctor --bundle`: what somebody who helps needs to see, in one zip, without secrets. */
import { createWriteStream } from 'node:fs';
import { mkdir, open, readFile, rename, rm, stat } from 'node:fs/promises';
import { cpus, networkInterfaces, release, totalmem, uptime, version } from 'node:os';
import { basename, dirname } from 'node:path';
import { pipeline } from 'node:stream/promises';
import yazl from 'yazl';
import { FlatrenderError } from '../../lib/errors.ts';
import type { CheckResult } from './checks.ts';
import { REDACTED, redact } from './redact.ts';

/** Enough to see what came before a failure; the whole of a busy node's log would be too large to send. */
const LOG_BYTES = 2 * 1024 * 1024;

/** A file for the bundle. */
export interface BundleSource {
  /** Name within the zip. */
  readonly name: string;
  /** The text, or null when there is none; may throw: then the reason stands in its place. */
  readonly read: () => Promise<string | null>;
}

export interface BundleOptions {
  /** The zip; an existing file is refused. */
  readonly file: string;
  readonly flatrender: string;
  readonly results: readonly CheckResult[];
  readonly sources: readonly BundleSource[];
  /** Secrets of this machine, to be taken out wherever they stand. */
  readonly secrets: readonly string[];
}

/** Writes the bundle (mode 0600); returns the names in it. USAGE when the file exists. */
export async function writeSupportBundle(options: BundleOptions): Promise<readonly string[]> {
  const { file, secrets } = options;
  if (await stat(file).catch(() => null)) {
    throw new FlatrenderError('USAGE', `${file} exists already`, {
      hint: 'name another file: --bundle PATH',
    });
  }
  await mkdir(dirname(file), { recursive: true });
  const zip = new yazl.ZipFile();
  const names: string[] = [];
  const add = (name: string, text: string): void => {
    names.push(name);
    zip.addBuffer(Buffer.from(redact(text, secrets)), name);
  };
  add('README.txt', readme());
  add('doctor.json', `${JSON.stringify(options.results, null, 2)}\n`);
  add('system.json', `${JSON.stringify(systemFacts(options.flatrender), null, 2)}\n`);
  for (const { name, read } of options.sources) {
    const text = await read().catch((error: unknown) => `not readable: ${String(error)}\n`);
    if (text !== null) add(name, text);
  }
  const part = `${file}.part`;
  try {
    const written = pipeline(zip.outputStream, createWriteStream(part, { flags: 'wx', mode: 0o600 }));
    zip.end();
    await written;
    await rename(part, file);
  } catch (error) {
    await rm(part, { force: true });
    throw error;
  }
  return names;
}

/** The end of a file as a source; no file: nothing. */
export function fileSource(path: string, directory: string): BundleSource {
  return { name: `${directory}/${basename(path)}`, read: () => tailOf(path) };
}

async function tailOf(path: string): Promise<string | null> {
  const info = await stat(path).catch(() => null);
  if (!info) return null;
  if (info.size <= LOG_BYTES) return await readFile(path, 'utf8');
  await using handle = await open(path);
  const { buffer, bytesRead } = await handle.read({
    buffer: Buffer.alloc(LOG_BYTES),
    position: info.size - LOG_BYTES,
  });
  const text = buffer.toString('utf8', 0, bytesRead);
  return text.slice(text.indexOf('\n') + 1);
}

function systemFacts(flatrender: string): unknown {
  return {
    flatrender,
    node: process.version,
    platform: process.platform,
    arch: process.arch,
    release: release(),
    version: version(),
    cpu: cpus()[0]?.model ?? null,
    cores: cpus().length,
    memoryMb: Math.round(totalmem() / 1e6),
    uptimeHours: Math.round(uptime() / 360) / 10,
    time: new Date().toISOString(),
    timeZone: Intl.DateTimeFormat().resolvedOptions().timeZone,
    interfaces: networkInterfaces(),
  };
}

function readme(): string {
  return (
    'Made by "flatrender doctor --bundle" for whoever helps with this machine.\n\n' +
    `Secrets (node secret, farm secret, tokens, private keys, signatures in addresses) stand as ${REDACTED}.\n` +
    'Names of machines, addresses and paths are in it: look through it before you send it to somebody you do not know.\n'
  );
}
