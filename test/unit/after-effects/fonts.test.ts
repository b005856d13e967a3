import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { fontFolders, fontPlaces, fontStep } from '../../../src/engines/aerender/machine/font-places.ts';
import { countFonts, installFonts } from '../../../src/engines/aerender/machine/fonts.ts';
import { FlatrenderError } from '../../../src/lib/errors.ts';
import type { Command } from '../../../src/lib/exec.ts';

const FONTS = join(import.meta.dirname, '../../../templates/video/title-card/fonts');
const MEDIUM = { file: join(FONTS, 'Inter-Medium.otf'), names: ['Inter-Medium'] };
const BOLD = { file: join(FONTS, 'InterDisplay-Bold.otf'), names: ['InterDisplay-Bold'] };
const MODULE = join(import.meta.dirname, '../../../src/engines/aerender/machine/fonts.ts');
const { signal } = new AbortController();

/** A node and a user's home of its own. */
function place(t: TestContext) {
  const root = mkdtempSync(join(tmpdir(), 'flatrender-fonts-'));
  t.after(() => rmSync(root, { recursive: true, force: true, maxRetries: 5 }));
  const machine = { platform: 'linux', env: { XDG_DATA_HOME: join(root, 'data') }, home: root } as const;
  const folder = join(root, 'data', 'fonts', 'flatrender');
  return {
    root,
    folder,
    options: { stateDir: join(root, 'state'), signal, machine },
    fonts: () => (existsSync(folder) ? readdirSync(folder) : []),
    records: () =>
      existsSync(join(root, 'state', 'fonts')) ? readdirSync(join(root, 'state', 'fonts')) : [],
  };
}

async function refused(work: Promise<unknown>): Promise<FlatrenderError> {
  return await work.then(
    () => assert.fail('installed'),
    (error: unknown) => (error instanceof FlatrenderError ? error : assert.fail(String(error))),
  );
}

test('Windows: the folder of Adobe and that of the user, which the registry knows', () => {
  const env = { LOCALAPPDATA: 'C:\\Users\\r\\AppData\\Local', CommonProgramW6432: 'C:\\P\\Common Files' };
  const machine = { platform: 'win32', env, home: 'C:\\Users\\r' } as const;
  const [adobe, user, ...more] = fontPlaces(machine);
  assert.deepEqual(
    [adobe, user, more],
    [
      { kind: 'adobe', directory: 'C:\\P\\Common Files\\Adobe\\Fonts', mayCreate: false },
      { kind: 'user', directory: `${env.LOCALAPPDATA}\\Microsoft\\Windows\\Fonts`, mayCreate: true },
      [],
    ],
  );
  if (!adobe || !user) return;
  assert.deepEqual(fontStep('D:\\b\\a.otf', 'x.otf', adobe, 'win32'), {
    from: 'D:\\b\\a.otf',
    to: 'C:\\P\\Common Files\\Adobe\\Fonts\\x.otf',
    place: 'adobe',
    register: null,
    unregister: null,
  });
  const key = 'HKCU\\Software\\Microsoft\\Windows NT\\CurrentVersion\\Fonts';
  const to = `${user.directory}\\x.otf`;
  assert.deepEqual(fontStep('D:\\b\\a.otf', 'x.otf', user, 'win32'), {
    from: 'D:\\b\\a.otf',
    to,
    place: 'user',
    register: {
      file: 'reg',
      args: ['add', key, '/v', 'x.otf (TrueType)', '/t', 'REG_SZ', '/d', to, '/f'],
    },
    unregister: { file: 'reg', args: ['delete', key, '/v', 'x.otf (TrueType)', '/f'] },
  });
  assert.deepEqual(fontFolders({ ...machine, env: { ...env, SystemRoot: 'C:\\W' } })[0], 'C:\\W\\Fonts');
});

test('macOS and Linux: folders alone', () => {
  assert.deepEqual(fontPlaces({ platform: 'darwin', env: {}, home: '/Users/r' }), [
    { kind: 'adobe', directory: '/Library/Application Support/Adobe/Fonts', mayCreate: false },
    { kind: 'user', directory: '/Users/r/Library/Fonts', mayCreate: true },
  ]);
  assert.deepEqual(fontPlaces({ platform: 'linux', env: {}, home: '/home/r' }), [
    { kind: 'user', directory: '/home/r/.local/share/fonts/flatrender', mayCreate: true },
  ]);
});

test('fonts are there for the task, and gone afterwards', async (t) => {
  const { options, folder, fonts, records } = place(t);
  {
    await using installed = await installFonts([MEDIUM, BOLD], options);
    assert.deepEqual(
      installed.installed.map(({ names, places }) => [names, places.map(({ kind }) => kind)]),
      [
        [['Inter-Medium'], ['user']],
        [['InterDisplay-Bold'], ['user']],
      ],
    );
    assert.deepEqual(
      installed.installed.flatMap(({ places }) => places.map(({ path }) => path)).sort(),
      fonts()
        .sort()
        .map((name) => join(folder, name)),
    );
    for (const name of fonts()) assert.match(name, /^flatrender-[0-9a-f]{8}-[0-9a-f]{16}\.otf$/);
    assert.equal(
      await countFonts(options.machine),
      (await countFonts({ ...options.machine, env: { XDG_DATA_HOME: '/nowhere' } })) + 2,
    );
  }
  assert.deepEqual([fonts(), records()], [[], []]);
});

test('the last of those who use a font removes it', async (t) => {
  const { options, fonts, records } = place(t);
  const first = await installFonts([MEDIUM], options);
  const second = await installFonts([MEDIUM, MEDIUM], options);
  assert.equal(fonts().length, 1);
  await first[Symbol.asyncDispose]();
  await first[Symbol.asyncDispose]();
  assert.equal(fonts().length, 1);
  await second[Symbol.asyncDispose]();
  assert.deepEqual([fonts(), records()], [[], []]);
});

test('what was there before is neither overwritten nor removed', async (t) => {
  const { options, folder, fonts } = place(t);
  const once = await installFonts([MEDIUM], options);
  const [name = ''] = fonts();
  await once[Symbol.asyncDispose]();
  mkdirSync(folder, { recursive: true });
  copyFileSync(MEDIUM.file, join(folder, 'Inter-Medium.otf'));
  writeFileSync(join(folder, 'other.ttf'), 'theirs');
  {
    await using _ = await installFonts([MEDIUM], options);
    assert.deepEqual(fonts().sort(), ['Inter-Medium.otf', 'other.ttf', name].sort());
  }
  assert.deepEqual(fonts().sort(), ['Inter-Medium.otf', 'other.ttf']);
  assert.equal(readFileSync(join(folder, 'other.ttf'), 'utf8'), 'theirs');
});

test('what a killed task left is removed by the next one', async (t) => {
  const { options, fonts, records } = place(t);
  const program = `
    const { installFonts } = await import(${JSON.stringify(MODULE)});
    const { signal } = new AbortController();
    await installFonts([${JSON.stringify(BOLD)}], { ...${JSON.stringify(options)}, signal });
    console.log('installed');
    setInterval(() => {}, 1000);`;
  const child = spawn(process.execPath, ['--input-type=module', '-e', program], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  t.after(() => child.kill('SIGKILL'));
  await once(child.stdout, 'data');
  const [left = ''] = fonts();
  const ended = once(child, 'exit');
  child.kill('SIGKILL');
  await ended;
  {
    await using _ = await installFonts([MEDIUM], options);
    assert.equal(fonts().length, 1);
    assert.ok(!fonts().includes(left));
  }
  assert.deepEqual([fonts(), records()], [[], []]);
});

test('a file that does not hold the promised font is refused with what it holds', async (t) => {
  const { options, root, fonts, records } = place(t);
  const wrong = await refused(installFonts([MEDIUM, { ...BOLD, names: ['Inter-Bold'] }], options));
  assert.equal(wrong.code, 'FONT_MISSING');
  assert.match(wrong.message, /does not hold the font Inter-Bold: it holds InterDisplay-Bold/);
  const text = join(root, 'a.ttf');
  writeFileSync(text, 'no font');
  const none = await refused(installFonts([{ file: text, names: ['A'] }], options));
  assert.match(none.message, /a\.ttf is not a font/);
  const gone = await refused(installFonts([{ file: join(root, 'b.ttf'), names: ['B'] }], options));
  assert.match(gone.message, /cannot read the font .*b\.ttf/);
  assert.deepEqual([fonts(), records()], [[], []]);
});

test('a user who may write no folder for fonts hears which', async (t) => {
  const { options, root, records } = place(t);
  writeFileSync(join(root, 'data'), 'a file where a folder should be');
  const error = await refused(installFonts([MEDIUM], options));
  assert.equal(error.code, 'FONT_MISSING');
  assert.equal(error.retryable, true);
  assert.match(error.message, /no folder for fonts can be written: .*flatrender \((?:ENOTDIR|EEXIST)\)/);
  assert.deepEqual(records(), []);
});

test('an abort leaves nothing', async (t) => {
  const { options, fonts, records } = place(t);
  const aborted = AbortSignal.abort(new FlatrenderError('ABORTED', 'over'));
  await assert.rejects(installFonts([MEDIUM], { ...options, signal: aborted }), /over/);
  assert.deepEqual([fonts(), records()], [[], []]);
});

test('Windows: the registry learns of the font and forgets it, also when that fails half way', {
  skip: process.platform === 'win32' && 'plays Windows with paths of another system',
}, async (t) => {
  const { options, root, records } = place(t);
  const env = { LOCALAPPDATA: join(root, 'local'), CommonProgramW6432: join(root, 'common') };
  const machine = { platform: 'win32', env, home: root } as const;
  const ran: Command[] = [];
  // Backslashes are no separators here: the folders lie side by side in the working directory of this test.
  const [adobe, user] = fontPlaces(machine);
  t.after(() => user && rmSync(user.directory, { recursive: true, force: true }));
  const runCommand = async (command: Command) => {
    ran.push(command);
    if (command.args[0] === 'add') throw new FlatrenderError('PROGRAM_FAILED', 'reg ended with exit code 1');
  };
  await assert.rejects(installFonts([MEDIUM], { ...options, machine, runCommand }), /reg ended/);
  assert.deepEqual(
    ran.map(({ file, args }) => [file, args[0]]),
    [
      ['reg', 'add'],
      ['reg', 'delete'],
    ],
  );
  assert.deepEqual(records(), []);
  assert.ok(adobe && !existsSync(adobe.directory), 'the folder of Adobe is not made');
});
