/** An invitation as the operator has it: a file, the line that was printed, or stdin. */
import { readFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { FlatrenderError } from '../../lib/errors.ts';
import { type Invitation, parseInvitation } from '../../protocol/enrolment.ts';

const LINE = /flatrender-invitation:/;
/** The longest is 1 kB; somebody else's file is not worth reading. */
const MAX_BYTES = 64 * 1024;

/** Reads it. INVITATION_INVALID names the place and what is wrong; CONFIG_MISSING when there is no such file. */
export async function readInvitation(given: string): Promise<Invitation> {
  if (LINE.test(given)) return parseInvitation(given, 'the line');
  if (given === '-')
    return parseInvitation(readFileSync(0, 'utf8').slice(0, MAX_BYTES), 'what came on stdin');
  let bytes: Buffer;
  try {
    bytes = await readFile(given);
  } catch (cause) {
    throw new FlatrenderError('CONFIG_MISSING', `cannot read the invitation ${given}: ${reasonOf(cause)}`, {
      cause,
      hint: 'on the control plane, "flatrender node add NAME" writes it; copy the file here, or paste the line of --print',
    });
  }
  return parseInvitation(decode(bytes.subarray(0, MAX_BYTES)), given);
}

/** What can be repeated of it in a message: the line is a secret. */
export function invitationName(given: string): string {
  return LINE.test(given) ? 'LINE' : given;
}

/** PowerShell's ">" writes UTF-16 with a byte order mark. */
function decode(bytes: Buffer): string {
  return bytes[0] === 0xff && bytes[1] === 0xfe ? bytes.toString('utf16le') : bytes.toString('utf8');
}

function reasonOf(cause: unknown): string {
  const { code, message } = cause as NodeJS.ErrnoException;
  if (code === 'ENOENT') return 'there is no such file';
  return code === 'EACCES' ? 'this user may not read it' : message;
}
