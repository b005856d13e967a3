/**
 * How a machine becomes a node. The operator's `node add` makes an invitation; `node join` on the machine uses it once:
 * it brings its own public key and gets the node's secret. In a mesh the invitation also carries a temporary tunnel key,
 * which dies with its use: the private key that stays never left the node.
 */
import { createCipheriv, createDecipheriv, hkdfSync } from 'node:crypto';
import { z } from 'zod';
import { FlatrenderError } from '../lib/errors.ts';
import { Instant, Label, Name } from './names.ts';

/** A WireGuard key: 32 bytes as base64. */
const WireGuardKey = z
  .string()
  .regex(/^[A-Za-z0-9+/]{42}[AEIMQUYcgkosw048]=$/, 'a WireGuard key: 44 characters of base64');

/** The tunnel of an invitation. */
export const InvitationMesh = z.strictObject({
  /** `host:port` of the control plane's WireGuard, an IPv6 host in brackets. */
  endpoint: z.string().min(3).max(300),
  serverPublicKey: WireGuardKey,
  /** The control plane in the mesh: the only address that goes through the tunnel. */
  serverAddress: z.ipv4(),
  /** The node in the mesh. */
  address: z.ipv4(),
  /** Temporary: good until the invitation is used. */
  privateKey: WireGuardKey,
});
export type InvitationMesh = z.infer<typeof InvitationMesh>;

/** What `node add` writes and `node join` reads. Whoever has it can become this node: it is a secret. */
export const Invitation = z.strictObject({
  /** Format of this file. */
  flatrenderInvitation: z.literal(1),
  node: Name,
  farm: Label.max(200),
  /** Address at which the node reaches the control plane. */
  url: z.url({ protocol: /^https?$/ }),
  /** Counts the invitations of a node; a newer one kills the ones before. */
  number: z.int().min(1),
  /** Signs the one request it is good for; see {@link deriveInvitationSecret}. */
  secret: z.string().regex(/^[A-Za-z0-9_-]{43}$/),
  expiresAt: Instant,
  /** null: the node reaches the control plane without a tunnel of this farm. */
  mesh: InvitationMesh.nullable(),
});
export type Invitation = z.infer<typeof Invitation>;

/** `POST /v1/nodes/:id/invite` */
export const InviteRequest = z.strictObject({
  hours: z
    .number()
    .min(0.01)
    .max(24 * 90)
    .default(24),
  url: z
    .url({ protocol: /^https?$/ })
    .optional()
    .describe('how the node reaches the control plane; default: gateway.publicUrl'),
  mesh: z.enum(['auto', 'none']).default('auto').describe('none: no tunnel, although the farm has a mesh'),
  address: z.ipv4().optional().describe('address in the mesh; default: the next free one'),
});
export type InviteRequest = z.infer<typeof InviteRequest>;

export const InviteAnswer = z.object({ invitation: Invitation });

/** What a machine says when it uses its invitation; repeated with the same key, it gets the same answer. */
export const EnrolRequest = z.strictObject({
  number: z.int().min(1),
  /** The machine's own WireGuard public key; also without a mesh, where it only says that it is the same machine. */
  publicKey: WireGuardKey,
  hostname: Label.max(255),
  agentVersion: Label.max(64),
});
export type EnrolRequest = z.infer<typeof EnrolRequest>;

export const EnrolAnswer = z.object({
  node: Name,
  /** NODE_HMAC_SECRET, sealed with the invitation's secret: nobody who listens can read it. */
  sealedSecret: z.string().max(400),
  /** The control plane switches its end of the tunnel to the new key once this answer is under way. */
  meshAddress: z.ipv4().nullable(),
});
export type EnrolAnswer = z.infer<typeof EnrolAnswer>;

/** State of a node's newest invitation, as operators see it. */
export const InvitationView = z.object({
  state: z.enum(['open', 'expired', 'used']),
  expiresAt: Instant,
  usedAt: Instant.nullable(),
  /** Which machine used it. */
  usedBy: z.string().nullable(),
});
export type InvitationView = z.infer<typeof InvitationView>;

/** The secret of a node's invitation: like a node secret, but good for enrolment only. 32 bytes as base64url. */
export function deriveInvitationSecret(farmSecret: Uint8Array, nodeId: string, number: number): string {
  return Buffer.from(
    hkdfSync('sha256', farmSecret, 'flatrender invitation', `${nodeId}\n${number}`, 32),
  ).toString('base64url');
}

/** Seals a text for whoever has the invitation: AES-256-GCM under a key derived from its secret and this nonce. */
export function seal(text: string, secret: string, nonce: Uint8Array): string {
  const cipher = createCipheriv('aes-256-gcm', sealingKey(secret), nonce);
  const bytes = Buffer.concat([nonce, cipher.update(text, 'utf8'), cipher.final()]);
  return Buffer.concat([bytes, cipher.getAuthTag()]).toString('base64url');
}

/** Opens what {@link seal} made. ANSWER_UNSIGNED when it was made with another secret or changed on the way. */
export function unseal(sealed: string, secret: string): string {
  const bytes = Buffer.from(sealed, 'base64url');
  try {
    const decipher = createDecipheriv('aes-256-gcm', sealingKey(secret), bytes.subarray(0, 12));
    decipher.setAuthTag(bytes.subarray(-16));
    return Buffer.concat([decipher.update(bytes.subarray(12, -16)), decipher.final()]).toString('utf8');
  } catch (cause) {
    throw new FlatrenderError('ANSWER_UNSIGNED', 'the node secret in the answer cannot be opened', {
      cause,
      hint: 'this is not the control plane that made the invitation: ask for a new one (flatrender node invite)',
    });
  }
}

function sealingKey(secret: string): Buffer {
  return Buffer.from(hkdfSync('sha256', secret, 'flatrender invitation', 'seal', 32));
}

const LINE_PREFIX = 'flatrender-invitation:';

/** The invitation as one line to paste. */
export function invitationLine(invitation: Invitation): string {
  return LINE_PREFIX + Buffer.from(JSON.stringify(invitation)).toString('base64url');
}

/** Reads an invitation: the file's JSON, or the line. INVITATION_INVALID says what is wrong with it; `place` is for messages. */
export function parseInvitation(text: string, place: string): Invitation {
  const trimmed = text.replace(/^\uFEFF/, '').trim();
  const start = trimmed.indexOf(LINE_PREFIX);
  // Mail programs and terminals break long lines.
  const json =
    start < 0
      ? trimmed
      : Buffer.from(trimmed.slice(start + LINE_PREFIX.length).replace(/\s+/g, ''), 'base64url').toString(
          'utf8',
        );
  let value: unknown;
  try {
    value = JSON.parse(json);
  } catch (cause) {
    throw invalid(place, 'it is cut off or not an invitation', cause);
  }
  const parsed = Invitation.safeParse(value);
  if (parsed.success) return parsed.data;
  const [issue] = parsed.error.issues;
  throw invalid(place, `${issue?.path.join('.') || 'it'}: ${issue?.message ?? 'not valid'}`, parsed.error);
}

function invalid(place: string, why: string, cause: unknown): FlatrenderError {
  return new FlatrenderError('INVITATION_INVALID', `${place} is not a valid invitation: ${why}`, {
    cause,
    hint: 'copy the whole file (or line) that "flatrender node add" or "flatrender node invite" wrote',
  });
}
