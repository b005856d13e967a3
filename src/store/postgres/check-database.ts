import { connectFailure } from './connect-error.ts';
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
 * the next thing to type.
 */
export async function checkDatabase(url: string): Promise<DatabaseFacts> {
  const servers = new Servers(url);
  const { address, place } = servers;
  const client = await servers.connect();
  try {
    const askedAt = performance.now();
    const { rows } = await client.query(FACTS);
    const answerMs = performance.now() - askedAt;
    const facts = rows[0] ?? {};
    const hasFarm = facts.has_farm === true;
    // As the server itself would refuse the first table.
    if (!hasFarm && facts.may_create !== true) {
      throw connectFailure(new MissingRight('permission denied for schema public'), address, place);
    }
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

class MissingRight extends Error {
  readonly code = '42501';
}

const FACTS = `select split_part(current_setting('server_version'), ' ', 1) as version,
  to_regclass('flatrender_schema') is not null as has_farm,
  coalesce(has_schema_privilege(current_schema(), 'create'), false) as may_create,
  current_setting('max_connections')::int - current_setting('superuser_reserved_connections')::int
    - (select count(*) from pg_stat_activity where backend_type = 'client backend') as connections_left`;

const REPLICAS = "select count(*) as n from replicas where seen_at > now() - interval '5 s'";
