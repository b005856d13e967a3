/** The address of a database: `postgres://user:password@host/database?…`, as libpq and its documentation have it. */
import { readFileSync } from 'node:fs';
import { userInfo } from 'node:os';
import type { ConnectionOptions } from 'node:tls';
import { FlatrenderError } from '../../lib/errors.ts';

export interface DatabaseAddress {
  /** In the order in which they are tried: the first one that writes is used. A path: a unix socket's directory. */
  readonly hosts: readonly { readonly host: string; readonly port: number }[];
  readonly user: string;
  /** null: none, or PGPASSWORD or ~/.pgpass. */
  readonly password: string | null;
  readonly database: string;
  readonly ssl: ConnectionOptions | false;
  /** Connections at most, besides the one for notifications. */
  readonly poolSize: number;
  readonly connectMs: number;
  /** Hosts and database, for messages: nothing secret. */
  readonly place: string;
}

const PORT = 5432;
const POOL = 10;
const CONNECT_SECONDS = 4;

const PARAMETERS = [
  'host',
  'port',
  'user',
  'passwordFile',
  'sslmode',
  'sslrootcert',
  'sslcert',
  'sslkey',
  'pool',
  'connect_timeout',
  'target_session_attrs',
];

/**
 * Reads an address. Several hosts with commas (`a,b:5433`): the first one that can be written to. Parameters: sslmode
 * (disable, require, verify-ca, verify-full), sslrootcert, sslcert, sslkey, passwordFile, pool, connect_timeout (seconds), host
 * (a directory: unix socket). CONFIG_INVALID, never with the password in it.
 */
export function parseAddress(url: string): DatabaseAddress {
  const match =
    /^postgres(?:ql)?:\/\/(?:(?<login>[^/?]*)@)?(?<hosts>[^/?@]*)(?:\/(?<database>[^?]*))?(?:\?(?<query>.*))?$/s.exec(
      url,
    );
  // An @ behind the first / or ? is nearly always the end of a password with such a character in it.
  if (!match?.groups || (match.groups.login === undefined && url.includes('@'))) {
    throw invalid(
      'it is not postgres://user:password@host/database',
      'write /, ? and @ in a password as %2F, %3F and %40',
    );
  }
  const { login = '', hosts = '', database = '', query = '' } = match.groups;
  const parameters = new URLSearchParams(query);
  for (const name of parameters.keys()) {
    if (!PARAMETERS.includes(name))
      throw invalid(`there is no parameter ${name}`, `there are: ${PARAMETERS.join(', ')}`);
  }
  const attributes = parameters.get('target_session_attrs') ?? 'read-write';
  if (attributes !== 'read-write' && attributes !== 'primary') {
    throw invalid(`target_session_attrs ${attributes}: a farm is written to`, 'leave it out: read-write');
  }
  const colon = login.indexOf(':');
  const user =
    decoded(colon < 0 ? login : login.slice(0, colon)) || (parameters.get('user') ?? userInfo().username);
  const given = colon < 0 ? '' : decoded(login.slice(colon + 1));
  const name = decoded(database) || user;
  const places = hostsOf(parameters.get('host') || decoded(hosts) || 'localhost', parameters.get('port'));
  return {
    hosts: places,
    user,
    password: passwordOf(given, parameters.get('passwordFile')),
    database: name,
    ssl: sslOf(parameters),
    poolSize: whole('pool', parameters, POOL, 2, 1000),
    connectMs: whole('connect_timeout', parameters, CONNECT_SECONDS, 1, 60) * 1000,
    place: `${places.map(placeOf).join(',')}/${name}`,
  };
}

/** A host for people: the port only when it is not the usual one. */
export function placeOf({ host, port }: DatabaseAddress['hosts'][number]): string {
  const shown = host.includes(':') ? `[${host}]` : host;
  return port === PORT ? shown : `${shown}:${port}`;
}

function hostsOf(text: string, ports: string | null): DatabaseAddress['hosts'] {
  return text.split(',').map((part, i) => {
    const own = ports?.split(',');
    const other = own?.[i] ?? own?.[0] ?? String(PORT);
    if (part.startsWith('/')) return { host: part, port: portOf(other) };
    const match = /^(?:\[(?<six>[^\]]+)\]|(?<name>[^:[\]]+))(?::(?<port>\d+))?$/.exec(part);
    const host = match?.groups?.six ?? match?.groups?.name;
    if (host === undefined) throw invalid('a host of it is none', 'host, host:port or [IPv6]:port');
    return { host, port: portOf(match?.groups?.port ?? other) };
  });
}

function portOf(text: string): number {
  const port = Number(text);
  if (!Number.isInteger(port) || port < 1 || port > 65_535)
    throw invalid('a port of it is none', '1 to 65535');
  return port;
}

function passwordOf(given: string, file: string | null): string | null {
  if (file === null) return given || null;
  try {
    return readFileSync(file, 'utf8').trimEnd();
  } catch (cause) {
    throw invalid(
      `its passwordFile ${file} cannot be read`,
      'one line, readable by the user of the control plane',
      cause,
    );
  }
}

/** As libpq: `require` encrypts without looking at the certificate. */
function sslOf(parameters: URLSearchParams): ConnectionOptions | false {
  const mode = parameters.get('sslmode') ?? (parameters.has('sslrootcert') ? 'verify-full' : 'disable');
  if (mode === 'disable') return false;
  const read = (name: string): string | undefined => {
    const file = parameters.get(name);
    if (file === null) return undefined;
    try {
      return readFileSync(file, 'utf8');
    } catch (cause) {
      throw invalid(`its ${name} ${file} cannot be read`, 'a PEM file', cause);
    }
  };
  const ca = read('sslrootcert');
  const cert = read('sslcert');
  const key = read('sslkey');
  const own = { ...(ca ? { ca } : {}), ...(cert ? { cert } : {}), ...(key ? { key } : {}) };
  switch (mode) {
    case 'require':
      return { ...own, rejectUnauthorized: false };
    case 'verify-ca':
      return { ...own, rejectUnauthorized: true, checkServerIdentity: () => undefined };
    case 'verify-full':
      return { ...own, rejectUnauthorized: true };
    default:
      throw invalid(`sslmode ${mode}`, 'disable, require, verify-ca or verify-full');
  }
}

function whole(
  name: string,
  parameters: URLSearchParams,
  fallback: number,
  min: number,
  max: number,
): number {
  const text = parameters.get(name);
  const value = text === null ? fallback : Number(text);
  if (!Number.isInteger(value) || value < min || value > max)
    throw invalid(`${name} ${text}`, `${min} to ${max}`);
  return value;
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    throw invalid('a % in it is not followed by two digits', 'write a % of a password as %25');
  }
}

function invalid(what: string, hint: string, cause?: unknown): FlatrenderError {
  return new FlatrenderError('CONFIG_INVALID', `the address of the database (store): ${what}`, {
    hint,
    cause,
  });
}
