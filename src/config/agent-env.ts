/** The agent.env of a node, as `node add` writes it. */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { FlatrenderError } from '../lib/errors.ts';
import { packageRoot } from '../lib/paths.ts';
import { replaceFile } from '../lib/replace-file.ts';

/** What the control plane's side knows of a node's configuration. */
export interface NodeCredentials {
  readonly nodeId: string;
  readonly secret: string;
  /** Address at which the node reaches the control plane. */
  readonly url: string;
}

/** The lines a node cannot do without. */
export function envBlock({ nodeId, secret, url }: NodeCredentials): string {
  return `NODE_ID=${nodeId}\nNODE_HMAC_SECRET=${secret}\nORCHESTRATOR_URL=${url}`;
}

/**
 * Checks before a secret is issued that it can be written there: CONFIG_INVALID when the file belongs to another node.
 */
export async function checkEnvFile(path: string, nodeId: string): Promise<void> {
  const text = await readIfThere(path);
  const other = text === null ? undefined : /^\s*NODE_ID\s*=\s*["']?([^"'\s#]+)/m.exec(text)?.[1];
  if (other !== undefined && other !== nodeId) {
    throw new FlatrenderError('CONFIG_INVALID', `${path} is the configuration of node ${other}`, {
      hint: 'choose another --agent-env, or remove that file',
    });
  }
}

/**
 * Writes the credentials into an agent.env, mode 0600, atomically. A new file is the documented example with them
 * filled in; of an existing one only their lines change. `more` are further settings.
 */
export async function writeEnvFile(
  path: string,
  credentials: NodeCredentials,
  more: Readonly<Record<string, string>> = {},
): Promise<void> {
  const example = join(packageRoot(), 'templates', 'config', 'agent.env.example');
  const text = (await readIfThere(path)) ?? (await readFile(example, 'utf8'));
  const { nodeId, secret, url } = credentials;
  const values = { NODE_ID: nodeId, NODE_HMAC_SECRET: secret, ORCHESTRATOR_URL: url, ...more };
  replaceFile(path, setEnvLines(text, values), { mode: 0o600 });
}

/**
 * Replaces the `KEY=…` lines of a file's text, comments left alone; of several with the same key the last one, which counts. Keys
 * that are not there are added at the end.
 */
export function setEnvLines(text: string, values: Readonly<Record<string, string>>): string {
  const eol = text.includes('\r\n') ? '\r\n' : '\n';
  const lines = text.split(/\r?\n/);
  for (const [key, value] of Object.entries(values)) {
    const index = lines.findLastIndex((line) => new RegExp(`^\\s*(export\\s+)?${key}\\s*=`).test(line));
    if (index >= 0) lines[index] = `${key}=${value}`;
    else lines.splice(lines.at(-1) === '' ? -1 : lines.length, 0, `${key}=${value}`);
  }
  return lines.join(eol);
}

async function readIfThere(path: string): Promise<string | null> {
  try {
    return await readFile(path, 'utf8');
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return null;
    throw error;
  }
}
