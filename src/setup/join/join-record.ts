/** What a machine remembers of the invitation it has used, so that the same one again means "already". No secrets. */
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { z } from 'zod';
import type { Invitation } from '../../protocol/enrolment.ts';

const JoinRecord = z.object({
  node: z.string(),
  farm: z.string(),
  url: z.string(),
  /** {@link invitationMark} */
  invitation: z.string(),
  publicKey: z.string(),
  joinedAt: z.string(),
});
export type JoinRecord = z.infer<typeof JoinRecord>;

/** Tells invitations apart without being of use to anybody who reads it. */
export function invitationMark({ secret }: Invitation): string {
  return createHash('sha256').update(`flatrender invitation ${secret}`).digest('hex').slice(0, 32);
}

/** The record; null: none, or one that cannot be read, which only means that the invitation is used again. */
export function readJoinRecord(file: string): JoinRecord | null {
  try {
    return JoinRecord.parse(JSON.parse(readFileSync(file, 'utf8')));
  } catch {
    return null;
  }
}

/** The record as its file's text. */
export function joinRecordText(invitation: Invitation, publicKey: string, now: number): string {
  const { node, farm, url } = invitation;
  const record: JoinRecord = {
    node,
    farm,
    url,
    invitation: invitationMark(invitation),
    publicKey,
    joinedAt: new Date(now).toISOString(),
  };
  return `${JSON.stringify(record, null, 2)}\n`;
}
