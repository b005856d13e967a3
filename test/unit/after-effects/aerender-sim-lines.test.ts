import assert from 'node:assert/strict';
import { test } from 'node:test';
import { renderLog } from '../../after-effects/lines.ts';
import { timecode } from '../../after-effects/timecode.ts';

test('drop-frame time code skips two numbers a minute, except each tenth', () => {
  const at = (frame: number) => timecode(frame, 29.97, true);
  assert.deepEqual([0, 1799, 1800, 3597, 3598, 17981, 17982, 19781, 19782].map(at), [
    '0;00;00;00',
    '0;00;59;29',
    '0;01;00;02',
    '0;01;59;29',
    '0;02;00;02',
    '0;09;59;29',
    '0;10;00;00',
    '0;10;59;29',
    '0;11;00;02',
  ]);
  assert.equal(timecode(3600, 59.94, true), '0;01;00;04');
  assert.equal(timecode(86400, 23.976, true), '1:00:00:00');
});

test('a log has the lines of a real one in their order and spacing', () => {
  const log = renderLog({ frames: 2, frameSeconds: 44, convertedFrom: '23.1' });
  assert.deepEqual(log, [
    'aerender version 24.2.1x2',
    'PROGRESS: Launching After Effects...',
    'PROGRESS: ...After Effects successfully launched',
    'INFO:After Effects: this project must be converted from version 23.1 (Macintosh 64). The original file will be unchanged.',
    'PROGRESS: Adding specified comp to Render Queue',
    'PROGRESS:  7/23/2024 2:40:31 PM: Starting composition "main".',
    'PROGRESS:  Render Settings: Best Settings',
    'PROGRESS:  Size: 1920 x 1080',
    'PROGRESS:  Start: 0:00:00:00',
    'PROGRESS:  End: 0:00:00:01',
    'PROGRESS:  Duration: 0:00:00:02',
    'PROGRESS:  Frame Rate: 30.00 (comp)',
    'PROGRESS:  Output Module: Lossless',
    'PROGRESS:  Output To: C:\\render\\out.mov',
    'PROGRESS:  Format: QuickTime',
    'PROGRESS:  Start Frame: 0',
    'PROGRESS:  0:00:00:00 (1): 44 Seconds',
    'PROGRESS:  0:00:00:01 (2): 44 Seconds',
    'PROGRESS:  7/23/2024 2:41:59 PM: Finished composition "main".',
    'PROGRESS:  Total Time Elapsed: 1 Min, 28 Sec',
  ]);
});

test('a log comes in other languages, with the version late, by fields and in frame numbers', () => {
  const german = renderLog({ language: 'de', frames: 1, versionAt: 'late', fps: 29.97, dropFrame: true });
  assert.equal(german.indexOf('aerender version 24.2.1x2'), 3);
  assert.ok(german.includes('PROGRESS:  Anfang: 0;00;00;00'));
  assert.ok(german.includes('PROGRESS:  Dauer: 0;00;00;01'));
  assert.ok(german.includes('PROGRESS:  Framerate: 29,97 (Komp.)'));
  const spanish = renderLog({
    language: 'es',
    frames: 1,
    fields: true,
    display: 'frames',
    startFrame: 86400,
    fps: 23.976,
  });
  assert.deepEqual(spanish.slice(-4, -2), [
    'PROGRESS:  86400 (1U): 0 segundos',
    'PROGRESS:  86400 (1L): 0 segundos',
  ]);
  assert.ok(spanish.includes('PROGRESS:  Velocidad de fotogramas: 23,976 (comp.)'));
});

test('an English log can have all settings, the others have not', () => {
  const full = renderLog({ frames: 1, settings: 'full' });
  assert.equal(full.length, renderLog({ frames: 1 }).length + 26);
  assert.ok(full.indexOf('PROGRESS:  Time Span: Work Area') < full.indexOf('PROGRESS:  Start: 0:00:00:00'));
  assert.ok(full.includes('PROGRESS:  Final Size: 1920 x 1080'));
  const german = { frames: 1, language: 'de' } as const;
  assert.deepEqual(renderLog({ ...german, settings: 'full' }), renderLog(german));
});
