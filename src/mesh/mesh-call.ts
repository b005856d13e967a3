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

const Peer = z.object({
  name: z.string(),
  publicKey: z.string().nullable(),
  address: z.string(),
  temporaryUntil: z.number().nullable(),
});

/** What each call answers; shapes of mesh.ts. */
export const MESH_RESULTS = {
  server: z.object({
    interface: z.string(),
    publicKey: z.string(),
    endpoint: z.string().nullable(),
    address: z.string(),
    network: z.string(),
    listenPort: z.number(),
  }),
  peers: z.array(Peer),
  status: z.array(
    Peer.extend({
      handshakeAt: z.number().nullable(),
      endpoint: z.string().nullable(),
      rxBytes: z.number(),
      txBytes: z.number(),
      isOnline: z.boolean(),
    }),
  ),
  setPeer: Peer,
  removePeer: z.boolean(),
  renamePeer: Peer,
} as const satisfies Record<MeshCall['call'], z.ZodType>;

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
