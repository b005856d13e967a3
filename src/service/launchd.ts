/**
 * launchd of macOS: a daemon that starts at boot, or an agent in the session of a user. After launchd.plist(5) and
 * launchctl(1); nobody has tried it on a Mac yet.
 */
import { posix } from 'node:path';
import type { PlanStep } from '../lib/plan.ts';
import {
  type Found,
  NOT_INSTALLED,
  type RunState,
  type ServicePlans,
  type ServiceSpec,
  type ServiceState,
  STOP_SECONDS,
} from './service-spec.ts';
import { unitText, xmlText } from './unit-text.ts';

const LABEL = 'com.flatrender.agent';
const DAEMONS = '/Library/LaunchDaemons';
const AGENTS = '/Library/LaunchAgents';
/** ESRCH, which launchctl says of a service that is not loaded. */
const NOT_LOADED = 3;
const LAUNCHCTL = '/bin/launchctl';

/** The plans for launchd. */
export function launchdPlans(spec: ServiceSpec, found: Found = {}): ServicePlans {
  const { paths, isInteractive, user } = spec;
  const domain = domainOf(spec);
  const target = `${domain}/${LABEL}`;
  // Root's file also in a user's session: what starts by itself is nobody else's to change.
  const path = posix.join(isInteractive ? AGENTS : DAEMONS, `${LABEL}.plist`);
  const text = plistText(spec);
  const isSame = found.files?.[path] === text;
  const unload: PlanStep = {
    kind: 'run',
    file: LAUNCHCTL,
    args: ['bootout', target],
    allow: [NOT_LOADED, 113],
    what: 'unload the service',
  };
  const directories = [posix.dirname(paths.envFile), paths.stateDir, paths.logDir];
  return {
    manager: isInteractive ? 'launchd-user' : 'launchd',
    name: LABEL,
    install: isSame
      ? []
      : [
          ...directories.map((each): PlanStep => ({ kind: 'directory', path: each, what: `make ${each}` })),
          ...(found.files?.[path] === undefined ? [] : [unload]),
          { kind: 'write', path, text, mode: 0o644, what: `write ${LABEL}.plist` },
        ],
    secure: [
      {
        kind: 'run',
        file: '/usr/sbin/chown',
        args: ['-R', user, paths.stateDir, paths.logDir, paths.envFile],
        what: `give settings and state to ${user}, as whom it runs`,
      },
      {
        kind: 'run',
        file: '/bin/chmod',
        args: ['600', paths.envFile],
        what: 'let nobody else read the secret',
      },
    ],
    uninstall: [unload, { kind: 'remove', path, what: `remove ${LABEL}.plist` }],
    start: [
      { file: LAUNCHCTL, args: ['enable', target] },
      // Fails when it is loaded already, which kickstart then restarts.
      { file: LAUNCHCTL, args: ['bootstrap', domain, path] },
      { file: LAUNCHCTL, args: ['kickstart', '-k', target] },
    ],
    // Out of launchd's list: KeepAlive would start it again after a mere signal.
    stop: [{ file: LAUNCHCTL, args: ['bootout', target] }],
  };
}

/** What tells the state, for {@link readLaunchdState}. */
export function launchdQuery(spec: ServiceSpec): readonly string[] {
  return ['print', `${domainOf(spec)}/${LABEL}`];
}

/** Reads `launchctl print`; its text is "not API" (launchctl(1)), so whatever is missing is unknown. */
export function readLaunchdState(text: string, exitCode: number): ServiceState {
  if (exitCode !== 0) return NOT_INSTALLED;
  const value = (key: string): string => new RegExp(`^\\s*${key} = (.*)$`, 'm').exec(text)?.[1]?.trim() ?? '';
  const exit = value('last exit code');
  const isFine = exit === '' || exit === '0' || exit.includes('never');
  const states: Readonly<Record<string, RunState>> = { running: 'running', 'spawn scheduled': 'starting' };
  return {
    state: states[value('state')] ?? (isFine ? 'stopped' : 'failed'),
    pid: Number(value('pid')) || null,
    since: null,
    lastExit: isFine ? null : `exit code ${exit}`,
  };
}

function domainOf({ isInteractive, uid }: ServiceSpec): string {
  return isInteractive ? `gui/${uid ?? 501}` : 'system';
}

function plistText({ paths, program, isInteractive, user }: ServiceSpec): string {
  const words = [program.file, ...program.args, 'agent', 'run', '--stop-seconds', String(STOP_SECONDS)];
  return unitText('com.flatrender.agent.plist', {
    arguments: words.map((word) => `    <string>${xmlText(word)}</string>`).join('\n'),
    envFile: xmlText(paths.envFile),
    stateDir: xmlText(paths.stateDir),
    logFile: xmlText(posix.join(paths.logDir, 'agent.log')),
    account: isInteractive ? '' : `  <key>UserName</key>\n  <string>${xmlText(user)}</string>`,
    stopSeconds: STOP_SECONDS,
    killSeconds: STOP_SECONDS + 20,
  });
}
