/**
 * How the control plane, which is not root, asks for changes of the mesh: one JSON line to the helper, one JSON line back.
 * The helper (`flatrender wg serve`, started by systemd for each connection) believes nothing: names, keys and addresses are
 * checked again where they are written.
 */
import { z } from 'zod';

const Name = z.string().regex(/^[a-z0-9][a-z0-9-]{0,62}$/);

/** One question. */
export const MeshCall = z.discriminatedUnion('call', [
  z.strictObject({ call: z.literal('server') }),
  z.strictObject({ call: z.literal('peers') }),
  z.strictObject({ call: z.literal('status') }),
  z.strictObject({
    call: z.literal('setPeer'),
    name: Name,
    publicKey: z.string().max(64),
    address: z.string().max(64).optional(),
    temporaryUntil: z.number().nullable().optional(),
  }),
  z.strictObject({ call: z.literal('removePeer'), name: Name, keepAddress: z.boolean() }),
  z.strictObject({ call: z.literal('renamePeer'), from: Name, to: Name }),
]);
export type MeshCall = z.infer<typeof MeshCall>;

/** One answer: the result, or the error's body. */
export const MeshReply = z.union([
  z.object({ result: z.unknown() }),
  z.object({
    error: z.object({
      code: z.string(),
      message: z.string(),
      hint: z.string().optional(),
      retryable: z.boolean().optional(),
    }),
  }),
]);

/** A call is far smaller; whoever sends more is not the control plane. */
export const MAX_CALL_BYTES = 16 * 1024;
