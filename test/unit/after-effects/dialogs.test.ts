import assert from 'node:assert/strict';
import { test } from 'node:test';
import { dialogOf, findDialog } from '../../../src/engines/aerender/machine/dialogs.ts';

test('windows that wait for somebody are known by their titles, in three languages', () => {
  for (const [title, kind, code] of [
    ['Crash Repair Options', 'crash-repair', 'AE_CRASHED'],
    ['Adobe After Effects has stopped working', 'crash-repair', 'AE_CRASHED'],
    ['Reparaturoptionen nach Absturz', 'crash-repair', 'AE_CRASHED'],
    ['Opciones de reparación de fallos', 'crash-repair', 'AE_CRASHED'],
    ['Resolve Fonts', 'missing-font', 'AE_MISSING_FONT'],
    ['Schriften auflösen', 'missing-font', 'AE_MISSING_FONT'],
    ['Resolver fuentes', 'missing-font', 'AE_MISSING_FONT'],
    ['Convert Project', 'conversion', 'AE_DIALOG'],
    ['Projekt konvertieren', 'conversion', 'AE_DIALOG'],
    ['Convertir proyecto', 'conversion', 'AE_DIALOG'],
    ['Sign in required', 'licence', 'AE_LICENSE'],
    ['Lizenz abgelaufen', 'licence', 'AE_LICENSE'],
    ['Su licencia ha caducado', 'licence', 'AE_LICENSE'],
    ['After Effects is already running', 'other-instance', 'AE_OTHER_INSTANCE'],
    ['Script Alert', 'script-alert', 'AE_DIALOG'],
    ['After Effects Error', 'script-alert', 'AE_DIALOG'],
  ] as const) {
    const dialog = dialogOf(['Adobe After Effects 2024 - C:\\a.aep', title]);
    assert.deepEqual([dialog?.kind, dialog?.code], [kind, code], title);
    assert.ok(dialog?.message.includes(`"${title}"`), title);
    assert.ok(dialog?.hint);
  }
});

test('an After Effects at work is no dialog, whatever its project is called', () => {
  for (const title of [
    'Adobe After Effects 2024',
    'Adobe After Effects (Beta)',
    'Adobe After Effects 2024 - C:\\jobs\\Licence plate crash repair.aep',
    'Adobe After Effects CC 2019 - Untitled Project.aep *',
    'aerender',
    'Explorer',
    '',
  ])
    assert.equal(dialogOf([title]), null, title);
});

test('titles may come from elsewhere; without a source there are none outside of Windows', async () => {
  const { signal } = new AbortController();
  const asked: (readonly number[])[] = [];
  const windowTitles = async (pids: readonly number[]) => {
    asked.push(pids);
    return ['Script Alert'];
  };
  assert.equal((await findDialog([41, 42], signal, { windowTitles }))?.kind, 'script-alert');
  assert.deepEqual(asked, [[41, 42]]);
  if (process.platform !== 'win32') assert.equal(await findDialog([process.pid], signal), null);
  await assert.rejects(findDialog([1], AbortSignal.abort(new Error('over')), { windowTitles }), /over/);
});
