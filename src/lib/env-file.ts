/** Environment files such as agent.env: found, read whatever editor wrote them, and merged below the real environment. */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseEnv } from 'node:util';
import { FlatrenderError } from './errors.ts';

/** The contents of an environment file. */
export interface EnvFile {
  readonly path: string;
  readonly values: Readonly<Record<string, string>>;
  /** The line (from 1) that sets a key; the last one when several do, because that one counts. */
  readonly lines: Readonly<Record<string, number>>;
}

/**
 * The file to read: the one asked for, then `$AGENT_ENV_FILE`, then `agent.env` in the given directories (first
 * that has one); null when there is none. CONFIG_MISSING when a file that was named does not exist.
 */
export function findEnvFile(options: {
  readonly given?: string | undefined;
  readonly env: NodeJS.ProcessEnv;
  readonly directories: readonly string[];
}): string | null {
  const named = options.given ?? (options.env.AGENT_ENV_FILE || undefined);
  if (named !== undefined) {
    if (existsSync(named)) return named;
    throw new FlatrenderError('CONFIG_MISSING', `there is no file ${named}`, {
      hint: options.given === undefined ? 'correct or unset AGENT_ENV_FILE' : 'correct --agent-env',
    });
  }
  const places = options.directories.map((directory) => join(directory, 'agent.env'));
  return places.find((place) => existsSync(place)) ?? null;
}

/** Reads and parses an environment file; CONFIG_MISSING when it cannot be read. */
export function readEnvFile(path: string): EnvFile {
  let bytes: Buffer;
  try {
    bytes = readFileSync(path);
  } catch (cause) {
    throw new FlatrenderError('CONFIG_MISSING', `cannot read ${path}: ${(cause as Error).message}`, {
      cause,
      hint: 'check the path and who may read the file',
    });
  }
  return parseEnvFile(decode(bytes), path);
}

/** Parses the text of an environment file; `path` is for messages. */
export function parseEnvFile(text: string, path: string): EnvFile {
  const clean = text.replace(/^\uFEFF/, '').replace(/\r\n?/g, '\n');
  const lines: Record<string, number> = {};
  for (const [index, line] of clean.split('\n').entries()) {
    const key = /^\s*(?:export\s+)?([A-Za-z_][A-Za-z0-9_]*)\s*=/.exec(line)?.[1];
    if (key !== undefined) lines[key] = index + 1;
  }
  return { path, values: { ...parseEnv(clean) } as Record<string, string>, lines };
}

/** Where a value came from, for messages: `agent.env, line 3`, or the environment. */
export function placeOf(key: string, file: EnvFile | null, env: NodeJS.ProcessEnv): string {
  if (env[key] !== undefined) return `environment variable ${key}`;
  const line = file?.lines[key];
  return file && line !== undefined ? `${key} in ${file.path}, line ${line}` : key;
}

// Windows editors and PowerShell's ">" write UTF-16 with a byte order mark.
function decode(bytes: Buffer): string {
  if (bytes[0] === 0xff && bytes[1] === 0xfe) return bytes.toString('utf16le');
  if (bytes[0] === 0xfe && bytes[1] === 0xff) return Buffer.from(bytes).swap16().toString('utf16le');
  return bytes.toString('utf8');
}
