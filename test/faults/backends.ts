/** What a farm keeps its rows and files in: nothing but its directory, or a private PostgreSQL server and a private S3 server. */
import { randomBytes } from 'node:crypto';
import { noPostgres, type Postgres, startPostgres } from '../helpers/postgres.ts';
import { type Radosgw, radosgwMissing, startRadosgw } from '../helpers/radosgw.ts';
import { startTcpProxy, type TcpProxy } from '../helpers/tcp-proxy.ts';

export type StoreKind = 'sqlite' | 'postgres';
export type ObjectsKind = 'fs' | 's3';

export interface BackendKinds {
  readonly store: StoreKind;
  readonly objects: ObjectsKind;
}

export interface Backends extends AsyncDisposable {
  /** Options of flatrender.yaml. */
  readonly settings: Readonly<Record<string, string>>;
  readonly postgres: Postgres | null;
  readonly s3: Radosgw | null;
  /** The line between the control planes and the database. */
  readonly databaseLine: TcpProxy | null;
  /** The line of everybody to the S3 server. */
  readonly objectsLine: TcpProxy | null;
}

/** Why these backends cannot be had on this machine; null: they can. */
export function missingBackends({ store, objects }: BackendKinds): string | null {
  if (store === 'postgres' && noPostgres !== false) return noPostgres;
  if (objects === 's3' && radosgwMissing !== undefined) return radosgwMissing;
  return null;
}

/** Starts them. What PostgreSQL acknowledges is on the disk, as in production. */
export async function startBackends({ store, objects }: BackendKinds): Promise<Backends> {
  await using undo = new AsyncDisposableStack();
  const settings: Record<string, string> = {};
  let postgres: Postgres | null = null;
  let databaseLine: TcpProxy | null = null;
  if (store === 'postgres') {
    postgres = undo.use(await startPostgres({ durable: true }));
    const { url } = await postgres.createDatabase();
    databaseLine = undo.use(await startTcpProxy(url));
    settings.store = withPort(url, databaseLine.port);
  }
  let s3: Radosgw | null = null;
  let objectsLine: TcpProxy | null = null;
  if (objects === 's3') {
    s3 = undo.use(await startRadosgw({ bytes: 1024 ** 3 }));
    objectsLine = undo.use(await startTcpProxy(s3.url));
    Object.assign(settings, {
      'objects.type': 's3',
      'objects.endpoint': objectsLine.url,
      'objects.region': s3.region,
      'objects.bucket': `faults-${randomBytes(4).toString('hex')}`,
      'objects.accessKey': s3.accessKey,
      'objects.secretKey': s3.secretKey,
      'objects.createBucket': 'true',
    });
  }
  const all = undo.move();
  return {
    settings,
    postgres,
    s3,
    databaseLine,
    objectsLine,
    [Symbol.asyncDispose]: () => all.disposeAsync(),
  };
}

function withPort(url: string, port: number): string {
  const changed = new URL(url);
  changed.port = String(port);
  return changed.href;
}
