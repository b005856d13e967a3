/** The files that joining writes besides keys and tunnel: agent.env, and what it remembers. */
import { existsSync, readFileSync, statSync } from 'node:fs';
import { join, posix, win32 } from 'node:path';
import { setEnvLines } from '../../config/agent-env.ts';
import { quotedEnvValue } from '../../config/edit-agent-env.ts';
import { packageRoot } from '../../lib/paths.ts';
import type { PlanStep } from '../../lib/plan.ts';
import type { Invitation } from '../../protocol/enrolment.ts';
import { fileAccessSteps } from '../../service/windows/file-access.ts';
import type { JoinMachine } from './join-machine.ts';
import { joinRecordText } from './join-record.ts';

/** Makes the directory of agent.env. The service's own user finds its file in it; the files say who may read them. */
export function directorySteps({ platform, paths }: JoinMachine): PlanStep[] {
  const path = (platform === 'win32' ? win32 : posix).dirname(paths.envFile);
  const isSystem = path === '/etc/flatrender' || path === '/usr/local/etc/flatrender';
  return [
    {
      kind: 'directory',
      path,
      ...(isSystem ? { mode: 0o755 } : {}),
      what: 'make the directory of agent.env',
    },
  ];
}

/**
 * Sets values in agent.env: a new one is the documented example with them filled in, of an existing one nothing else changes,
 * neither its owner. No steps when it is like this already.
 */
export function agentEnvSteps(
  { platform, paths }: JoinMachine,
  values: Readonly<Record<string, string>>,
): PlanStep[] {
  const { envFile } = paths;
  const isThere = existsSync(envFile);
  const example = join(packageRoot(), 'templates', 'config', 'agent.env.example');
  const before = readFileSync(isThere ? envFile : example, 'utf8');
  const quoted = Object.entries(values).map(([key, value]) => [key, quotedEnvValue(value)]);
  const text = setEnvLines(before, Object.fromEntries(quoted));
  if (isThere && text === before) return [];
  const stat = isThere ? statSync(envFile) : null;
  return [
    {
      kind: 'write',
      path: envFile,
      text,
      // 0640 is what the service's group reads; whatever is wider was a mistake.
      mode: stat ? stat.mode & 0o640 : 0o600,
      ...(stat ? { owner: { uid: stat.uid, gid: stat.gid } } : {}),
      isSecret: true,
      what: 'write agent.env',
    },
    ...(platform === 'win32' ? fileAccessSteps(envFile, 'agent.env') : []),
  ];
}

/** Remembers that this invitation was used here. */
export function recordSteps(
  { paths, clock }: JoinMachine,
  invitation: Invitation,
  publicKey: string,
): PlanStep[] {
  return [
    {
      kind: 'write',
      path: paths.recordFile,
      text: joinRecordText(invitation, publicKey, clock.now()),
      mode: 0o600,
      what: 'remember that the invitation was used',
    },
  ];
}
