import type { ClientBase } from 'pg';
import { FlatrenderError } from '../../lib/errors.ts';
import type { DatabaseAddress } from './address.ts';
import { connectFailure } from './connect-error.ts';
import { requireKnownSchema } from './migrate.ts';
import { Servers } from './servers.ts';

/** A database as a control plane would find it now. */
export interface DatabaseFacts {
  /** Hosts and database, without user and password. */
  readonly place: string;
  readonly serverVersion: string;
  /** Whether there is a farm in it already. */
  readonly hasFarm: boolean;
  /** Control planes that have it open now. */
  readonly controlPlanes: number;
  /** Milliseconds of one question and its answer. */
  readonly answerMs: number;
  /** Connections that the server has left for everybody. */
  readonly connectionsLeft: number;
  /** Connections that one control plane takes at most. */
  readonly connectionsNeeded: number;
}

/**
 * Connects as a control plane does, changes nothing. UNAVAILABLE, or CONFIG_INVALID when somebody has to do something, with
 * the next thing to type; SCHEMA_NEWER.
 */
export async function checkDatabase(url: string): Promise<DatabaseFacts> {
  const servers = new Servers(url);
  const { address, place } = servers;
  const client = await servers.connect();
  try {
    await requireUnicode(client, address);
    const askedAt = performance.now();
    const { rows } = await client.query(FACTS);
    const answerMs = performance.now() - askedAt;
    const facts = rows[0] ?? {};
    const hasFarm = facts.has_farm === true;
    // As the server itself would refuse the first table.
    if (!hasFarm && facts.may_create !== true) {
      throw connectFailure(new MissingRight('permission denied for schema public'), address, place);
    }
    if (hasFarm) await requireKnownSchema(client, place);
    const { rows: replicas } = hasFarm ? await client.query(REPLICAS) : { rows: [] };
    return {
      place,
      serverVersion: String(facts.version),
      hasFarm,
      controlPlanes: Number(replicas[0]?.n ?? 0),
      answerMs,
      connectionsLeft: Number(facts.connections_left),
      connectionsNeeded: address.poolSize + 1,
    };
  } catch (error) {
    throw connectFailure(error, address, place);
  } finally {
    await client.end().catch(() => undefined);
  }
}

/**
 * CONFIG_INVALID for a database that cannot keep every text: the first name that its encoding lacks would fail long after the
 * farm was set up, and the encoding of a database cannot be changed.
 */
export async function requireUnicode(client: ClientBase, address: DatabaseAddress): Promise<void> {
  const { rows } = await client.query(ENCODING);
  const { encoding, has_farm: hasFarm } = rows[0] ?? {};
  if (encoding === 'UTF8') return;
  const { database, user, place } = address;
  const other = `${database}_utf8`;
  const copy = hasFarm === true ? `; then copy the farm: pg_dump ${database} | psql ${other}` : '';
  throw new FlatrenderError(
    'CONFIG_INVALID',
    `the database ${place} keeps texts in ${encoding}; flatrender needs UTF8`,
    {
      // The locale of the server may be one of its encoding alone; C goes with every encoding.
      hint: `make another one there and name that: create database ${quoted(other)} owner ${quoted(user)} encoding 'UTF8' locale 'C' template template0${copy}`,
    },
  );
}

/** A name in SQL. */
function quoted(name: string): string {
  return /^[a-z_][a-z0-9_]*$/.test(name) ? name : `"${name.replaceAll('"', '""')}"`;
}

class MissingRight extends Error {
  readonly code = '42501';
}

const FACTS = `select split_part(current_setting('server_version'), ' ', 1) as version,
  to_regclass('flatrender_schema') is not null as has_farm,
  coalesce(has_schema_privilege(current_schema(), 'create'), false) as may_create,
  current_setting('max_connections')::int - current_setting('superuser_reserved_connections')::int
    - (select count(*) from pg_stat_activity where backend_type = 'client backend') as connections_left`;

const ENCODING = `select current_setting('server_encoding') as encoding,
  to_regclass('flatrender_schema') is not null as has_farm`;

const REPLICAS = "select count(*) as n from replicas where seen_at > now() - interval '5 s'";
