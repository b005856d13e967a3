/** Invitations on the operator's side: where they are written, and what to do with them. */
import { existsSync, readFileSync } from 'node:fs';
import { FlatrenderError } from '../lib/errors.ts';
import { replaceFile } from '../lib/replace-file.ts';
import type { Invitation } from '../protocol/enrolment.ts';
import { checkPlaceFor } from './new-file.ts';
import { formatInstant } from './output.ts';

/** The file of a node's invitation when nobody names one. */
export function invitationFile(node: string): string {
  return `${node}.invitation.json`;
}

/** Checks before an invitation is made that it can be written there: USAGE when the file is something else, or has no place. */
export function checkInvitationFile(path: string, node: string): void {
  if (!existsSync(path)) {
    checkPlaceFor(path, 'name another file: --output PATH; or print it as one line: --print');
    return;
  }
  let known: unknown;
  try {
    known = (JSON.parse(readFileSync(path, 'utf8')) as { node?: unknown }).node;
  } catch {
    known = undefined;
  }
  if (known === node) return;
  const what =
    typeof known === 'string' ? `is the invitation of node ${known}` : 'exists and is no invitation';
  throw new FlatrenderError('USAGE', `${path} ${what}`, { hint: 'name another file: --output PATH' });
}

/** Writes it, mode 0600: whoever has the file can become the node. */
export function writeInvitation(path: string, invitation: Invitation): void {
  try {
    replaceFile(path, `${JSON.stringify(invitation, null, 2)}\n`, { mode: 0o600 });
  } catch (cause) {
    throw new FlatrenderError('SETUP_FAILED', `could not write ${path}: ${(cause as Error).message}`, {
      cause,
      hint: `the node is there; another invitation: flatrender node invite ${invitation.node} --output PATH`,
    });
  }
}

/** Warns of an address that is good on this machine only; null: it is not. */
export function loopbackWarning(url: string): string | null {
  if (!/^https?:\/\/(localhost|127\.|\[::1\])/.test(url)) return null;
  return `${url} is only reachable from this machine; for a node elsewhere: --orchestrator-url, or gateway.publicUrl in flatrender.yaml`;
}

/** What comes next, for people. */
export function inviteNotes({ node, expiresAt, mesh, url }: Invitation, file: string | null): string[] {
  const what = file ?? 'the line above';
  return [
    `good once, until ${formatInstant(expiresAt)}; whoever has it can become ${node}: hand it over privately`,
    ...(mesh
      ? [`tunnel: ${mesh.address}, dials ${mesh.endpoint}`]
      : [`no tunnel: the node reaches ${url} by itself`]),
    `next, on the machine, as administrator: flatrender node join ${file ?? "'flatrender-invitation:…'"}${file ? '' : ` (${what})`}`,
  ];
}

/** What the flags of "add" and "invite" ask for. */
export function inviteRequest(flags: {
  readonly hours?: string | undefined;
  readonly address?: string | undefined;
  readonly mesh: boolean;
  readonly 'orchestrator-url'?: string | undefined;
}) {
  return {
    mesh: flags.mesh ? ('auto' as const) : ('none' as const),
    ...(flags.hours === undefined ? {} : { hours: hoursOf(flags.hours) }),
    ...(flags.address === undefined ? {} : { address: flags.address }),
    ...(flags['orchestrator-url'] === undefined ? {} : { url: flags['orchestrator-url'] }),
  };
}

function hoursOf(text: string): number {
  const hours = Number(text);
  if (hours > 0 && hours <= 24 * 90) return hours;
  throw new FlatrenderError('USAGE', `--hours ${text}: a number up to ${24 * 90}`, {
    hint: 'a day is the default: leave it out',
  });
}
