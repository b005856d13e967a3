import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { createProcessView } from '../../../src/engines/aerender/machine/process-view.ts';
import {
  cpuOfTree,
  killStale,
  listProcesses,
  type StaleRules,
  staleProcesses,
  titlesOf,
  treeCpuMs,
} from '../../../src/engines/aerender/machine/processes.ts';
import { openSession } from '../../../src/engines/aerender/machine/session.ts';
import { isRunning } from '../../../src/lib/exec.ts';
import {
  clockMs,
  type ProcessDetails,
  parseParents,
  parseProcDetails,
  parsePsDetails,
  parseTasklist,
} from '../../../src/lib/process-list.ts';
import { manualClock } from '../../helpers/manual-clock.ts';

const onLinux = { skip: process.platform !== 'linux' && 'needs /proc' };

test('tasklist is read by the place of its columns, in any language', () => {
  const english = [
    '"System Idle Process","0","Services","0","8 K","Unknown","NT AUTHORITY\\SYSTEM","123:04:05","N/A"',
    '"aerender.exe","4711","Console","1","12,340 K","Running","STUDIO\\render","0:00:02","N/A"',
    '"AfterFX.exe","4712","Console","1","2,512,340 K","Running","STUDIO\\render","1:02:03","Adobe After Effects 2024 - C:\\a ""b"", c.aep"',
    '',
  ].join('\r\n');
  const list = parseTasklist(english);
  assert.deepEqual(
    list.map(({ pid, name, user, cpuMs, title, session }) => [pid, name, user, cpuMs, title, session]),
    [
      [0, 'System Idle Process', 'NT AUTHORITY\\SYSTEM', 443_045_000, null, 0],
      [4711, 'aerender.exe', 'STUDIO\\render', 2_000, null, 1],
      [4712, 'AfterFX.exe', 'STUDIO\\render', 3_723_000, 'Adobe After Effects 2024 - C:\\a "b", c.aep', 1],
    ],
  );
  const german =
    '"AfterFX.exe","4712","Console","1","2.512.340 K","Wird ausgeführt","STUDIO\\Zoë","0:00:07","Schriften auflösen"\n' +
    '"svchost.exe","88","Services","0","1.024 K","Unbekannt","Nicht zutreffend","0:00:00","Nicht zutreffend"\n';
  assert.deepEqual(
    parseTasklist(german).map(({ pid, user, cpuMs, title }) => [pid, user, cpuMs, title]),
    [
      [4712, 'STUDIO\\Zoë', 7_000, 'Schriften auflösen'],
      [88, null, 0, null],
    ],
  );
  assert.deepEqual(parseTasklist('INFO: No tasks are running which match the specified criteria.\r\n'), []);
});

test('ps is read with spaces in paths and with zombies left out', () => {
  const text = [
    '    1     0     0   0:12.34 Ss   Mon Nov 16 08:00:00 2026     /sbin/launchd',
    ' 4711  4700   501   0:02.50 S    Sat Nov 21 05:14:26 2026     /Applications/Adobe After Effects 2024/aerender -project /w/a b.aep',
    ' 4712     1   501 01:02:03  R    Sat Nov  7 05:14:27 2026     /Applications/Adobe After Effects 2024/Adobe After Effects 2024.app/Contents/MacOS/After Effects',
    ' 4713  4711   501   0:00.00 Z    Sat Nov 21 05:14:27 2026     (aerender)',
  ].join('\n');
  assert.deepEqual(
    parsePsDetails(text).map(({ pid, parent, user, cpuMs, name, startedAt }) => [
      pid,
      parent,
      user,
      cpuMs,
      name,
      startedAt,
    ]),
    [
      [1, 0, '0', 12_340, 'launchd', 'Mon Nov 16 08:00:00 2026'],
      [4711, 4700, '501', 2_500, 'aerender', 'Sat Nov 21 05:14:26 2026'],
      [4712, 1, '501', 3_723_000, 'After Effects', 'Sat Nov 7 05:14:27 2026'],
    ],
  );
});

test('/proc is read with odd names, and zombies are none', () => {
  const stat = (state: string) =>
    `4711 (a) (b c) ${state} 4700 4711 4711 0 -1 4194560 100 0 0 0 150 50 0 0 20 0 7 0 987654 1 2 3`;
  assert.deepEqual(parseProcDetails(stat('S'), ['node', 'x'], '1000'), {
    pid: 4711,
    parent: 4700,
    name: 'a) (b c',
    user: '1000',
    cpuMs: 2_000,
    title: null,
    startedAt: '987654',
    commandLine: ['node', 'x'],
  });
  assert.equal(parseProcDetails(stat('Z'), [], '0'), undefined);
});

test('times and parents are read as systems write them', () => {
  for (const [text, ms] of [
    ['0:00:01', 1_000],
    ['12:03.04', 723_040],
    ['1-02:03:04', 93_784_000],
    ['100:00:00', 360_000_000],
    ['N/A', null],
    ['', null],
  ] as const)
    assert.equal(clockMs(text), ms, text);
  assert.deepEqual(
    [...parseParents('4712,4711,133766\r\n4711,900,\r\n\r\nnoise\r\n')],
    [
      [4712, { parent: 4711, startedAt: '133766' }],
      [4711, { parent: 900, startedAt: '' }],
    ],
  );
});

/** A process of this user, unless said otherwise. */
function entry(pid: number, parent: number | null, name: string, more: Partial<ProcessDetails> = {}) {
  const rest = { user: 'me', cpuMs: 0, title: null, startedAt: null, commandLine: [] };
  return { pid, parent, name, ...rest, ...more } satisfies ProcessDetails;
}

const rules = (change: Partial<StaleRules> = {}): StaleRules => ({
  policy: 'all',
  platform: 'win32',
  programs: [],
  self: 100,
  keep: [],
  own: [],
  ...change,
});

/** The agent 90 with two hosts; 100 asks, 110 renders; 200 and 210 are leftovers, 300 another user's. */
const WINDOWS = [
  entry(90, 4, 'flatrender.exe'),
  entry(100, 90, 'flatrender.exe'),
  entry(110, 90, 'flatrender.exe'),
  entry(111, 110, 'aerender.exe'),
  entry(112, 111, 'AfterFX.exe'),
  entry(200, 1, 'aerender.exe'),
  entry(201, 200, 'AfterFX.exe'),
  entry(210, 1, 'AfterFX.com'),
  entry(300, 1, 'AfterFX.exe', { user: 'other' }),
  entry(301, 1, 'AfterFX.exe', { user: null }),
  entry(400, 1, 'AfterFX-helper.exe'),
];
const pids = (entries: readonly ProcessDetails[]) => entries.map(({ pid }) => pid);

test('all leftovers of this user are ended, the topmost of each tree, and never a sibling', () => {
  assert.deepEqual(pids(staleProcesses(WINDOWS, rules({ keep: [110] }))), [200, 210]);
  assert.deepEqual(pids(staleProcesses(WINDOWS, rules())), [111, 200, 210]);
  assert.deepEqual(pids(staleProcesses(WINDOWS, rules({ policy: 'off', own: [200] }))), []);
});

test('by policy own only what earlier tasks of this node left is ended', () => {
  assert.deepEqual(pids(staleProcesses(WINDOWS, rules({ policy: 'own' }))), []);
  assert.deepEqual(pids(staleProcesses(WINDOWS, rules({ policy: 'own', own: [201] }))), [201]);
  assert.deepEqual(
    pids(staleProcesses(WINDOWS, rules({ policy: 'own', own: [200, 112], keep: [110] }))),
    [200],
  );
});

test('where parents are unknown nothing is ended that could be a sibling’s', () => {
  const blind = WINDOWS.map((one) => ({ ...one, parent: null }));
  assert.deepEqual(pids(staleProcesses(blind, rules({ keep: [110], own: [210] }))), [210]);
  assert.deepEqual(pids(staleProcesses(blind, rules())), [111, 112, 200, 201, 210]);
});

test('an agent that After Effects itself started ends none of those it descends from', () => {
  const nested = [entry(50, 1, 'AfterFX.exe'), entry(100, 50, 'flatrender.exe'), entry(60, 1, 'AfterFX.exe')];
  assert.deepEqual(pids(staleProcesses(nested, rules())), [60]);
});

test('macOS: any version of After Effects by its path, nothing else that mentions it', () => {
  const command = (pid: number, text: string) => entry(pid, 1, 'x', { commandLine: [text] });
  const mac = [
    entry(100, 1, 'flatrender'),
    command(1001, '/Applications/Adobe After Effects 2024/aerender -project /w/a.aep'),
    command(
      1002,
      '/Applications/Adobe After Effects 2023/Adobe After Effects 2023.app/Contents/MacOS/After Effects',
    ),
    command(1003, 'tail -f /Applications/Adobe After Effects 2024/aerender.log'),
    command(1004, '/Applications/Adobe Premiere Pro 2024/Adobe Premiere Pro 2024.app/Contents/MacOS/x'),
    command(1005, '/opt/ae/aerender -comp main'),
  ];
  const found = staleProcesses(mac, rules({ platform: 'darwin', programs: ['/opt/ae/aerender'] }));
  assert.deepEqual(pids(found), [1001, 1002, 1005]);
});

test('Linux: a script that node or a shell runs is recognised, an editor that has it open is not', () => {
  const command = (pid: number, ...commandLine: string[]) => entry(pid, 1, 'x', { commandLine });
  const linux = [
    entry(100, 1, 'node'),
    command(1001, '/usr/bin/node', '--no-warnings', '/opt/ae/aerender', '-comp', 'x'),
    command(1002, '/bin/sh', '/opt/ae/AfterFX', '-r', 'x.jsx'),
    command(1003, '/opt/ae/aerender', '-comp', 'x'),
    command(1004, 'vim', '/opt/ae/aerender'),
    command(1005, 'node', '/opt/other.js', '/opt/ae/aerender'),
    command(1006, 'node', '/opt/ae/aerender.log'),
    command(1007, 'node', '/sim/aerender-program.ts', '/opt/ae', '-comp', 'x'),
    command(1008, 'node', '/sim/aerender-program.ts', '/opt/ae-2', '-comp', 'x'),
    command(1009, 'node', '/sim/install.ts', '/opt/ae'),
  ];
  const found = staleProcesses(
    linux,
    rules({
      platform: 'linux',
      programs: ['/opt/ae/aerender', '/opt/ae/AfterFX'],
      directory: '/opt/ae',
    }),
  );
  assert.deepEqual(pids(found), [1001, 1002, 1003, 1007]);
});

test('processor time is that of the whole tree; without parents that of every After Effects', () => {
  const busy = WINDOWS.map((one) => ({ ...one, cpuMs: one.pid }));
  assert.equal(cpuOfTree(111, busy), 111 + 112);
  const blind = busy.map((one) => ({ ...one, parent: null }));
  assert.equal(cpuOfTree(210, blind), 111 + 112 + 200 + 201 + 210 + 300 + 301);
  assert.equal(cpuOfTree(9999, busy), null);
});

test('windows of the tree, of After Effects and of its crash reporter count, those of other users do not', () => {
  const titled = [
    entry(111, 110, 'aerender.exe'),
    entry(112, 111, 'AfterFX.exe', { title: 'Adobe After Effects 2024' }),
    entry(500, 1, 'AdobeCrashReport.exe', { title: 'Crash report' }),
    entry(501, 1, 'explorer.exe', { title: 'Licence' }),
    entry(300, 1, 'AfterFX.exe', { user: 'other', title: 'Resolve Fonts' }),
  ];
  assert.deepEqual(titlesOf([111], titled), ['Adobe After Effects 2024', 'Crash report']);
});

test('a look at the processes is shared for a moment, and one that fails tells nothing', async () => {
  const clock = manualClock();
  let looks = 0;
  const list = async () => {
    looks += 1;
    if (looks > 1) throw new Error('tasklist is gone');
    return [entry(7, 1, 'aerender', { cpuMs: 40, title: 'Script Alert' })];
  };
  const view = createProcessView({ clock, signal: new AbortController().signal, list });
  assert.equal(await view.cpuMs(7), 40);
  assert.deepEqual(await view.titles([7]), ['Script Alert']);
  assert.equal(looks, 1);
  await clock.advance(60_000);
  assert.equal(await view.cpuMs(7), null);
  assert.equal(looks, 2);
});

/** A directory with a program that waits, run by node under the name of After Effects' renderer. */
function installation(t: TestContext) {
  const directory = mkdtempSync(join(tmpdir(), 'flatrender-stale-'));
  t.after(() => rmSync(directory, { recursive: true, force: true, maxRetries: 5 }));
  const aerender = join(directory, 'aerender');
  writeFileSync(
    aerender,
    "#!/usr/bin/env node\nprocess.stdout.write('up\\n');\nsetInterval(() => {}, 1000);\n",
  );
  chmodSync(aerender, 0o755);
  return { aerender, afterfx: join(directory, 'AfterFX'), version: null, directory };
}

/** Starts it as an orphan: as what a killed agent leaves, it descends from no process of these tests. */
async function orphan(t: TestContext, file: string): Promise<number> {
  const shell = spawn('/bin/sh', ['-c', '"$0" "$1" -comp main & echo "$!"', process.execPath, file], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const said = Promise.withResolvers<number>();
  let text = '';
  shell.stdout.setEncoding('utf8').on('data', (part: string) => {
    text += part;
    if (/up/.test(text) && /\d+\n/.test(text)) said.resolve(Number(/(\d+)\n/.exec(text)?.[1]));
  });
  const pid = await said.promise;
  t.after(() => {
    if (isRunning(pid)) process.kill(pid, 'SIGKILL');
    shell.stdout.destroy();
  });
  return pid;
}

test('a leftover is ended, a sibling’s program and a foreign one are not', onLinux, async (t) => {
  const used = installation(t);
  const { signal } = new AbortController();
  const stateDir = join(used.directory, 'state');
  await using session = await openSession({ stateDir, taskId: 'j1.0', signal });
  const [leftover, kept, foreign] = await Promise.all([
    orphan(t, used.aerender),
    orphan(t, used.aerender),
    orphan(t, installation(t).aerender),
  ]);
  {
    await using sibling = await openSession({ stateDir, taskId: 'j2.0', signal });
    await sibling.track(kept);
    const stale = await killStale({ policy: 'all', installation: used, session, signal });
    assert.deepEqual(pids(stale), [leftover]);
    assert.deepEqual([leftover, kept, foreign].map(isRunning), [false, true, true]);
    assert.deepEqual(await killStale({ policy: 'own', installation: used, session, signal }), []);
  }
  assert.deepEqual(pids(await killStale({ policy: 'all', installation: used, session, signal })), [kept]);
  assert.equal(isRunning(foreign), true);
});

test('a sibling that begins while leftovers are looked for keeps its program', onLinux, async (t) => {
  const used = installation(t);
  const { signal } = new AbortController();
  const stateDir = join(used.directory, 'state');
  await using session = await openSession({ stateDir, taskId: 'j1.0', signal });
  await using siblings = new AsyncDisposableStack();
  let program = 0;
  const stale = await killStale({
    ...{ policy: 'all', installation: used, session, signal },
    async list() {
      if (program === 0) {
        const sibling = siblings.use(await openSession({ stateDir, taskId: 'j2.0', signal }));
        program = await orphan(t, used.aerender);
        await sibling.track(program);
      }
      return await listProcesses();
    },
  });
  assert.deepEqual(pids(stale), []);
  assert.equal(isRunning(program), true);
});

test('a leftover that ends by itself is not looked for under its id', onLinux, async (t) => {
  const used = installation(t);
  const { signal } = new AbortController();
  await using session = await openSession({
    stateDir: join(used.directory, 'state'),
    taskId: 'j1.0',
    signal,
  });
  const other = await orphan(t, used.aerender);
  let looks = 0;
  const stale = await killStale({
    ...{ policy: 'all', installation: used, session, signal },
    // At the first look the id belongs to an earlier process.
    async list() {
      looks += 1;
      const entries = await listProcesses();
      return entries.map((entry) =>
        entry.pid === other && looks === 1 ? { ...entry, startedAt: '1' } : entry,
      );
    },
  });
  assert.deepEqual([pids(stale), isRunning(other)], [[], true]);
});

test('processes of this machine are listed with this one among them', onLinux, async () => {
  const own = (await listProcesses()).find(({ pid }) => pid === process.pid);
  assert.equal(own?.parent, process.ppid);
  assert.equal(own?.user, String(process.getuid?.()));
  assert.ok(((await treeCpuMs(process.pid)) ?? 0) > 0);
});
