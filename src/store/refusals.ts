/** What a store refuses, in the same words whichever store it is. */
import { FlatrenderError } from '../lib/errors.ts';
import type { InvitationRecord, TemplateRecord } from './store.ts';

export function nodeNotFound(id: string): FlatrenderError {
  return new FlatrenderError('NODE_NOT_FOUND', `there is no node ${id}`, {
    hint: 'run "flatrender node list"',
  });
}

export function nodeExists(id: string): FlatrenderError {
  return new FlatrenderError('NODE_EXISTS', `there is already a node ${id}`, {
    hint: `another invitation: flatrender node invite ${id}; by hand, its next secret: flatrender node add ${id} --rotate`,
  });
}

export function invitationReplaced(nodeId: string): FlatrenderError {
  return new FlatrenderError(
    'INVITATION_REPLACED',
    `this invitation for ${nodeId} is no longer good: a newer one was made, or the node was removed`,
    { hint: `use the newest one, or: flatrender node invite ${nodeId}` },
  );
}

export function invitationUsed({ nodeId, usedAt, usedBy }: InvitationRecord): FlatrenderError {
  const when = new Date(usedAt ?? 0).toISOString();
  return new FlatrenderError(
    'INVITATION_USED',
    `this invitation for ${nodeId} was used by ${usedBy ?? 'another machine'} at ${when}`,
    {
      hint: `if that was not you, somebody has a copy: flatrender node invite ${nodeId} cuts that machine off and makes a new one`,
    },
  );
}

export function invitationExpired({ nodeId, expiresAt }: InvitationRecord): FlatrenderError {
  return new FlatrenderError(
    'INVITATION_EXPIRED',
    `this invitation for ${nodeId} expired at ${new Date(expiresAt).toISOString()}`,
    { hint: `ask for a new one: flatrender node invite ${nodeId}` },
  );
}

/** That version is there with other content. */
export function templateVersionExists({ name, version, sha256 }: TemplateRecord): FlatrenderError {
  return new FlatrenderError(
    'TEMPLATE_VERSION_EXISTS',
    `template ${name} ${version} exists with other content`,
    { hint: 'raise the version in template.yaml', details: { sha256 } },
  );
}

export function templateNotFound(name: string, version: string | undefined): FlatrenderError {
  return new FlatrenderError('TEMPLATE_NOT_FOUND', `there is no template ${titleOf(name, version)}`, {
    hint: 'run "flatrender template list"',
  });
}

/** So many unfinished jobs need it. */
export function templateInUse(name: string, version: string | undefined, jobs: number): FlatrenderError {
  return new FlatrenderError(
    'TEMPLATE_IN_USE',
    `template ${titleOf(name, version)} is needed by ${jobs} unfinished job${jobs === 1 ? '' : 's'}`,
    { hint: `wait for them or cancel them: flatrender job list --template ${name}`, details: { jobs } },
  );
}

function titleOf(name: string, version: string | undefined): string {
  return version === undefined ? name : `${name} ${version}`;
}

export function tokenNotFound(id: string): FlatrenderError {
  return new FlatrenderError('TOKEN_NOT_FOUND', `there is no token ${id}`, {
    hint: 'run "flatrender token list"',
  });
}

export function deliveryNotFound(id: string): FlatrenderError {
  return new FlatrenderError('DELIVERY_NOT_FOUND', `there is no webhook delivery ${id}`, {
    hint: 'run "flatrender webhook list"',
  });
}

/** No task, or no attempt of it with that epoch. */
export function attemptNotFound(taskId: string, epoch: number): FlatrenderError {
  return new FlatrenderError('TASK_NOT_FOUND', `there is no task ${taskId} with an attempt ${epoch}`);
}
