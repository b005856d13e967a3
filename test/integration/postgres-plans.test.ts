import assert from 'node:assert/strict';
import { test } from 'node:test';
import pg from 'pg';
import { openPostgresStore } from '../../src/store/postgres/postgres-store.ts';
import { noPostgres, startPostgres } from '../helpers/postgres.ts';
import { useAll } from '../helpers/use-all.ts';

/** Tables that grow with the number of jobs. */
const BIG = new Set(['jobs', 'tasks', 'attempts', 'logs', 'job_assets', 'idempotency']);

/** Indexes over the few rows that are running, due or finished; the queue is only read from its front, see below. */
const PARTIAL = new Set(['tasks_running', 'tasks_ready', 'jobs_ended', 'tasks_queued']);

/** Counting goes through everything, in the background and seldom; the newest jobs are read from the end, up to a limit. */
const ALLOWED = [/^select state, count\(\*\) as n from (jobs|tasks) group by state$/];

interface Plan {
  readonly 'Node Type': string;
  readonly 'Relation Name'?: string;
  readonly 'Index Name'?: string;
  readonly 'Index Cond'?: string;
  readonly Plans?: readonly Plan[];
}

/** What of the plan goes through a big table from one end to the other. `limited`: something above stops after some rows. */
function walksOf(plan: Plan, limited = false): readonly string[] {
  const type = plan['Node Type'];
  const table = plan['Relation Name'] ?? '';
  const index = plan['Index Name'] ?? '';
  const isWhole =
    /Seq Scan/.test(type) || (/^Index/.test(type) && plan['Index Cond'] === undefined && !PARTIAL.has(index));
  const own = isWhole && !limited && BIG.has(table) ? [`${type} ${table} ${index}`.trim()] : [];
  // Sorting reads all there is before the first row comes out.
  const below = type === 'Limit' || (limited && !/Sort|Aggregate|Hash$/.test(type));
  return [...own, ...(plan.Plans ?? []).flatMap((each) => walksOf(each, below))];
}

test('no statement on PostgreSQL walks a table that grows with the jobs', { skip: noPostgres }, async (t) => {
  await using cluster = await startPostgres();
  const { url } = await cluster.createDatabase();
  const statements = new Map<string, readonly unknown[]>();
  const query = pg.Client.prototype.query;
  t.mock.method(pg.Client.prototype, 'query', function (this: pg.Client, ...args: unknown[]) {
    const [config] = args;
    if (typeof config === 'object' && config !== null && 'text' in config) {
      const { text, values } = config as pg.QueryConfig;
      statements.set(text, values ?? []);
    }
    return Reflect.apply(query, this, args);
  });
  const store = await openPostgresStore({ url });
  await useAll(store);
  await store.close();
  t.mock.restoreAll();

  const client = new pg.Client({ connectionString: url });
  await client.connect();
  // As the store's own connections have it.
  for (const setting of ['enable_seqscan', 'enable_hashjoin', 'enable_mergejoin', 'jit']) {
    await client.query(`set ${setting} = off`);
  }
  const walks: string[] = [];
  for (const [text, values] of statements) {
    if (
      !/^\s*(select|insert|update|delete|with)\b/.test(text) ||
      ALLOWED.some((allowed) => allowed.test(text))
    )
      continue;
    const { rows } = await client.query(`explain (format json) ${text}`, [...values]);
    const [{ Plan: plan }] = rows[0]['QUERY PLAN'] as [{ Plan: Plan }];
    for (const walk of walksOf(plan)) walks.push(`${walk}: ${text.replace(/\s+/g, ' ')}`);
  }
  await client.end();
  assert.deepEqual(walks, []);
  assert.ok(statements.size > 50, `${statements.size} statements`);
});
