/** A state directory that is prepared beside a database with a farm in it. */
import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { loadControlConfig } from '../../src/config/control-config.ts';
import { homePaths } from '../../src/config/home.ts';
import { backupFarm, restoreFarm } from '../../src/control/copy-farm.ts';
import { AGREED_SECRET } from '../../src/control/farm-identity.ts';
import { type InitOptions, type InitResult, initFarm } from '../../src/control/init-farm.ts';
import { openStore } from '../../src/control/open-store.ts';
import { requireFarm } from '../../src/control/require-farm.ts';
import type { Store } from '../../src/store/store.ts';
import { newJob, nodes } from '../conformance/store-samples.ts';
import { failureOf } from '../helpers/failure-of.ts';
import { noPostgres, startPostgres } from '../helpers/postgres.ts';

async function emptyHome(t: TestContext): Promise<string> {
  const directory = await mkdtemp(join(tmpdir(), 'flatrender-init-'));
  t.after(() => rm(directory, { recursive: true }));
  return directory;
}

function init(directory: string, more: Partial<InitOptions> = {}): Promise<InitResult> {
  return initFarm({ directory, settings: {}, newAdminToken: false, dryRun: false, ...more });
}

async function inStore<T>(directory: string, store: string, use: (store: Store) => Promise<T>): Promise<T> {
  const config = loadControlConfig({ directory, env: {}, flags: { store } });
  const opened = await openStore(directory, config);
  try {
    return await use(opened);
  } finally {
    await opened.close();
  }
}

const secretOf = ({ steps }: InitResult) => steps.find(({ what }) => what === 'farm secret');

test('a new farm secret is not made beside nodes of another one, unless that is wanted', async (t) => {
  const directory = await emptyHome(t);
  const { farmSecret, config } = homePaths(directory);
  await inStore(directory, 'sqlite:flatrender.db', (store) => nodes(store, 'a', 'b'));
  const refused = await failureOf(init(directory));
  assert.equal(refused.code, 'CONFIG_INVALID');
  assert.match(refused.message, /sqlite:flatrender\.db has 2 nodes, and there is no \S+farm\.secret/);
  assert.match(refused.hint ?? '', /scp OTHER-MACHINE:\S+farm\.secret \S+farm\.secret.*--force/);
  const plan = await init(directory, { dryRun: true });
  assert.match(secretOf(plan)?.note ?? '', /refused where the database has nodes/);
  for (const file of [farmSecret, config]) assert.equal(existsSync(file), false, file);

  const forced = secretOf(await init(directory, { force: true }));
  assert.equal(forced?.result, 'created');
  assert.match(forced?.note ?? '', /no node of this database \(2\) can sign in until it is invited anew/);
  assert.equal(secretOf(await init(directory))?.result, 'already');
});

test('nor in a database on whose secret control planes agreed', { skip: noPostgres }, async (t) => {
  await using cluster = await startPostgres();
  const { url } = await cluster.createDatabase();
  const directory = await emptyHome(t);
  const settings = { store: url };
  await inStore(directory, url, async ({ shared }) => {
    await shared?.agree('farm-secret', 'of another');
  });
  const refused = await failureOf(init(directory, { settings }));
  assert.match(refused.message, /has a farm with another secret, and there is no/);
  assert.ok(!`${refused.message}${refused.hint}`.includes(cluster.password));
  assert.equal(secretOf(await init(directory, { settings, force: true }))?.result, 'created');
  const kept = await inStore(directory, url, (store) => store.getSetting(AGREED_SECRET));
  assert.equal(kept, null, 'the next control plane says which one it is');
});

test('what init, restore, migrate or an earlier version has left in a database is a farm; nothing else is', async (t) => {
  const directory = await emptyHome(t);
  const config = loadControlConfig({ directory, env: {} });
  const check = async (store: string) =>
    await inStore(directory, store, (opened) => requireFarm(opened, { ...config, store }));
  const refused = await failureOf(check('sqlite:empty.db'));
  assert.equal(refused.code, 'CONFIG_MISSING');
  assert.match(refused.hint ?? '', /^correct store in flatrender\.yaml; .*control init/);
  // Not of a farm: somebody knocked at one that was there by mistake.
  const entry = { at: 1, actor: 'unknown', subject: null, outcome: '401', from: null, details: {} };
  await inStore(directory, 'sqlite:empty.db', (store) => store.appendAudit({ ...entry, action: 'submit' }));
  await failureOf(check('sqlite:empty.db'));

  await inStore(directory, 'sqlite:old.db', (store) => nodes(store, 'a'));
  await check('sqlite:old.db');
  await inStore(directory, 'sqlite:jobs.db', (store) => store.submit([newJob()]));
  await check('sqlite:jobs.db');
  const signal = new AbortController().signal;
  const path = join(directory, 'farm.backup');
  await backupFarm({ directory, config: { ...config, store: 'sqlite:empty.db' }, signal, path });
  await restoreFarm({ directory, config: { ...config, store: 'sqlite:restored.db' }, signal, path });
  await check('sqlite:restored.db');
  await init(directory);
  await check(config.store);
});
