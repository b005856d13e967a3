/** Checks of the services of this machine: are they there, do they run, how did they end. */
import type { ServiceRole, ServiceState } from '../../service/service-spec.ts';
import { formatInstant } from '../output.ts';
import type { Check, Finding } from './checks.ts';

/** What the check asks. */
export interface ServiceFacts {
  readonly role: ServiceRole;
  /** SERVICE_UNSUPPORTED and the like are told as skipped: a container has its own way. */
  readonly status: () => Promise<ServiceState & { readonly name: string; readonly manager: string }>;
  readonly start: () => Promise<unknown>;
  /** Nobody keeps services on this machine. */
  readonly isUnmanaged: boolean;
  /** It answers, whoever started it. */
  readonly isRunningByHand: () => Promise<boolean>;
  /** This machine's agent renders with After Effects. */
  readonly usesAfterEffects: boolean;
  readonly platform: NodeJS.Platform;
}

/** The check of one service. */
export function serviceCheck(facts: ServiceFacts): Check {
  return { name: facts.role === 'agent' ? 'service' : 'control service', run: () => checkService(facts) };
}

async function checkService(facts: ServiceFacts): Promise<readonly Finding[]> {
  const topic = facts.role === 'agent' ? 'node' : 'control';
  const sudo = facts.platform === 'win32' ? '' : 'sudo ';
  if (facts.isUnmanaged) {
    return [
      { status: 'skipped', message: 'no systemd on this machine: something else has to keep it running' },
    ];
  }
  const { name, manager, state, pid, since, lastExit } = await facts.status();
  if (state === 'not-installed') {
    const runs = await facts.isRunningByHand();
    const message = runs
      ? 'it runs, but not as a service: it does not come back after a reboot'
      : 'not installed as a service';
    return [{ status: runs ? 'warning' : 'skipped', message, fix: `${sudo}flatrender ${topic} install` }];
  }
  if (state === 'running') {
    const facts_ = [
      `pid ${pid ?? 'unknown'}`,
      ...(since === null ? [] : [`since ${formatInstant(since)}`]),
    ].join(', ');
    return [{ status: 'ok', message: `${name} runs (${facts_})` }, ...sessionFindings(facts, manager)];
  }
  return [
    {
      status: state === 'starting' ? 'warning' : 'failed',
      message: `${name} is ${state}${lastExit === null ? '' : `; last time it ended with ${lastExit}`}`,
      fix: `flatrender ${topic} logs -n 30, then: ${sudo}flatrender ${topic} start`,
      repair: state === 'starting' ? undefined : async () => void (await facts.start()),
    },
  ];
}

/** After Effects wants the session of a user. */
export const SESSION_FIX =
  'flatrender node uninstall, then as the user who renders: flatrender node install --interactive';

/** Windows keeps services in session 0: no graphics card for some effects, no fonts and licence of the user. */
function sessionFindings({ usesAfterEffects }: ServiceFacts, manager: string): readonly Finding[] {
  if (manager !== 'windows-service' || !usesAfterEffects) return [];
  return [
    {
      status: 'warning',
      message: 'After Effects runs in session 0, without the graphics card, fonts and licence of a user',
      fix: SESSION_FIX,
    },
  ];
}
