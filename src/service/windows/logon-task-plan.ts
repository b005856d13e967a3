/**
 * The agent in the session of the user who is logged in, as a task of Windows' Task Scheduler: After Effects renders with
 * the graphics card and sees the fonts of that user. After Microsoft's "Task Scheduler Schema" and "schtasks"; not tried on
 * a real Windows (Wine's schtasks keeps no such tasks).
 */
import { win32 } from 'node:path';
import {
  type Found,
  NOT_INSTALLED,
  type ServicePlans,
  type ServiceSpec,
  type ServiceState,
} from '../service-spec.ts';
import { unitText, xmlText } from '../unit-text.ts';
import { systemProgram } from './system-program.ts';

const WINDOWS_TASK = 'FlatRenderNodeAgent';
const schtasks = systemProgram('schtasks');

/** The plans for the task at logon. */
export function logonTaskPlans(spec: ServiceSpec, found: Found = {}): ServicePlans {
  const { paths, program, user } = spec;
  const directory = win32.dirname(paths.envFile);
  const file = taskFile(spec);
  const text = unitText('flatrender-agent.task.xml', {
    user: xmlText(user),
    // After Effects wants no administrator.
    runLevel: 'LeastPrivilege',
    program: xmlText(program.file),
    arguments: xmlText(
      [
        ...program.args.map((word) => `"${word}"`),
        'agent',
        'run',
        '--log-file',
        `"${win32.join(paths.logDir, 'agent.log')}"`,
      ].join(' '),
    ),
    directory: xmlText(directory),
  });
  const grants = [paths.stateDir, paths.logDir].map((path) => ({
    kind: 'run' as const,
    file: systemProgram('icacls'),
    args: [path, '/grant', `${user}:(OI)(CI)M`],
    what: `let ${user} write to ${path}`,
  }));
  return {
    manager: 'windows-task',
    name: WINDOWS_TASK,
    install:
      found.files?.[file] === text
        ? []
        : [
            { kind: 'write', path: file, text, mode: 0o644, what: 'write the task' },
            {
              kind: 'run',
              file: schtasks,
              args: ['/create', '/tn', WINDOWS_TASK, '/xml', file, '/f'],
              undo: { file: schtasks, args: ['/delete', '/tn', WINDOWS_TASK, '/f'] },
              what: `have Windows start it when ${user} logs in`,
            },
          ],
    secure: [
      { kind: 'directory', path: paths.stateDir, what: 'make the directory of the state' },
      { kind: 'directory', path: paths.logDir, what: 'make the directory of the log' },
      ...grants,
      {
        kind: 'run',
        file: systemProgram('icacls'),
        args: [paths.envFile, '/inheritance:r', '/grant:r', '*S-1-5-18:F', '*S-1-5-32-544:F', `${user}:R`],
        what: `let only administrators and ${user} read the settings`,
      },
    ],
    uninstall: [
      {
        kind: 'run',
        file: schtasks,
        args: ['/delete', '/tn', WINDOWS_TASK, '/f'],
        allow: [1],
        what: 'remove the task',
      },
      { kind: 'remove', path: file, what: 'remove its description' },
    ],
    start: [{ file: schtasks, args: ['/run', '/tn', WINDOWS_TASK] }],
    // Windows ends it without asking: what it renders goes back to the farm when its lease has run out.
    stop: [{ file: schtasks, args: ['/end', '/tn', WINDOWS_TASK] }],
  };
}

/** The task as it was handed to Windows, kept to see whether it has changed. */
function taskFile({ paths }: ServiceSpec): string {
  return win32.join(paths.stateDir, 'agent.task.xml');
}

/**
 * What tells the state, for {@link readTaskQuery}: of `schtasks /query` every word is translated, of this the number of the
 * state is not (TASK_STATE, taskschd.h).
 */
export const TASK_QUERY = {
  file: win32.join(win32.dirname(schtasks), 'WindowsPowerShell', 'v1.0', 'powershell.exe'),
  args: [
    '-NoProfile',
    '-NonInteractive',
    '-Command',
    `$t = Get-ScheduledTask -TaskName ${WINDOWS_TASK} -ErrorAction Stop; "{0} {1}" -f [int]$t.State, ` +
      '($t | Get-ScheduledTaskInfo).LastTaskResult',
  ],
};

/** Reads "<state> <last result>". */
export function readTaskQuery(text: string): ServiceState {
  const [, state, result] = /^(\d+) (\d+)/.exec(text.trim()) ?? [];
  if (state === undefined) return NOT_INSTALLED;
  const isRunning = state === '4';
  // 0x41301: runs now; 0x41303: has not run yet; 0x41306: was ended.
  const isFine = ['0', '267009', '267011', '267014'].includes(result ?? '0');
  return {
    state: isRunning ? 'running' : isFine ? 'stopped' : 'failed',
    pid: null,
    since: null,
    lastExit: isFine ? null : `exit code ${result}`,
  };
}
