/** A service that has plans: how it is, starting and stopping it. */

import { setTimeout as wait } from 'node:timers/promises';
import { thisPlatform } from '../config/machine-paths.ts';
import { FlatrenderError } from '../lib/errors.ts';
import { type Command, run } from '../lib/exec.ts';
import { launchdQuery, readLaunchdState } from '../service/launchd.ts';
import {
  NOT_INSTALLED,
  type ServicePlans,
  type ServiceRole,
  type ServiceState,
} from '../service/service-spec.ts';
import { readSystemdState, systemdQuery } from '../service/systemd.ts';
import { readTaskQuery, TASK_QUERY } from '../service/windows/logon-task-plan.ts';
import { ALREADY_CODES, readServiceQuery, SERVICE_QUERIES } from '../service/windows/service-plan.ts';
import { lastLogLines } from './service-logs.ts';
import { serviceSpec } from './service-plans.ts';

const QUERY_MS = 15_000;
// The SCM gives a service 30 s between two signs of life; the control plane waits 2 min for the mesh.
const CHANGE_MS = 150_000;
const POLL_MS = 150;
/** A state is looked at again after this: a program that ends at once was "running" for a moment. */
const SETTLE_MS = 700;

/** State of a service as its manager tells it. */
export async function queryService(
  { manager, name }: Pick<ServicePlans, 'manager' | 'name'>,
  signal: AbortSignal,
): Promise<ServiceState> {
  switch (manager) {
    case 'systemd':
      return readSystemdState((await ask({ file: 'systemctl', args: systemdQuery(name) }, signal)).stdout);
    case 'launchd':
    case 'launchd-user': {
      const isInteractive = manager === 'launchd-user';
      const args = launchdQuery(serviceSpec({ role: 'agent', isInteractive, signal }));
      const { stdout, exitCode } = await ask({ file: '/bin/launchctl', args }, signal);
      return readLaunchdState(stdout, exitCode);
    }
    case 'windows-service': {
      for (const each of SERVICE_QUERIES) {
        const { stdout, exitCode } = await ask(each, signal);
        const state = readServiceQuery(stdout, exitCode);
        if (state) return state;
      }
      return NOT_INSTALLED;
    }
    case 'windows-task':
      return readTaskQuery((await ask(TASK_QUERY, signal)).stdout);
  }
}

async function ask({ file, args }: Command, signal: AbortSignal) {
  return await run(file, args, { anyExitCode: true, timeoutMs: QUERY_MS, signal }).catch((error) => {
    if (signal.aborted) throw error;
    return { stdout: '', exitCode: -1 };
  });
}

/** Starts it and waits until it runs. SERVICE_FAILED with the last lines of its log. */
export async function startPlanned(
  plans: ServicePlans,
  role: ServiceRole,
  signal: AbortSignal,
): Promise<ServiceState> {
  const since = Date.now();
  const failed = await control(plans.start, signal);
  let state = await until(
    plans,
    signal,
    ({ state: now }) => now === 'running' || now === 'failed' || now === 'stopped',
  );
  if (state.state === 'running') {
    await wait(SETTLE_MS, undefined, { signal });
    state = await queryService(plans, signal);
    if (state.state === 'running') return state;
  }
  const lines = await lastLogLines(role, since, signal);
  const why = state.lastExit ?? failed ?? state.state;
  throw new FlatrenderError(
    'SERVICE_FAILED',
    [`${plans.name} does not run: ${why}`, ...lines.map((line) => `  ${line}`)].join('\n'),
    { hint: `more of its log: flatrender ${topicOf(role)} logs -n 50` },
  );
}

/** Stops it and waits until it has ended; harmless when it does not run. */
export async function stopPlanned(plans: ServicePlans, signal: AbortSignal): Promise<ServiceState> {
  const before = await queryService(plans, signal);
  if (['stopped', 'failed', 'not-installed'].includes(before.state)) return before;
  const failed = await control(plans.stop, signal);
  if (failed !== null)
    throw new FlatrenderError('SERVICE_FAILED', `${plans.name} cannot be stopped: ${failed}`);
  return await until(plans, signal, ({ state }) => ['stopped', 'failed', 'not-installed'].includes(state));
}

/** Runs the commands; what the last one said when it failed, else null. ELEVATION_NEEDED for Windows' error 5. */
async function control(commands: readonly Command[], signal: AbortSignal): Promise<string | null> {
  let failed: string | null = null;
  for (const { file, args } of commands) {
    const { exitCode, stdout, stderr } = await run(file, args, {
      anyExitCode: true,
      timeoutMs: CHANGE_MS,
      signal,
    });
    if (thisPlatform() === 'win32' && exitCode === 5) throw notElevated();
    const said = `${stdout}\n${stderr}`.trim().split(/\r?\n/).at(-1) || `exit code ${exitCode}`;
    failed = exitCode === 0 || ALREADY_CODES.includes(exitCode) ? null : said;
  }
  return failed;
}

async function until(
  plans: ServicePlans,
  signal: AbortSignal,
  isThere: (state: ServiceState) => boolean,
): Promise<ServiceState> {
  const deadline = performance.now() + CHANGE_MS;
  for (;;) {
    const state = await queryService(plans, signal);
    if (isThere(state)) return state;
    if (performance.now() > deadline) {
      throw new FlatrenderError(
        'SERVICE_FAILED',
        `${plans.name} is still ${state.state} after ${CHANGE_MS / 1000} s`,
      );
    }
    await wait(POLL_MS, undefined, { signal });
  }
}

/** ELEVATION_NEEDED */
export function notElevated(): FlatrenderError {
  return new FlatrenderError('ELEVATION_NEEDED', 'only an administrator may change services', {
    hint:
      process.platform === 'win32'
        ? 'open a terminal "as administrator" and repeat the command'
        : 'repeat it with sudo',
  });
}

/** Of the commands for it. */
export function topicOf(role: ServiceRole): 'node' | 'control' {
  return role === 'agent' ? 'node' : 'control';
}
