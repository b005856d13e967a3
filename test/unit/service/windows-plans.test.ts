import assert from 'node:assert/strict';
import { test } from 'node:test';
import { machinePaths } from '../../../src/config/machine-paths.ts';
import type { PlanStep } from '../../../src/lib/plan.ts';
import { NOT_INSTALLED, type ServiceSpec } from '../../../src/service/service-spec.ts';
import { logonTaskPlans, readTaskQuery } from '../../../src/service/windows/logon-task-plan.ts';
import {
  readRegistryKey,
  readServiceQuery,
  windowsServicePlans,
} from '../../../src/service/windows/service-plan.ts';
import { systemProgram } from '../../../src/service/windows/system-program.ts';

const DIRECTORY = 'C:\\Program Files\\Flat Render';
const SC = 'C:\\Windows\\System32\\sc.exe';

function specOf(more: Partial<ServiceSpec> = {}): ServiceSpec {
  return {
    platform: 'win32',
    role: 'agent',
    program: { file: `${DIRECTORY}\\flatrender.exe`, args: [] },
    paths: machinePaths('win32', 'agent', DIRECTORY),
    hasTunnel: true,
    isInteractive: false,
    user: 'STUDIO\\Anna & Ben',
    ...more,
  };
}

function commands(steps: readonly PlanStep[]): string[][] {
  return steps.flatMap((step) => (step.kind === 'run' ? [[step.file, ...step.args]] : []));
}

const BIN_PATH = `"${DIRECTORY}\\flatrender.exe" agent run --service`;
const REGISTERED = {
  ImagePath: BIN_PATH,
  Start: '0x2',
  DisplayName: 'FlatRender Node Agent',
  Description: 'Renders jobs of the FlatRender farm on this machine.',
  DependOnService: 'WireGuardTunnel$wg-flatrender',
};

test('a new service: starts at boot after the tunnel, is restarted three times after 5 s', () => {
  const { install, secure, start, stop, uninstall } = windowsServicePlans(specOf());
  assert.deepEqual(commands(install), [
    [
      SC,
      'create',
      'FlatRenderNodeAgent',
      'binPath=',
      BIN_PATH,
      'start=',
      'auto',
      'DisplayName=',
      'FlatRender Node Agent',
      'depend=',
      'WireGuardTunnel$wg-flatrender',
    ],
    [SC, 'description', 'FlatRenderNodeAgent', REGISTERED.Description],
  ]);
  assert.deepEqual(install[0]?.kind === 'run' && install[0].undo, {
    file: SC,
    args: ['delete', 'FlatRenderNodeAgent'],
  });
  assert.deepEqual(commands(secure), [
    [
      SC,
      'failure',
      'FlatRenderNodeAgent',
      'reset=',
      '86400',
      'actions=',
      'restart/5000/restart/5000/restart/5000',
    ],
    [SC, 'failureflag', 'FlatRenderNodeAgent', '1'],
    [
      'C:\\Windows\\System32\\icacls.exe',
      `${DIRECTORY}\\agent.env`,
      '/inheritance:r',
      '/grant:r',
      '*S-1-5-18:F',
      '*S-1-5-32-544:F',
    ],
  ]);
  assert.deepEqual(start, [{ file: SC, args: ['start', 'FlatRenderNodeAgent'] }]);
  assert.deepEqual(stop, [{ file: SC, args: ['stop', 'FlatRenderNodeAgent'] }]);
  assert.deepEqual(commands(uninstall), [[SC, 'delete', 'FlatRenderNodeAgent']]);
});

test('without a tunnel it depends on nothing', () => {
  const [create] = windowsServicePlans(specOf({ hasTunnel: false })).install;
  assert.ok(create?.kind === 'run' && !create.args.includes('depend='));
});

test('a service that is as it should be is left alone', () => {
  assert.deepEqual(windowsServicePlans(specOf(), { registered: REGISTERED }).install, []);
});

test('one that differs is changed in place, and a failure later brings its settings back', () => {
  const registered = { ...REGISTERED, ImagePath: '"C:\\old\\flatrender.exe" agent run --service' };
  const { install } = windowsServicePlans(specOf({ hasTunnel: false }), { registered });
  assert.deepEqual(install, [
    {
      kind: 'run',
      what: 'change the service FlatRenderNodeAgent',
      file: SC,
      args: [
        'config',
        'FlatRenderNodeAgent',
        'binPath=',
        BIN_PATH,
        'start=',
        'auto',
        'DisplayName=',
        'FlatRender Node Agent',
        'depend=',
        '/',
      ],
      again: [1722],
      undo: {
        file: SC,
        args: [
          'config',
          'FlatRenderNodeAgent',
          'binPath=',
          registered.ImagePath,
          'depend=',
          'WireGuardTunnel$wg-flatrender',
        ],
      },
    },
  ]);
});

test('the state is read by its numbers, in any language', () => {
  const german = `
SERVICE_NAME: FlatRenderNodeAgent
        TYP                : 10  WIN32_OWN_PROCESS
        STATUS             : 4  RUNNING
                                (STOPPABLE, NOT_PAUSABLE, ACCEPTS_PRESHUTDOWN)
        WIN32_EXIT_CODE    : 0  (0x0)
        SERVICE_EXIT_CODE  : 0  (0x0)
        PRÜFPUNKT          : 0x0
        WARTEHINWEIS       : 0x0
        PID                : 4711
        FLAGS              :
`;
  assert.deepEqual(readServiceQuery(german.replaceAll('\n', '\r\n'), 0), {
    state: 'running',
    pid: 4711,
    since: null,
    lastExit: null,
  });
  const failed = german
    .replace('4  RUNNING', '1  STOPPED')
    .replace('_CODE    : 0  (0x0)', '_CODE    : 1066  (0x42a)');
  assert.deepEqual(
    readServiceQuery(
      failed.replace('SERVICE_EXIT_CODE  : 0  (0x0)', 'SERVICE_EXIT_CODE  : 2  (0x2)').replace('4711', '0'),
      0,
    ),
    { state: 'failed', pid: null, since: null, lastExit: 'exit code 2' },
  );
  const never = german
    .replace('4  RUNNING', '1  STOPPED')
    .replace('_CODE    : 0  (0x0)', '_CODE    : 1077  (0x435)');
  assert.equal(readServiceQuery(never, 0)?.state, 'stopped');
  assert.equal(readServiceQuery(german.replace('4  RUNNING', '3  STOP_PENDING'), 0)?.state, 'stopping');
  assert.deepEqual(
    readServiceQuery('[SC] EnumQueryServicesStatus:OpenService FEHLER 1060:', 1060),
    NOT_INSTALLED,
  );
  assert.equal(readServiceQuery('Syntax: sc …', 1), null, 'a program that does not know the question');
});

test('the registry tells how it is set up', () => {
  const text = `\r
HKEY_LOCAL_MACHINE\\SYSTEM\\CurrentControlSet\\Services\\FlatRenderNodeAgent\r
    Type    REG_DWORD    0x10\r
    Start    REG_DWORD    0x2\r
    ImagePath    REG_EXPAND_SZ    ${BIN_PATH}\r
    DisplayName    REG_SZ    FlatRender Node Agent\r
    DependOnService    REG_MULTI_SZ    WireGuardTunnel$wg-flatrender\\0\r
    Description    REG_SZ    ${REGISTERED.Description}\r
\r
HKEY_LOCAL_MACHINE\\SYSTEM\\CurrentControlSet\\Services\\FlatRenderNodeAgent\\Security\r
`;
  assert.deepEqual(readRegistryKey(text), { Type: '0x10', ...REGISTERED });
});

test('in a session: a task at logon with the rights of the user, whose name may hold anything', () => {
  const spec = specOf({ isInteractive: true });
  const { install, secure, start, stop } = logonTaskPlans(spec);
  const [write, create] = install;
  assert.ok(write?.kind === 'write');
  assert.equal(write.path, `${DIRECTORY}\\state\\agent.task.xml`);
  assert.match(write.text, /<UserId>STUDIO\\Anna &amp; Ben<\/UserId>/);
  assert.match(write.text, /<Command>C:\\Program Files\\Flat Render\\flatrender\.exe<\/Command>/);
  assert.match(
    write.text,
    /<Arguments>agent run --log-file &quot;C:\\Program Files\\Flat Render\\logs\\agent\.log&quot;<\/Arguments>/,
  );
  assert.match(write.text, /<ExecutionTimeLimit>PT0S</);
  assert.match(write.text, /<RestartOnFailure>\s*<Interval>PT1M<\/Interval>\s*<Count>999</);
  assert.doesNotMatch(write.text, /\{\{|encoding=/);
  assert.deepEqual(create?.kind === 'run' && create.args, [
    '/create',
    '/tn',
    'FlatRenderNodeAgent',
    '/xml',
    `${DIRECTORY}\\state\\agent.task.xml`,
    '/f',
  ]);
  assert.deepEqual(commands(secure).at(-1)?.slice(1), [
    `${DIRECTORY}\\agent.env`,
    '/inheritance:r',
    '/grant:r',
    '*S-1-5-18:F',
    '*S-1-5-32-544:F',
    'STUDIO\\Anna & Ben:R',
  ]);
  assert.deepEqual(start[0]?.args, ['/run', '/tn', 'FlatRenderNodeAgent']);
  assert.deepEqual(stop[0]?.args, ['/end', '/tn', 'FlatRenderNodeAgent']);
  assert.deepEqual(logonTaskPlans(spec, { files: { [write.path]: write.text } }).install, []);
});

test('the state of the task is a number', () => {
  assert.deepEqual(readTaskQuery('4 267009\r\n'), {
    state: 'running',
    pid: null,
    since: null,
    lastExit: null,
  });
  assert.deepEqual(readTaskQuery('3 2\r\n'), {
    state: 'failed',
    pid: null,
    since: null,
    lastExit: 'exit code 2',
  });
  assert.equal(readTaskQuery('3 267014').state, 'stopped');
  assert.deepEqual(readTaskQuery(''), NOT_INSTALLED);
});

test('programs of Windows are started by their whole path', () => {
  assert.equal(systemProgram('sc', { SystemRoot: 'D:\\WINNT' }), 'D:\\WINNT\\System32\\sc.exe');
});
