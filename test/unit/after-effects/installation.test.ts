import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { checkAfterEffects } from '../../../src/cli/doctor/machine-checks.ts';
import type { AerenderSettings } from '../../../src/config/aerender-settings.ts';
import {
  findInstallation,
  listInstallations,
  standardRoots,
} from '../../../src/engines/aerender/machine/installation.ts';
import { rememberLearned } from '../../../src/engines/aerender/machine/learned.ts';
import { isSessionZero, probeAerender, SESSION_ZERO } from '../../../src/engines/aerender/machine/probe.ts';
import { FlatrenderError } from '../../../src/lib/errors.ts';

function temporary(t: TestContext): string {
  const dir = mkdtempSync(join(tmpdir(), 'flatrender-ae-'));
  t.after(() => rmSync(dir, { recursive: true }));
  return dir;
}

function put(file: string, content: string | Buffer = ''): string {
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, content);
  return file;
}

/** A program whose version resource says so, somewhere in other bytes. */
function programOf(major: number, minor: number, build: number): Buffer {
  const info = Buffer.alloc(52);
  info.writeUInt32LE(0xfeef04bd, 0);
  info.writeUInt32LE(0x00010000, 4);
  info.writeUInt32LE(((major << 16) | minor) >>> 0, 8);
  info.writeUInt32LE((build << 16) >>> 0, 12);
  return Buffer.concat([Buffer.from('MZ and much more'), info, Buffer.alloc(100, 7)]);
}

function windowsInstall(root: string, name: string, exe: string | Buffer = ''): string {
  const directory = join(root, name, 'Support Files');
  put(join(directory, 'aerender.exe'));
  put(join(directory, 'AfterFX.exe'), exe);
  return directory;
}

const settings = (path: string | null, stateDir = ''): AerenderSettings => ({
  path,
  stateDir,
  slots: 1,
  mode: null,
  outputModules: { sequence: null, movie: null },
  mfrPercent: null,
  memoryPercent: null,
  reuse: false,
  close: 'DO_NOT_SAVE_CHANGES',
  killStale: 'own',
  limits: { launch: 1, bind: 1, firstFrame: 1, frame: 1, encode: 1 },
});

async function refused(work: Promise<unknown>): Promise<FlatrenderError> {
  return await work.then(
    () => assert.fail('found'),
    (error: unknown) => (error instanceof FlatrenderError ? error : assert.fail(String(error))),
  );
}

test('Windows: the newest of several versions is used, a beta only where nothing else is', async (t) => {
  const root = temporary(t);
  for (const name of ['CC 2019', '2020', '2024', '2023', '(Beta)'])
    windowsInstall(root, `Adobe After Effects ${name}`);
  const beta = windowsInstall(root, 'Adobe After Effects 2030 (Beta)');
  mkdirSync(join(root, 'Adobe After Effects 2029', 'Support Files'), { recursive: true });
  windowsInstall(root, 'Adobe Premiere Pro 2025');
  const options = { platform: 'win32', roots: [root] } as const;
  const listed = await listInstallations(options);
  assert.deepEqual(
    listed.map(({ version }) => version),
    ['24', '23', '17', '16', '30', null],
  );
  const directory = join(root, 'Adobe After Effects 2024', 'Support Files');
  assert.deepEqual(await findInstallation(null, options), {
    aerender: join(directory, 'aerender.exe'),
    afterfx: join(directory, 'AfterFX.exe'),
    version: '24',
    directory,
  });
  assert.equal((await findInstallation(beta, options)).directory, beta, 'AE_PATH chooses');
});

test('Windows: the version is that of the program, and its console variant runs scripts', async (t) => {
  const root = temporary(t);
  const directory = windowsInstall(root, 'Adobe After Effects 2024', programOf(24, 6, 2));
  windowsInstall(root, 'Adobe After Effects 2025', programOf(25, 0, 0));
  put(join(directory, 'AfterFX.com'));
  const listed = await listInstallations({ platform: 'win32', roots: [root] });
  assert.deepEqual(
    listed.map(({ version }) => version),
    ['25', '24.6.2'],
  );
  assert.equal(listed[1]?.afterfx, join(directory, 'AfterFX.com'));
});

test('macOS: the application runs scripts, its Info.plist tells the version, the render engine is none', async (t) => {
  const root = temporary(t);
  const directory = join(root, 'Adobe After Effects 2024');
  put(join(directory, 'aerender'));
  put(join(directory, 'Adobe After Effects Render Engine 2024.app', 'Contents', 'Info.plist'));
  put(
    join(directory, 'Adobe After Effects 2024.app', 'Contents', 'Info.plist'),
    '<plist><dict>\n\t<key>CFBundleShortVersionString</key>\n\t<string>24.2.1</string></dict></plist>',
  );
  const expected = {
    aerender: join(directory, 'aerender'),
    afterfx: join(directory, 'Adobe After Effects 2024.app'),
    version: '24.2.1',
    directory,
  };
  for (const given of [null, directory, join(directory, 'Adobe After Effects 2024.app'), expected.aerender])
    assert.deepEqual(await findInstallation(given, { platform: 'darwin', roots: [root] }), expected);
});

test('AE_PATH may be aerender, AfterFX, the folder of both or the one around it, with quotes', async (t) => {
  const root = temporary(t);
  const directory = windowsInstall(root, 'After Effects of Zoë');
  const options = { platform: 'win32', roots: [] } as const;
  for (const given of [
    join(directory, 'aerender.exe'),
    join(directory, 'AfterFX.exe'),
    directory,
    dirname(directory),
    `"${directory}"`,
    `${directory}/`,
  ])
    assert.equal((await findInstallation(given, options)).directory, directory, given);
  const linux = join(root, 'linux');
  put(join(linux, 'aerender'));
  put(join(linux, 'AfterFX'));
  assert.deepEqual(await findInstallation(linux, { platform: 'linux' }), {
    aerender: join(linux, 'aerender'),
    afterfx: join(linux, 'AfterFX'),
    version: null,
    directory: linux,
  });
});

test('what is not found says where it was looked for and what to type', async (t) => {
  const root = temporary(t);
  const nothing = await refused(findInstallation(null, { platform: 'win32', roots: [root] }));
  assert.equal(nothing.code, 'AE_NOT_FOUND');
  assert.equal(nothing.message, `After Effects was not found: no "Adobe After Effects <year>" in ${root}`);
  assert.match(nothing.hint ?? '', /AE_PATH/);
  const linux = await refused(findInstallation(null, { platform: 'linux' }));
  assert.match(linux.message, /there is none for this system \(linux\)/);
  const directory = windowsInstall(root, 'Adobe After Effects 2024');
  const options = { platform: 'win32', roots: [root] } as const;
  const wrong = await refused(findInstallation(join(root, 'gone'), options));
  assert.match(wrong.message, /gone", but there is no such file or folder/);
  assert.equal(wrong.hint, `put AE_PATH=${join(directory, 'aerender.exe')} into agent.env`);
  const half = put(join(root, 'half', 'aerender.exe'));
  const incomplete = await refused(findInstallation(half, options));
  assert.match(incomplete.message, /half does not hold aerender\.exe and AfterFX/);
});

test('an abort ends the search', async (t) => {
  const root = temporary(t);
  windowsInstall(root, 'Adobe After Effects 2024');
  const signal = AbortSignal.abort(new FlatrenderError('ABORTED', 'enough'));
  const error = await refused(findInstallation(null, { platform: 'win32', roots: [root], signal }));
  assert.equal(error.code, 'ABORTED');
});

test('Adobe installs to Program Files of the machine, whatever the bitness of the caller', () => {
  assert.deepEqual(standardRoots('win32', { ProgramFiles: 'D:\\P (x86)', ProgramW6432: 'D:\\P' }), [
    'D:\\P\\Adobe',
  ]);
  assert.deepEqual(standardRoots('win32', {}), ['C:\\Program Files\\Adobe']);
  assert.deepEqual(standardRoots('linux', {}), []);
});

test('a probe tells versions, what After Effects said last, and session 0', async (t) => {
  const root = temporary(t);
  const stateDir = join(root, 'state');
  windowsInstall(root, 'Adobe After Effects 2023');
  const directory = windowsInstall(root, 'Adobe After Effects 2024');
  const options = {
    platform: 'win32',
    roots: [root],
    env: { SystemRoot: root, LOCALAPPDATA: root },
  } as const;
  const used = await findInstallation(null, options);
  const learned = {
    version: '24.2x1',
    renderSettings: ['Best Settings'],
    outputModules: ['Lossless', 'PNG'],
  };
  await rememberLearned(stateDir, used, learned);
  const info = await probeAerender({ aerender: settings(null, stateDir) }, options);
  assert.deepEqual(
    { ...info, notes: info.notes?.filter((note) => !note.endsWith('font files')) },
    {
      name: 'aerender',
      available: true,
      version: '24.2',
      notes: [
        `After Effects in ${directory}`,
        `also installed: 23 (${join(root, 'Adobe After Effects 2023', 'Support Files')})`,
        'output modules: Lossless, PNG',
        'render settings: Best Settings',
        SESSION_ZERO,
      ],
    },
  );
  // Another installation said nothing yet.
  const other = await probeAerender(
    { aerender: settings(join(root, 'Adobe After Effects 2023'), stateDir) },
    options,
  );
  assert.equal(other.version, '23');
  assert.ok(!other.notes?.some((note) => note.startsWith('output modules')));
});

test('a probe without After Effects says so, and mock mode shows itself', async (t) => {
  const options = { platform: 'win32', roots: [temporary(t)], env: {} } as const;
  const none = await probeAerender({ aerender: settings(null) }, options);
  assert.equal(none.available, false);
  assert.match(none.reason ?? '', /was not found/);
  const mock = await probeAerender({ aerender: settings('') }, options);
  assert.equal(mock.available, true);
  assert.equal(mock.version, '0');
  assert.match(mock.notes?.join() ?? '', /mock mode: AE_PATH is empty/);
  assert.equal((await probeAerender({}, options)).available, false);
});

test('only a service of Windows runs in session 0', () => {
  assert.equal(isSessionZero('win32', {}), true);
  assert.equal(isSessionZero('win32', { SESSIONNAME: 'Services' }), true);
  assert.equal(isSessionZero('win32', { SESSIONNAME: 'Console' }), false);
  assert.equal(isSessionZero('win32', { SESSIONNAME: 'RDP-Tcp#1' }), false);
  assert.equal(isSessionZero('linux', {}), false);
});

test('doctor: the version in use, mock mode, a wrong AE_PATH, a node without After Effects', async (t) => {
  const root = temporary(t);
  const empty = temporary(t);
  const directory = windowsInstall(root, 'Adobe After Effects 2024');
  const options = { platform: 'win32', roots: [root], env: { SESSIONNAME: 'Console' } } as const;
  const [found] = await checkAfterEffects(settings(null), options);
  assert.equal(found?.status, 'ok');
  assert.ok(found.message.startsWith(`24; After Effects in ${directory}; `), found.message);
  const service = await checkAfterEffects(settings(null), { ...options, env: {} });
  assert.deepEqual(
    service.map(({ status }) => status),
    ['ok', 'warning'],
  );
  const [mock] = await checkAfterEffects(settings(''), options);
  assert.equal(mock?.status, 'warning');
  assert.match(mock.message, /mock mode/);
  const [wrong] = await checkAfterEffects(settings(join(root, 'nowhere')), options);
  assert.equal(wrong?.status, 'failed');
  assert.equal(wrong.fix, `put AE_PATH=${join(directory, 'aerender.exe')} into agent.env`);
  const nothing = { ...options, roots: [empty] };
  assert.equal((await checkAfterEffects(settings(null), nothing))[0]?.status, 'warning');
  assert.equal((await checkAfterEffects(null, nothing))[0]?.status, 'skipped');
  assert.equal((await checkAfterEffects(settings(null), { platform: 'linux' }))[0]?.status, 'skipped');
});
