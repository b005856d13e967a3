import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { clock } from './clock.ts';
import { floods } from './floods.ts';
import { fullAgent, fullDatabase, fullLog, fullObjects } from './full-disk.ts';
import { runInTest, unless } from './in-test.ts';
import { line, lineDatabase } from './line.ts';
import { pause } from './pause.ts';
import { slowClients } from './slow-clients.ts';

const postgres = { store: 'postgres' } as const;

// Each waits for seconds to pass; what they compute is little.
describe('trouble', { concurrency: 3 }, () => {
  test('programs that stand still longer than a lease lose nothing', async () => {
    await runInTest(pause, 2);
  });

  test('a line that stalls, breaks now and then and is cut loses nothing', async () => {
    await runInTest(line, 3, { lastsMs: 3500 });
  });

  test('a line to the database that stalls, breaks now and then and is cut loses nothing', {
    skip: unless(lineDatabase, postgres),
  }, async () => {
    await runInTest(lineDatabase, 3, { ...postgres, lastsMs: 2000 });
  });

  test('clocks that jump by hours, and back, lose nothing', async () => {
    await runInTest(clock, 4, { lastsMs: 1500 });
  });

  for (const fault of [fullDatabase, fullObjects, fullAgent, fullLog]) {
    test(`${fault.summary}: nothing is lost, and it goes on`, { skip: unless(fault) }, async () => {
      const { notes } = await runInTest(fault, 1, { lastsMs: 2000 });
      if (fault === fullDatabase) assert.match(notes.join('\n'), /refused with 507: no space left to write/);
    });
  }

  test('clients that open connections and say little keep nobody from being served', async () => {
    const { notes } = await runInTest(slowClients, 2);
    assert.doesNotMatch(notes.join('\n'), /stayed open/);
  });

  test('floods of logs, previews, submits and unread event streams leave memory bounded and others served', async () => {
    const { notes } = await runInTest(floods, 4, { lastsMs: 1500 });
    const most = notes
      .flatMap((note) => [...note.matchAll(/memory before \/ most \/ after \d+ \/ (\d+)/g)])
      .map(([, mb]) => Number(mb));
    assert.equal(most.length, 4);
    assert.ok(Math.max(...most) < 800, `${most.join(', ')} MB`);
  });
});
