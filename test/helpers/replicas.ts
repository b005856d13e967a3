/** Several control planes of one farm in this process, on one SQLite file that is shared, or on PostgreSQL. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { ControlConfigInput } from '../../src/config/control-schema.ts';
import type { Clock } from '../../src/lib/clock.ts';
import type { Logger } from '../../src/lib/logger.ts';
import { openSqliteStore } from '../../src/store/sqlite/sqlite-store.ts';
import { startTestControl, type TestControl } from './control.ts';
import { type Postgres, startPostgres } from './postgres.ts';
import { type SharedFarm, type StoreView, shareStore } from './shared-store.ts';

export interface ReplicasOptions {
  readonly count: number;
  readonly config?: ControlConfigInput;
  /** One for all, or one each. */
  readonly clock?: Clock | ((index: number) => Clock);
  readonly logger?: (index: number) => Logger;
}

export interface Replicas extends AsyncDisposable {
  /** The first one leads. */
  readonly all: readonly TestControl[];
  /** One more control plane of this farm. */
  add(changes?: {
    readonly config?: ControlConfigInput;
    readonly sameSecret?: boolean;
  }): Promise<TestControl>;
}

/** On one SQLite file: tests say what each of them hears. */
export interface SharedReplicas extends Replicas {
  readonly farm: SharedFarm;
  /** The store as each of them has it, in their order. */
  readonly views: readonly StoreView[];
}

export async function startSharedReplicas(options: ReplicasOptions): Promise<SharedReplicas> {
  const directory = await mkdtemp(join(tmpdir(), 'flatrender-replicas-'));
  const farm = shareStore(await openSqliteStore({ path: join(directory, 'farm.db') }));
  const views: StoreView[] = [];
  const openStore = (): StoreView => {
    const view = farm.open();
    views.push(view);
    return view;
  };
  const started = await startAll({ ...options, directory, more: { openStore } });
  return {
    ...started,
    farm,
    views,
    async [Symbol.asyncDispose]() {
      await started[Symbol.asyncDispose]();
      await farm[Symbol.asyncDispose]();
      await rm(directory, { recursive: true, force: true });
    },
  };
}

export interface PostgresReplicas extends Replicas {
  readonly cluster: Postgres;
}

/** On PostgreSQL; a cluster of its own unless one is given. */
export async function startPostgresReplicas(
  options: ReplicasOptions & { readonly cluster?: Postgres },
): Promise<PostgresReplicas> {
  const directory = await mkdtemp(join(tmpdir(), 'flatrender-replicas-'));
  const cluster = options.cluster ?? (await startPostgres());
  const { url } = await cluster.createDatabase();
  const config = { ...options.config, store: url };
  const started = await startAll({ ...options, config, directory, more: {} });
  return {
    ...started,
    cluster,
    async [Symbol.asyncDispose]() {
      await started[Symbol.asyncDispose]();
      if (!options.cluster) await cluster[Symbol.asyncDispose]();
      await rm(directory, { recursive: true, force: true });
    },
  };
}

interface StartOptions extends ReplicasOptions {
  readonly directory: string;
  readonly more: { readonly openStore?: () => StoreView };
}

async function startAll(options: StartOptions): Promise<Replicas> {
  const { count, clock, logger, more, directory } = options;
  const all: TestControl[] = [];
  const add: Replicas['add'] = async ({ config, sameSecret = true } = {}) => {
    const index = all.length;
    const first = all[0];
    const own = typeof clock === 'function' ? clock(index) : clock;
    const log = logger?.(index);
    const control = await startTestControl({
      config: { objects: { path: join(directory, 'objects') }, ...options.config, ...config },
      ...(own ? { clock: own } : {}),
      ...(log ? { logger: log } : {}),
      ...(first && sameSecret ? { sameFarmAs: first.directory } : {}),
      ...more,
    });
    all.push(control);
    return control;
  };
  for (let i = 0; i < count; i += 1) await add();
  return {
    all,
    add,
    async [Symbol.asyncDispose]() {
      for (const control of all) await control[Symbol.asyncDispose]();
    },
  };
}
