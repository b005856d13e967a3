import { z } from 'zod';
import { JobView } from './jobs.ts';
import { NodeView } from './nodes.ts';

/**
 * `GET /v1/events?job=ID&…&nodes=1` (server-sent events). Each event carries an id `<boot>-<n>`; a client that
 * reconnects with Last-Event-ID gets what it missed, or `reset` (read the state anew) when that is gone.
 */
export const FarmEvent = z.discriminatedUnion('type', [
  z.object({ type: z.literal('job'), job: JobView }),
  z.object({ type: z.literal('node'), node: NodeView }),
  z.object({ type: z.literal('node.removed'), id: z.string() }),
  // task: null when the lines came in through another control plane.
  z.object({ type: z.literal('log'), job: z.string(), task: z.string().nullable() }),
  z.object({ type: z.literal('reset'), reason: z.string() }),
]);
export type FarmEvent = z.infer<typeof FarmEvent>;
