import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { type AerenderEvent, AerenderOutput } from '../../../src/engines/aerender/report/output.ts';
import { framesOf, plainDigits } from '../../../src/engines/aerender/report/output-lines.ts';
import { renderLog } from '../../after-effects/lines.ts';

/** What a log says, without the lines that say nothing. */
function read(lines: readonly string[], options: { fps?: number } = {}): AerenderEvent[] {
  const output = new AerenderOutput(options);
  return lines.map((line) => output.push(line)).filter((event) => event !== null);
}

const types = (events: readonly AerenderEvent[]): string[] =>
  events.map((event) => (event.type === 'header' ? event.field : event.type));

const ENGLISH = [
  'aerender version 24.2.1x2',
  'PROGRESS: Launching After Effects...',
  'PROGRESS: ...After Effects successfully launched',
  'INFO:After Effects: this project must be converted from version 23.1 (Macintosh 64). The original file will be unchanged.',
  'PROGRESS: Adding specified comp to Render Queue',
  'PROGRESS:  7/23/20 2:40:31 PM GMT+5:30: Starting composition "main".',
  'PROGRESS:  Start: 0:00:00:00',
  'PROGRESS:  End: 0:00:01:29',
  'PROGRESS:  Duration: 0:00:03:00',
  'PROGRESS:  Frame Rate: 30.00 (comp)',
  'PROGRESS:  Output To: C:\\render\\out.mov',
  'PROGRESS:  Format: QuickTime',
  'PROGRESS:  0:00:00:00 (1): 0 Seconds',
  'PROGRESS:  0:00:00:01 (2): 1 Seconds',
  'PROGRESS:  5/7/2018 6:22:38 PM: Finished composition "main".',
  'PROGRESS:  Total Time Elapsed: 1 Min, 28 Sec',
];

describe('the lines of aerender', () => {
  test('an English log is read line by line', () => {
    assert.deepEqual(read(ENGLISH), [
      { type: 'version', version: '24.2.1x2' },
      { type: 'launching' },
      { type: 'launched' },
      {
        type: 'info',
        text: 'After Effects: this project must be converted from version 23.1 (Macintosh 64). The original file will be unchanged.',
        convertedFrom: '23.1',
      },
      { type: 'starting', composition: 'main' },
      { type: 'header', field: 'start', timecode: '0:00:00:00', frames: null },
      { type: 'header', field: 'end', timecode: '0:00:01:29', frames: null },
      { type: 'header', field: 'duration', timecode: '0:00:03:00', frames: null },
      { type: 'header', field: 'frame-rate', fps: 30 },
      { type: 'header', field: 'output', path: 'C:\\render\\out.mov' },
      { type: 'header', field: 'format', format: 'QuickTime' },
      { type: 'frame', timecode: '0:00:00:00', number: 1, index: 0 },
      { type: 'frame', timecode: '0:00:00:01', number: 2, index: 1 },
      { type: 'finished', composition: 'main' },
      { type: 'total-time' },
    ]);
  });

  const styles = [
    { language: 'en', clock: '12h' },
    { language: 'en', clock: '12h-zone' },
    { language: 'de', clock: '24h' },
    { language: 'es', clock: '24h' },
  ] as const;
  for (const style of styles) {
    for (const versionAt of ['early', 'late'] as const) {
      for (const display of ['timecode', 'frames'] as const) {
        test(`${style.language}, ${style.clock}, version ${versionAt}, ${display}: the same events`, () => {
          const lines = renderLog({ ...style, versionAt, display, frames: 3, startFrame: 48, fps: 23.976 });
          const events = read(lines);
          const body = types(events).filter((type) => type !== 'version');
          assert.equal(types(events).filter((type) => type === 'version').length, 1);
          assert.deepEqual(body, [
            'launching',
            'launched',
            'starting',
            'size',
            'start',
            'end',
            'duration',
            'frame-rate',
            'output',
            'format',
            'frame',
            'frame',
            'frame',
            'finished',
            'total-time',
          ]);
          const frames = events.filter((event) => event.type === 'frame');
          assert.deepEqual(
            frames.map(({ index }) => index),
            [0, 1, 2],
          );
          const named = events.flatMap((event) => ('composition' in event ? [event.composition] : []));
          assert.deepEqual(named, ['main', 'main']);
        });
      }
    }
  }

  test('a language that nobody thought of is read by its shape', () => {
    const events = read([
      'PROGRESS:  2020/07/23 14:40:31: コンポジション「メイン」。',
      'PROGRESS:  先頭: ٠:٠٠:٠١:٠٠',
      'PROGRESS:  末尾: 0:00:02:00',
      'PROGRESS:  デュレーション: 0:00:01:01',
      'PROGRESS:  フレームレート： 25,00 （コンポ）',
      'PROGRESS:  出力先: /Volumes/render/出力.mov',
      'PROGRESS:  形式: QuickTime',
      'PROGRESS:  ٠:٠٠:٠١:٠١ (٢): 0 秒',
      'PROGRESS:  0:00:01:02 （3）: 0 秒',
      'PROGRESS:  2020/07/23 14:40:39: コンポジション「メイン」。',
      'PROGRESS:  合計: 8 秒',
    ]);
    assert.deepEqual(events, [
      { type: 'starting', composition: 'メイン' },
      { type: 'header', field: 'start', timecode: '0:00:01:00', frames: null },
      { type: 'header', field: 'end', timecode: '0:00:02:00', frames: null },
      { type: 'header', field: 'duration', timecode: '0:00:01:01', frames: null },
      { type: 'header', field: 'frame-rate', fps: 25 },
      { type: 'header', field: 'output', path: '/Volumes/render/出力.mov' },
      { type: 'header', field: 'format', format: 'QuickTime' },
      { type: 'frame', timecode: '0:00:01:01', number: 2, index: 1 },
      { type: 'frame', timecode: '0:00:01:02', number: 3, index: 2 },
      { type: 'finished', composition: 'メイン' },
      { type: 'total-time' },
    ]);
  });

  test('a composition named like a line of the log changes nothing', () => {
    const name = 'Finished "0:00:00:05 (6): 0 Seconds" 12:00:00 PROGRESS: Start: 0:00:09:00';
    const events = read(renderLog({ composition: name, frames: 1 }));
    const starting = events.filter((event) => event.type === 'starting');
    assert.deepEqual(starting, [{ type: 'starting', composition: name }]);
    assert.equal(events.filter((event) => event.type === 'frame').length, 1);
    assert.equal(events.filter((event) => event.type === 'finished').length, 1);
  });

  test('frame numbers come with fields, grouping, lost beginnings, byte order marks and Windows line ends', () => {
    const numbers = [
      'PROGRESS:  0:00:00:00 (1U): 0 Seconds',
      'PROGRESS:  0:20:34:14 (1.234.567L): 0 Sekunden',
      'PROGRESS:  0:20:34:14 (1\u202f234): 0 secondes',
      '\uFEFFPROGRESS:  0:00:00:01 (2): 1 Seconds\r\n',
      'OGRESS:  0:00:00:02 (3): 1 Seconds',
      '0:00:00:03 (4): 1 Seconds',
      'PROGRESS:  0;00;00;04 (5): 1 Seconds',
      'PROGRESS:  0000+05 (6): 1 Seconds',
      'PROGRESS:  6 (7): 1 Seconds',
      'P\u0000R\u0000OGRESS:  0:00:00:07 (8): 1 Seconds',
    ].map((line) => {
      const event = new AerenderOutput().push(line);
      return event?.type === 'frame' ? event.number : null;
    });
    assert.deepEqual(numbers, [1, 1234567, 1234, 2, 3, 4, 5, 6, 7, 8]);
  });

  test('what only resembles a frame is none', () => {
    const lines = [
      '3 (4): 1',
      'PROGRESS:  0:00:00',
      'PROGRESS:  0:00:00:01 (',
      'PROGRESS:  0:00:00:01 (0): 0 Seconds',
      'PROGRESS:  0:00:00:01 ()',
      'PROGRESS:  0:00:00:01 (-4)',
      'PROGRESS:  0:00:00:01 (99999999999999)',
      'Running Script: C:\\x\\0:00:00:01 (2)',
      'trace 2020-07-23 14:40:31 (12): compiled',
    ];
    for (const line of lines) assert.notEqual(new AerenderOutput().push(line)?.type, 'frame', line);
  });

  test('a resumed run counts from its own first frame, by timecode where "(N)" does otherwise', () => {
    const events = read([
      'PROGRESS:  Start: 0;01;00;02',
      'PROGRESS:  Frame Rate: 29.97 (comp)',
      'PROGRESS:  0;01;00;02 (1801): 0 Seconds',
      'PROGRESS:  0;01;00;03 (1802): 0 Seconds',
    ]).filter((event) => event.type === 'frame');
    assert.deepEqual(
      events.map(({ index }) => index),
      [0, 1],
    );
  });

  test('a lost rate is taken from the composition, a lost start from the number', () => {
    const lines = ['PROGRESS:  Start: 0:00:01:00', 'PROGRESS:  0:00:02:00 (9): 0 Seconds'];
    assert.equal(read(lines, { fps: 24 }).find((event) => event.type === 'frame')?.index, 24);
    assert.equal(read(lines.slice(1), { fps: 24 }).find((event) => event.type === 'frame')?.index, 8);
  });

  test('two dated lines without known words open and close', () => {
    const events = read([
      'PROGRESS:  23.07.2020 14:40:31: xyz „main“.',
      'PROGRESS:  23.07.2020 14:40:32: zyx „main“.',
    ]);
    assert.deepEqual(types(events), ['starting', 'finished']);
  });

  test('the rate of the header means n·1000/1001 where its two digits can mean nothing else', () => {
    const rates = ['23.976', '23.98', '29,97', '59.94', '30.00', '25.00', '12.50'].map((text) => {
      const event = new AerenderOutput().push(`PROGRESS:  Frame Rate: ${text} (comp)`);
      return event?.type === 'header' && event.field === 'frame-rate' ? event.fps : null;
    });
    assert.deepEqual(rates, [24000 / 1001, 24000 / 1001, 30000 / 1001, 60000 / 1001, 30, 25, 12.5]);
  });

  test('drop-frame timecode skips two numbers a minute but not every tenth', () => {
    const fps = 30000 / 1001;
    assert.equal(framesOf('0;00;59;29', fps), 1799);
    assert.equal(framesOf('0;01;00;02', fps), 1800);
    assert.equal(framesOf('0;10;00;00', fps), 17982);
    assert.equal(framesOf('1;00;00;00', fps), 107892);
    assert.equal(framesOf('0:00:59;29', fps), 1799);
    assert.equal(framesOf('0;01;00;04', 60000 / 1001), 3600);
    assert.equal(framesOf('0:01:00:00', 24000 / 1001), 1440);
    assert.equal(framesOf('-0:00:01:00', 25), -25);
    assert.equal(framesOf('0:00:01:00', 12.5), null);
    assert.equal(framesOf('0001+08', 24), null);
  });
});

describe('errors and warnings', () => {
  const errors: [string, string, number | null][] = [
    [
      'aerender ERROR: No comp was found with the given name.',
      'No comp was found with the given name.',
      null,
    ],
    ['aerender ERROR -1701: AEGetParamPt failed at line 780', 'AEGetParamPt failed at line 780', -1701],
    [
      'aerender ERROR An existing connection was forcibly closed by the remote host. Unable to receive at line 430. ',
      'An existing connection was forcibly closed by the remote host. Unable to receive at line 430.',
      null,
    ],
    ['aerender SYNTAX ERROR: Illegal argument flag: -mfr', 'Illegal argument flag: -mfr', null],
    ['aerender Error: After Effects error: file is damaged.', 'After Effects error: file is damaged.', null],
    [
      'aerender Fehler: After Effects-Fehler: Datei ist beschädigt.',
      'After Effects-Fehler: Datei ist beschädigt.',
      null,
    ],
    ['aerender Error: After Effects\ufffd: 2"y 1 \ufffd', 'After Effects\ufffd: 2"y 1 \ufffd', null],
    ['aerender ReferenceError: PREFType is undefined', 'ReferenceError: PREFType is undefined', null],
    [
      'After Effects error: Unable to open project file.',
      'After Effects error: Unable to open project file.',
      null,
    ],
    [
      'Could not read from source. Please check the settings and try again. ( 86 :: 2 )',
      'Could not read from source. Please check the settings and try again. ( 86 :: 2 )',
      null,
    ],
  ];
  for (const [line, text, code] of errors) {
    test(`an error: ${line.slice(0, 60)}`, () => {
      assert.deepEqual(new AerenderOutput().push(line), { type: 'error', text, code });
    });
  }

  test('warnings in several languages', () => {
    for (const word of ['WARNING', 'WARNUNG', 'ADVERTENCIA', 'AVERTISSEMENT', '警告']) {
      assert.deepEqual(
        new AerenderOutput().push(`${word}:After Effects warning: Project has missing fonts.`),
        {
          type: 'warning',
          text: 'After Effects warning: Project has missing fonts.',
        },
      );
    }
  });

  test('what drivers print is neither error nor warning', () => {
    const lines = [
      '2020-09-21 06:27:18:851 : ERROR *** IVCAutoReleasePool: Object autoreleased with no pool in place',
      'Using DXGI: Device: "NVIDIA GeForce GTX 1060 6GB" has dedicated video RAM (MB): 6052',
      'Unable to read VR Path Registry from C:\\Users\\x\\AppData\\Local\\openvr\\openvrpaths.vrpath',
      '*** GPU Warning: GPU3 failed (previous) sanity test ***',
      '    VendorId                                : 4318',
      'Running Script: C:\\x\\bind.jsx',
      'Loading footage: could not read from source_FIX.mov',
      'Render finished with 0 errors.',
      'ERROR: [Loader Message] Code 0 : loader_icd_scan',
      '',
      '   ',
    ];
    for (const line of lines) assert.equal(new AerenderOutput().push(line), null, line);
  });
});

describe('whatever is printed', () => {
  const fragment = fc.oneof(
    fc.constantFrom(
      'PROGRESS:  ',
      'aerender ERROR ',
      'WARNING:',
      'INFO:',
      '0:00:00:01',
      ' (2)',
      ': ',
      '"',
      '“',
      '12:00:00',
      'Frame Rate: 1e999',
      '\uFEFF',
      '99999999;99;99;99',
      '٣',
      '(',
      ')',
    ),
    fc.string({ unit: 'binary', maxLength: 40 }),
  );

  test('never throws, and its events are whole', () => {
    fc.assert(
      fc.property(fc.array(fc.array(fragment, { maxLength: 8 }), { maxLength: 30 }), (lines) => {
        const output = new AerenderOutput();
        for (const line of lines) {
          const event = output.push(line.join(''));
          if (event?.type === 'frame') {
            assert.ok(Number.isInteger(event.index) && event.index >= 0);
            assert.ok(Number.isInteger(event.number) && event.number > 0);
          }
          if (event?.type === 'header' && event.field === 'frame-rate')
            assert.ok(event.fps > 0 && Number.isFinite(event.fps));
        }
      }),
      { numRuns: 500 },
    );
  });

  test('a line of megabytes is read as quickly as its beginning and kept no longer', () => {
    const started = performance.now();
    for (const unit of ['a', ':', '(', '0:00:00:0', '"12:00:00', 'PROGRESS: ', ' ', '/a ', '٠', '0;']) {
      for (const prefix of [
        '',
        'PROGRESS:  ',
        'aerender ERROR: ',
        'WARNING:',
        'PROGRESS:  1/1/20 12:00:00: "',
      ]) {
        const event = new AerenderOutput().push(prefix + unit.repeat(1_000_000 / unit.length));
        assert.ok(JSON.stringify(event).length < 10_000);
      }
    }
    assert.ok(performance.now() - started < 3000, `${performance.now() - started} ms`);
  });

  test('digits of every script become 0 to 9', () => {
    assert.equal(
      plainDigits('٠١٢٣٤٥٦٧٨٩ ०१२३४५६७८९ ０１２３４５６７８９ 12'),
      '0123456789 0123456789 0123456789 12',
    );
  });
});
