import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { NewAuditEntry } from '../../src/store/audit.ts';
import type { Store } from '../../src/store/store.ts';
import type { OpenStore } from './store-samples.ts';

function entry(at: number, changes: Partial<NewAuditEntry> = {}): NewAuditEntry {
  return {
    at,
    actor: 'ops (t1)',
    action: 'cancelJob',
    subject: 'j1',
    outcome: '200',
    from: '10.66.0.7',
    details: { n: 1 },
    ...changes,
  };
}

/** Who did what, and what operators set. */
export function auditTests(open: () => Promise<OpenStore>): void {
  test('the audit log keeps entries whole, newest first, over a restart', async () => {
    await using opened = await open();
    await opened.store.appendAudit(entry(1000));
    await opened.store.appendAudit(entry(900, { subject: null, from: null, details: { name: 'Grüße 字' } }));
    const store = await opened.reopen();
    const [second, first, ...rest] = await store.listAudit({ limit: 10 });
    assert.deepEqual(rest, []);
    assert.deepEqual(first, { ...entry(1000), seq: first?.seq });
    assert.deepEqual(second, {
      ...entry(900, { subject: null, from: null, details: { name: 'Grüße 字' } }),
      seq: second?.seq,
    });
    assert.ok((second?.seq ?? 0) > (first?.seq ?? 0));
  });

  test('the audit log is read page by page and by who, what, whom and when', async () => {
    await using opened = await open();
    const { store } = opened;
    for (let i = 0; i < 10; i += 1) {
      await store.appendAudit(
        entry(1000 + i, {
          actor: i % 2 === 0 ? 'even (t2)' : 'odd (t3)',
          action: i < 5 ? 'cancelJob' : 'removeNode',
          subject: i === 7 ? 'desk' : null,
        }),
      );
    }
    const times = async (filter: Partial<Parameters<Store['listAudit']>[0]>) =>
      (await store.listAudit({ limit: 100, ...filter })).map(({ at }) => at - 1000);
    assert.deepEqual(await times({}), [9, 8, 7, 6, 5, 4, 3, 2, 1, 0]);
    assert.deepEqual(await times({ limit: 3 }), [9, 8, 7]);
    const [, , third] = await store.listAudit({ limit: 3 });
    assert.deepEqual(await times({ limit: 3, before: third?.seq }), [6, 5, 4]);
    assert.deepEqual(await times({ since: 1008 }), [9, 8]);
    assert.deepEqual(await times({ actor: 'even (t2)', action: 'cancelJob' }), [4, 2, 0]);
    assert.deepEqual(await times({ subject: 'desk' }), [7]);
    assert.deepEqual(await times({ action: 'submit' }), []);
  });

  test('old audit entries are purged, and their numbers are not used again', async () => {
    await using opened = await open();
    const { store } = opened;
    for (let i = 0; i < 5; i += 1) await store.appendAudit(entry(1000 + i));
    const [newest] = await store.listAudit({ limit: 1 });
    assert.equal(await store.purgeAudit(1003, 2), 2);
    assert.equal(await store.purgeAudit(1003, 100), 1);
    assert.equal((await store.listAudit({ limit: 100 })).length, 2);
    assert.equal(await store.purgeAudit(9000, 100), 2);
    await store.appendAudit(entry(9500));
    const [last] = await store.listAudit({ limit: 1 });
    assert.ok((last?.seq ?? 0) > (newest?.seq ?? 0));
  });

  test('settings are changed in one step, listed by their beginning, and kept', async () => {
    await using opened = await open();
    const { store } = opened;
    assert.equal(await store.getSetting('hook:a'), null);
    assert.equal(await store.changeSetting('hook:a', (value) => `${value}`), 'null');
    await Promise.all(
      Array.from({ length: 10 }, () =>
        store.changeSetting('count', (value) => String(Number(value ?? 0) + 1)),
      ),
    );
    await store.changeSetting('hook:b', () => '{"x":"字"}');
    const reopened = await opened.reopen();
    assert.equal(await reopened.getSetting('count'), '10');
    assert.deepEqual(await reopened.listSettings('hook:'), [
      { key: 'hook:a', value: 'null' },
      { key: 'hook:b', value: '{"x":"字"}' },
    ]);
    assert.equal(await reopened.changeSetting('hook:a', () => null), null);
    assert.equal(await reopened.getSetting('hook:a'), null);
    assert.deepEqual(await reopened.listSettings('hook_'), []);
  });
}
