import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import {
  meaningOf,
  pathsIn,
  type RenderEvidence,
  scriptPlace,
} from '../../../src/engines/aerender/report/evidence.ts';
import { failureOf, troubleIn } from '../../../src/engines/aerender/report/failures.ts';
import { crashName } from '../../../src/engines/aerender/report/failures-exit.ts';
import { type AerenderEvent, AerenderOutput } from '../../../src/engines/aerender/report/output.ts';
import type { WatchPhase } from '../../../src/engines/aerender/report/watchdog.ts';
import type { ErrorCode } from '../../../src/lib/errors.ts';
import { MESSAGES, missingFontLine, missingFootageLine, renderLog } from '../../after-effects/lines.ts';

const NOTHING: RenderEvidence = {
  stage: 'render',
  phase: 'frame',
  exitCode: 0,
  signal: null,
  expired: null,
  lastLines: [],
  errors: [],
  warnings: [],
  dialog: null,
  framesExpected: 90,
  framesFound: 45,
  composition: 'main',
  outputModule: 'Lossless',
};

const FOOTAGE = missingFootageLine('C:\\proj\\(Footage)\\Bilder\\Platzhalter Bild.jpg').slice(
  'WARNING:'.length,
);
const FONT = missingFontLine('Bebas', 'Regular').slice('WARNING:'.length);
const OTHER = MESSAGES.otherInstance;

const said = (...texts: string[]) => ({ errors: texts.map((text) => ({ text, code: null })) });
const silent = (phase: WatchPhase, silentMs = 60_000) => ({
  exitCode: null,
  expired: { phase, limitMs: 60_000, silentMs, lastSigns: { output: silentMs, file: null, cpu: null } },
});

/** What is there → code, whether a retry can help, what the message says. */
const TABLE: [string, Partial<RenderEvidence>, ErrorCode, boolean, RegExp][] = [
  // a dialog comes before everything
  [
    'a dialog that waits, whatever else happened',
    {
      ...silent('bind'),
      ...said(MESSAGES.compNotFound),
      dialog: {
        kind: 'licence',
        code: 'AE_LICENSE',
        message: 'After Effects asks for a sign-in',
        hint: 'sign in',
      },
    },
    'AE_LICENSE',
    true,
    /asks for a sign-in/,
  ],
  // what After Effects names
  [
    'the licence in an error',
    { exitCode: 1, ...said(MESSAGES.licence) },
    'AE_LICENSE',
    true,
    /no valid license/,
  ],
  [
    'the licence in German',
    { exitCode: 1, ...said('Ihre Lizenz ist abgelaufen.') },
    'AE_LICENSE',
    true,
    /Lizenz/,
  ],
  [
    'the licence in Spanish',
    { exitCode: 1, ...said('La licencia no es válida') },
    'AE_LICENSE',
    true,
    /licencia/,
  ],
  [
    'the licence on the console of AfterFX, which waits then',
    {
      stage: 'launch',
      ...silent('launch'),
      framesFound: null,
      lastLines: ['Enter the license method:', 'Please select:'],
    },
    'AE_LICENSE',
    true,
    /Enter the license method/,
  ],
  [
    'another instance',
    { exitCode: 1, ...said(OTHER) },
    'AE_OTHER_INSTANCE',
    true,
    /another instance or script/,
  ],
  [
    'another instance that it waits for',
    { ...silent('first-frame'), framesFound: 0, lastLines: [`aerender ERROR: ${OTHER}`] },
    'AE_OTHER_INSTANCE',
    true,
    /another instance/,
  ],
  [
    'the licence of somebody else, after frames were rendered',
    { exitCode: 1, lastLines: ['Plug-in: trial license expired'] },
    'AE_RENDER_FAILED',
    true,
    /exit code 1/,
  ],
  ['no composition', { exitCode: 7, ...said(MESSAGES.compNotFound) }, 'AE_COMP_NOT_FOUND', false, /"main"/],
  [
    'no composition, and it hangs then',
    { ...silent('first-frame'), ...said(MESSAGES.compNotFound) },
    'AE_COMP_NOT_FOUND',
    false,
    /"main"/,
  ],
  [
    'no output module',
    { exitCode: 7, ...said(MESSAGES.outputModuleNotFound) },
    'AE_OUTPUT_MODULE_NOT_FOUND',
    true,
    /"Lossless"/,
  ],
  [
    'no render settings',
    { exitCode: 7, renderSettings: 'Mine', ...said(MESSAGES.renderSettingsNotFound) },
    'AE_RENDER_FAILED',
    true,
    /render settings template "Mine"/,
  ],
  [
    'a damaged project',
    { exitCode: 1, ...said(MESSAGES.damagedProject) },
    'AE_PROJECT_INVALID',
    false,
    /damaged/,
  ],
  [
    'a project of a newer version',
    {
      exitCode: 1,
      ...said('After Effects error: this project was saved by a newer version of After Effects.'),
    },
    'AE_PROJECT_INVALID',
    true,
    /newer After Effects/,
  ],
  [
    'a script error',
    {
      stage: 'bind',
      phase: 'bind',
      exitCode: 9,
      ...said('Error executing script: C:\\work\\job 1\\bind.jsx', MESSAGES.runtime),
      lastLines: ['ReferenceError: foo is undefined, line 12'],
    },
    'AE_SCRIPT_ERROR',
    false,
    /bind\.jsx, line 12/,
  ],
  [
    'a full disk',
    { exitCode: 9, ...said('After Effects error: The disk is full.') },
    'DISK_FULL',
    true,
    /disk space/,
  ],
  [
    'no memory',
    { exitCode: 9, ...said('After Effects error: out of memory.') },
    'AE_RENDER_FAILED',
    true,
    /memory/,
  ],
  [
    'missing footage in an error',
    { exitCode: 9, ...said(FOOTAGE) },
    'AE_MISSING_FOOTAGE',
    false,
    /Platzhalter Bild/,
  ],
  // the watchdog
  ['silence in launch', { stage: 'launch', ...silent('launch') }, 'AE_LAUNCH_TIMEOUT', true, /within 60 s/],
  ['silence in bind', { stage: 'bind', ...silent('bind') }, 'AE_HUNG', true, /inputs were put in/],
  ['silence before the first frame', silent('first-frame'), 'AE_HUNG', true, /before the first frame/],
  ['silence between frames', silent('frame'), 'AE_HUNG', true, /for 60 s between frames/],
  ['silence after the last frame', silent('encode'), 'AE_HUNG', true, /after the last frame/],
  ['silence of a busy loop', silent('frame', 180_000), 'AE_HUNG', true, /180 s.*were busy/],
  [
    'silence after a warning about footage',
    { ...silent('first-frame'), warnings: [FOOTAGE] },
    'AE_HUNG',
    true,
    /before the first frame/,
  ],
  // crashes
  ['a signal', { exitCode: null, signal: 'SIGSEGV' }, 'AE_CRASHED', true, /SIGSEGV/],
  ['SIGABRT', { exitCode: null, signal: 'SIGABRT' }, 'AE_CRASHED', true, /SIGABRT/],
  ['an access violation', { exitCode: 3221225477 }, 'AE_CRASHED', true, /0xC0000005 \(access violation\)/],
  ['the same as a negative number', { exitCode: -1073741819 }, 'AE_CRASHED', true, /0xC0000005/],
  ['a signal through a shell', { exitCode: 139 }, 'AE_CRASHED', true, /SIGSEGV/],
  [
    'exit 9 without a reason',
    { exitCode: 9, ...said(MESSAGES.runtime) },
    'AE_CRASHED',
    true,
    /runtime error/,
  ],
  ['exit 10 without a word', { exitCode: 10 }, 'AE_CRASHED', true, /runtime error/],
  [
    'exit 9 with a reason',
    { exitCode: 9, ...said('After Effects error: Could not read from source. ( 86 :: 2 )') },
    'AE_RENDER_FAILED',
    true,
    /Could not read from source/,
  ],
  [
    'the connection lost',
    {
      exitCode: 1,
      ...said(
        'An existing connection was forcibly closed by the remote host. Unable to receive at line 430.',
      ),
    },
    'AE_CRASHED',
    true,
    /forcibly closed/,
  ],
  [
    'a crash with missing footage',
    { exitCode: 3221225477, warnings: [FOOTAGE] },
    'AE_CRASHED',
    true,
    /0xC0000005/,
  ],
  // what warnings say
  [
    'missing footage, warned of, and aerender stops',
    { exitCode: 9, ...said(MESSAGES.runtime), warnings: [FOOTAGE] },
    'AE_MISSING_FOOTAGE',
    false,
    /Platzhalter Bild\.jpg/,
  ],
  [
    'missing footage, and frames are missing',
    { warnings: [FOOTAGE] },
    'AE_MISSING_FOOTAGE',
    false,
    /Platzhalter/,
  ],
  ['a missing font, and exit 1', { exitCode: 1, warnings: [FONT] }, 'AE_MISSING_FONT', true, /Bebas Regular/],
  [
    'a missing font that may be substituted',
    { exitCode: 1, warnings: [FONT], policy: { missingFonts: 'substitute', missingFootage: 'refuse' } },
    'AE_RENDER_FAILED',
    true,
    /exit code 1/,
  ],
  // exit codes
  [
    'exit 0 before the script ran',
    { stage: 'launch', phase: 'launch' },
    'AE_OTHER_INSTANCE',
    true,
    /without running/,
  ],
  [
    'exit 0 while the script ran',
    { stage: 'bind', phase: 'bind' },
    'AE_CRASHED',
    true,
    /before the script did/,
  ],
  ['exit 0 with half of the frames', { stage: 'collect' }, 'AE_SHORT_OUTPUT', true, /45 of 90 frames/],
  ['exit 0 with no frame', { framesFound: 0 }, 'AE_SHORT_OUTPUT', true, /0 of 90/],
  [
    'exit 1 with half of the frames',
    { exitCode: 1, ...said(MESSAGES.runtime) },
    'AE_RENDER_FAILED',
    true,
    /exit code 1 \(After Effects reported a failure\)/,
  ],
  [
    'exit 3',
    { exitCode: 3, ...said('Illegal argument flag: -mfr') },
    'AE_RENDER_FAILED',
    true,
    /syntax error.*-mfr/,
  ],
  ['exit 11', { exitCode: 11, ...said('Can not open socket.') }, 'AE_RENDER_FAILED', true, /socket/],
  ['an exit code of nobody', { exitCode: 77 }, 'AE_RENDER_FAILED', true, /exit code 77/],
  ['exit 0 with all frames', { framesFound: 90 }, 'AE_RENDER_FAILED', true, /exit code 0/],
];

describe('what failed', () => {
  for (const [name, evidence, code, retryable, message] of TABLE) {
    test(`${name} → ${code}`, () => {
      const error = failureOf({ ...NOTHING, ...evidence });
      assert.equal(error.code, code);
      assert.equal(error.retryable, retryable);
      assert.match(error.message, message);
    });
  }

  test('the error has the phase, the exit code, the counts and the last lines, bounded', () => {
    const lastLines = Array.from({ length: 300 }, (_, index) => `line ${index} ${'x'.repeat(5000)}`);
    const error = failureOf({ ...NOTHING, stage: 'collect', phase: 'encode', lastLines });
    assert.equal(error.details?.phase, 'encode');
    assert.equal(error.details?.exitCode, 0);
    assert.equal(error.details?.expected, 90);
    assert.equal(error.details?.found, 45);
    const lines = error.details?.lastLines as string[];
    assert.equal(lines.length, 20);
    assert.match(lines.at(-1) ?? '', /^line 299 /);
    assert.ok(JSON.stringify(error.toBody()).length < 20_000);
    assert.ok(error.message.length < 2000);
    assert.match(error.message, /last lines: line 297 /);
  });

  test('a hang after missing footage names it as the likely cause', () => {
    const hint = failureOf({ ...NOTHING, ...silent('first-frame'), warnings: [FOOTAGE] }).hint;
    assert.match(hint ?? '', /footage is missing/);
  });

  test('names are listed for programs, whole, and for people, short', () => {
    const warnings = [FOOTAGE, missingFootageLine('D:\\b\\two.mov'), FOOTAGE, FONT];
    const error = failureOf({ ...NOTHING, warnings });
    assert.deepEqual(error.details?.names, [
      'C:\\proj\\(Footage)\\Bilder\\Platzhalter Bild.jpg',
      'D:\\b\\two.mov',
    ]);
    assert.match(error.message, /footage is missing: Platzhalter Bild\.jpg, two\.mov/);
  });

  test('a script error has its file and line', () => {
    const error = failureOf({
      ...NOTHING,
      stage: 'bind',
      exitCode: 9,
      ...said('Error executing script: C:\\work\\job 1\\bind.jsx'),
      lastLines: ['Unable to execute script at line 41. After Effects error: null is not an object'],
    });
    assert.equal(error.details?.file, 'C:\\work\\job 1\\bind.jsx');
    assert.equal(error.details?.line, 41);
  });

  test('what stands in a path or in progress is no cause', () => {
    const lines = [
      'PROGRESS:  Output To: C:\\License\\another instance\\out.mov',
      'INFO:After Effects: licence checked',
      'Running Script: C:\\Lizenz\\x.jsx',
      'cannot read C:\\My Licences\\logo.png',
      'PROGRESS:  7/23/20 2:40:31 PM: Starting composition "License expired".',
    ];
    assert.equal(failureOf({ ...NOTHING, exitCode: 1, lastLines: lines }).code, 'AE_RENDER_FAILED');
  });

  test('any evidence makes an error, quickly', () => {
    const text = fc.oneof(
      fc.string({ unit: 'binary', maxLength: 60 }),
      fc.constantFrom(
        'File Not Found ',
        'C:\\',
        '/a/',
        'Grouped_Message_{}',
        'Font family: ',
        ', Font style: ',
        '"',
      ),
    );
    const line = fc.array(text, { maxLength: 12 }).map((parts) => parts.join(''));
    fc.assert(
      fc.property(
        fc.array(line, { maxLength: 20 }),
        fc.option(fc.integer()),
        fc.constantFrom('launch', 'bind', 'render', 'collect'),
        (lines, exitCode, stage) => {
          const error = failureOf({
            ...NOTHING,
            stage,
            exitCode,
            ...said(...lines),
            warnings: lines,
            lastLines: lines,
          });
          assert.ok(error.message.length > 0);
        },
      ),
    );
    const started = performance.now();
    for (const unit of ['C:\\a ', '/a/b ', '"', 'a.png ', 'Font family: x, ', '}x: y: ', 'missing ', '/a'])
      meaningOf(`missing footage Grouped_Message_{ ${unit.repeat(200_000)}`);
    assert.ok(performance.now() - started < 2000, `${performance.now() - started} ms`);
  });
});

/** The events of a log of a good render with more lines in it. */
function events(...extra: string[]): AerenderEvent[] {
  const output = new AerenderOutput();
  return [...extra, ...renderLog({ frames: 3 })]
    .map((line) => output.push(line))
    .filter((event) => event !== null);
}

describe('a render that calls itself successful', () => {
  const refuse = { missingFonts: 'refuse', missingFootage: 'refuse' } as const;
  const allow = { missingFonts: 'substitute', missingFootage: 'ignore' } as const;

  test('is no trouble when nothing is wrong', () => {
    for (const language of ['en', 'de', 'es'] as const) {
      const output = new AerenderOutput();
      const read = renderLog({ language, convertedFrom: '23.1' }).map((line) => output.push(line));
      assert.equal(
        troubleIn(
          read.filter((event) => event !== null),
          refuse,
        ),
        null,
      );
    }
    assert.equal(
      troubleIn(
        events('WARNING:After Effects warning: the clip is cached', 'WARNING: driver: missing plug-in'),
        refuse,
      ),
      null,
    );
  });

  test('is trouble when footage is missing, unless the template ignores that', () => {
    const read = events(missingFootageLine('/Volumes/media/logo.png'));
    const error = troubleIn(read, refuse);
    assert.equal(error?.code, 'AE_MISSING_FOOTAGE');
    assert.equal(error?.retryable, false);
    assert.deepEqual(error?.details?.names, ['/Volumes/media/logo.png']);
    assert.equal(troubleIn(read, allow), null);
  });

  test('is trouble when a font is missing, unless the template substitutes', () => {
    const read = events(missingFontLine('Bebas', 'Regular'), missingFontLine('Roboto', 'Black'));
    const error = troubleIn(read, refuse);
    assert.equal(error?.code, 'AE_MISSING_FONT');
    assert.deepEqual(error?.details?.names, ['Bebas Regular', 'Roboto Black']);
    assert.equal(troubleIn(read, allow), null);
    assert.equal(troubleIn(read, { ...allow, missingFonts: 'refuse' })?.code, 'AE_MISSING_FONT');
  });

  test('is trouble when After Effects says that fonts are missing and not which', () => {
    const read = events('WARNING:After Effects warning: Project has missing fonts.');
    assert.equal(troubleIn(read, refuse)?.code, 'AE_MISSING_FONT');
    assert.equal(troubleIn(read, allow), null);
  });

  test('is trouble in other languages by the shape of the line', () => {
    const german =
      'WARNUNG:After Effects-Warnung: Grouped_Message_{einige Ebenen haben fehlende Abhängigkeiten}Textebene: Schriftfamilie: Bebas, Schriftschnitt: Normal';
    assert.deepEqual(troubleIn(events(german), refuse)?.details?.names, ['Bebas Normal']);
    const odd = 'WARNING:Grouped_Message_{何か}テキスト: ファミリ: Bebas, スタイル: 標準';
    assert.deepEqual(troubleIn(events(odd), refuse)?.details?.names, ['Bebas 標準']);
  });

  test('is trouble when effects are missing or an error was printed, whatever the template lets pass', () => {
    for (const line of [
      'WARNING:After Effects warning: this project contains references to the following missing effects: Optical Flares',
      'WARNING:After Effects warning: logged 2 errors  error: internal verification failure',
      'After Effects error: Error reading the text layer. Skipping the text layer.',
      'Could not read from source. Please check the settings and try again. ( 86 :: 2 )',
    ]) {
      const error = troubleIn(events(line), allow);
      assert.equal(error?.code, 'AE_RENDER_FAILED', line);
      assert.equal(error?.retryable, true);
    }
  });

  test('is none for what ends a render and leaves no mark in the picture', () => {
    for (const line of [
      'aerender ERROR -1701: AEGetParamPt failed at line 894',
      `aerender ERROR: ${MESSAGES.runtime}`,
      `aerender ERROR: ${MESSAGES.compNotFound}`,
      `aerender ERROR: ${MESSAGES.otherInstance}`,
      'WARNING:After Effects warning: your trial license expires soon',
    ]) {
      assert.equal(troubleIn(events(line), refuse), null, line);
    }
  });
});

describe('pieces of lines', () => {
  test('paths', () => {
    assert.deepEqual(pathsIn('File Not Found C:\\a b\\c.png'), ['C:\\a b\\c.png']);
    assert.deepEqual(pathsIn('missing: "\\\\nas\\share\\x.mov", "/Volumes/a b/y.mov"'), [
      '\\\\nas\\share\\x.mov',
      '/Volumes/a b/y.mov',
    ]);
    assert.deepEqual(pathsIn('missing C:\\a\\x.png, D:/b/y.png'), ['C:\\a\\x.png', 'D:/b/y.png']);
    assert.deepEqual(pathsIn('File Not Found logo 1.png'), ['logo 1.png']);
    assert.deepEqual(pathsIn('nothing of the kind and/or such'), []);
  });

  test('the place of a script error in several languages', () => {
    assert.deepEqual(scriptPlace(['Skript kann nicht ausgeführt werden: Zeile 7']), { file: null, line: 7 });
    assert.deepEqual(scriptPlace(['error in extra.jsx, línea 3']), { file: 'extra.jsx', line: 3 });
    assert.deepEqual(scriptPlace(['no place']), { file: null, line: null });
  });

  test('ordinary exits are no crashes', () => {
    for (const code of [0, 1, 2, 7, 9, 11, 128, 200, 255])
      assert.equal(crashName(code, null), null, String(code));
  });
});
