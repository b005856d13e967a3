/** Which control plane this terminal talks to, and with what token. */
import { chmodSync, mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { FlatrenderError } from '../lib/errors.ts';
import { flatrenderHome } from './home.ts';

export interface ClientConfig {
  /** Without a slash at the end. */
  readonly url: string;
  readonly token: string | undefined;
  /** Where the address came from, for messages. */
  readonly source: string;
}

interface StoredClient {
  readonly url?: string | undefined;
  readonly token?: string | undefined;
}

/** The file that `flatrender login` and `flatrender control init` write: `{ url, token }`, mode 0600. */
export function clientFile(home: string = flatrenderHome()): string {
  return join(home, 'client.json');
}

/**
 * Resolves address and token, each on its own: flag, then FLATRENDER_URL / FLATRENDER_TOKEN, then client.json. A
 * stored token is only used with the stored address: it must not be sent to another server. CONFIG_MISSING when there
 * is no address; CONFIG_INVALID when one of them is malformed.
 */
export function loadClientConfig(
  given: StoredClient,
  env: NodeJS.ProcessEnv = process.env,
  home: string = flatrenderHome(env),
): ClientConfig {
  const file = clientFile(home);
  const explicit = given.url ?? (env.FLATRENDER_URL || undefined);
  const token = given.token ?? (env.FLATRENDER_TOKEN || undefined);
  const stored = explicit !== undefined && token !== undefined ? {} : readClientFile(file);
  const address = explicit ?? stored.url;
  if (address === undefined) {
    throw new FlatrenderError('CONFIG_MISSING', `no control plane is known: ${file} does not exist`, {
      hint: 'run "flatrender login --url URL --token TOKEN", or "flatrender control init" on the machine that is to be the control plane',
    });
  }
  const source = given.url ? '--url' : explicit ? 'FLATRENDER_URL' : file;
  const url = checkUrl(address, source);
  return { url, token: checkToken(token ?? (stored.url === url ? stored.token : undefined)), source };
}

/** Writes client.json with mode 0600, atomically; creates the state directory (0700) when it is not there. */
export function saveClientConfig(
  config: { url: string; token: string },
  home: string = flatrenderHome(),
): string {
  const file = clientFile(home);
  mkdirSync(dirname(file), { recursive: true, mode: 0o700 });
  const part = `${file}.${process.pid}.part`;
  writeFileSync(
    part,
    `${JSON.stringify({ url: checkUrl(config.url, '--url'), token: config.token }, null, 2)}\n`,
    {
      mode: 0o600,
    },
  );
  chmodSync(part, 0o600);
  renameSync(part, file);
  return file;
}

/** An http(s) address without credentials, query and trailing slash; CONFIG_INVALID otherwise. */
export function checkUrl(address: string, source: string): string {
  const text = /^[a-z][a-z0-9+.-]*:\/\//i.test(address) ? address : `http://${address}`;
  const url = URL.canParse(text) ? new URL(text) : null;
  if (!url || !/^https?:$/.test(url.protocol) || url.username || url.search || url.hash) {
    throw new FlatrenderError(
      'CONFIG_INVALID',
      `${source}: "${address}" is not the address of a control plane`,
      {
        hint: 'use an address such as http://10.66.0.1:8088',
      },
    );
  }
  return url.href.replace(/\/+$/, '');
}

function checkToken(token: string | undefined): string | undefined {
  // A pasted line break or a stray quote would otherwise fail deep inside the HTTP client.
  if (token !== undefined && !/^[\x21-\x7e]+$/.test(token)) {
    throw new FlatrenderError('CONFIG_INVALID', 'the API token contains characters that no token has', {
      hint: 'a token looks like fr_… ; run "flatrender login" again',
    });
  }
  return token;
}

function readClientFile(file: string): StoredClient {
  let text: string;
  try {
    text = readFileSync(file, 'utf8');
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return {};
    throw error;
  }
  try {
    const value: unknown = JSON.parse(text);
    if (typeof value === 'object' && value !== null) {
      const { url, token } = value as Record<string, unknown>;
      if (typeof url === 'string') return { url, token: typeof token === 'string' ? token : undefined };
    }
  } catch {
    // Falls through to the one message below.
  }
  throw new FlatrenderError('CONFIG_INVALID', `${file} is not a client configuration ({ "url", "token" })`, {
    hint: 'run "flatrender login" to write it anew',
  });
}
