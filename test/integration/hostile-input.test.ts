import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { gunzipSync } from 'node:zlib';
import fc from 'fast-check';
import { ROUTES, type RouteName } from '../../src/protocol/routes.ts';
import { backupStream } from '../../src/store/dump-file.ts';
import { type Attack, attack, attacks, openTarget, VALID } from '../fuzz/routes.ts';
import { hostileDirectory, readHostile, textFuzzes } from '../fuzz/texts.ts';

const kept = join(import.meta.dirname, '..', 'fixtures', 'hostile');
const names = Object.keys(ROUTES) as RouteName[];
const RUNS = 12;

test('every route has a request to begin with', () => {
  assert.deepEqual(Object.keys(VALID).sort(), [...names].sort());
});

test('what was sent to routes before and is kept: refused, or done', async () => {
  const sent = JSON.parse(readFileSync(join(kept, 'routes.json'), 'utf8')) as (Partial<Attack> & {
    route: RouteName;
  })[];
  await using target = await openTarget();
  const usual = {
    param: 'x',
    query: [],
    body: {},
    bytes: 'json',
    contentType: 'application/json',
    extra: [],
    auth: 'right',
  } as const;
  for (const { route, ...rest } of sent) await attack(target, route, { ...usual, ...rest });
  assert.equal((await target.farm.call('GET', '/health')).status, 200);
});

test('nearly valid requests of every route get a code or are done; a refusal changes nothing', async () => {
  await using target = await openTarget();
  const memory = process.memoryUsage().rss;
  for (const name of names) {
    await fc.assert(
      fc.asyncProperty(attacks(name, target.ids), async (sent) => {
        await attack(target, name, sent);
      }),
      { numRuns: RUNS, verbose: 0, reporter: named(name) },
    );
  }
  assert.equal((await target.farm.call('GET', '/health')).status, 200);
  assert.ok(process.memoryUsage().rss - memory < 512 * 1024 * 1024, 'memory grew by more than 512 MiB');
});

test('files of people and programs that are damaged are read or refused', async (t) => {
  using directory = hostileDirectory();
  for (const fuzz of textFuzzes(directory.path)) {
    await t.test(fuzz.name, () =>
      fc.assert(
        fc.asyncProperty(fuzz.inputs, (text) => readHostile(fuzz, text)),
        { numRuns: 150, reporter: named(fuzz.name) },
      ),
    );
  }
});

test('files that once broke something, or could, are read or refused', async () => {
  using directory = hostileDirectory();
  const texts = JSON.parse(readFileSync(join(kept, 'texts.json'), 'utf8')) as {
    format: string;
    text: string;
  }[];
  const fuzzes = new Map(textFuzzes(directory.path).map((fuzz) => [fuzz.name, fuzz]));
  for (const { format, text } of texts) {
    const fuzz = fuzzes.get(format);
    assert.ok(fuzz, format);
    await readHostile(fuzz, text);
  }
});

test('several who ask for a backup in the same moment each get one, and one who leaves ends nothing', async () => {
  await using target = await openTarget();
  const { farm } = target;
  const ask = () =>
    fetch(`${farm.url}/v1/backup`, { method: 'POST', headers: { authorization: `Bearer ${farm.token}` } });
  for (let round = 0; round < 5; round += 1) {
    const answers = await Promise.all(Array.from({ length: 6 }, ask));
    for (const answer of answers) {
      assert.equal(answer.status, 200);
      assert.match(gunzipSync(await answer.bytes()).toString(), /"end":true/);
    }
  }
  const left = new Error('the database is gone');
  const broken = backupStream(
    { format: 'flatrender-backup', version: 1, farm: 'x', madeAt: '2026-01-01T00:00:00Z', madeBy: '0' },
    // biome-ignore lint/correctness/useYield: it fails before its first row
    (async function* () {
      throw left;
    })(),
  );
  broken.resume();
  await new Promise((resolve) => broken.once('close', resolve));
  assert.equal(broken.errored, left);
});

/** Says with a failure what was fuzzed, and how it is run again. */
function named<T>(name: string) {
  return (details: fc.RunDetails<[T]>): void => {
    if (!details.failed) return;
    const again = `npm run fuzz -- --only ${JSON.stringify(name)} --seed ${details.seed}`;
    const found = fc.stringify(details.counterexample).slice(0, 4000);
    throw new Error(`${name}: ${found}\nagain: ${again}`, { cause: details.errorInstance });
  };
}
