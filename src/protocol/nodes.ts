import { z } from 'zod';
import { InvitationView } from './enrolment.ts';
import { EngineName, ErrorAnswer, Instant, Label, Name, Role } from './names.ts';

/** One engine as a node's probe found it. */
export const EngineInfo = z.object({
  name: EngineName,
  available: z.boolean(),
  version: z.string().max(64).optional(),
  reason: z.string().max(1024).optional().describe('why it is not available'),
  hint: z.string().max(1024).optional(),
  notes: z.array(z.string().max(1024)).max(16).optional().describe('what people should know about it'),
});
export type EngineInfo = z.infer<typeof EngineInfo>;

/** Sizes in MB, as in the health contract. */
export const SystemInfo = z.object({
  gpu: z
    .object({
      name: z.string().max(256),
      vram: z.object({ total: z.number(), used: z.number().nullable(), free: z.number().nullable() }),
    })
    .nullable(),
  memory: z.object({ total: z.number(), used: z.number(), free: z.number() }),
  disk: z.object({ total: z.number(), used: z.number(), free: z.number() }),
});
export type SystemInfo = z.infer<typeof SystemInfo>;

/** What a node can do, reported at registration. */
export const Capabilities = z.object({
  os: z.string().max(64),
  arch: z.string().max(32),
  cpu: z.string().max(256),
  cores: z.int().positive(),
  system: SystemInfo,
  engines: z.array(EngineInfo).max(16),
  tags: z.array(Name).max(32).default([]),
  maxConcurrentJobs: z.int().min(1).max(64),
});
export type Capabilities = z.infer<typeof Capabilities>;

/** What people see of a node, derived from liveness, intent and health. */
export const NodeStatus = z.enum([
  'pending',
  'ready',
  'busy',
  'draining',
  'drained',
  'quarantined',
  'suspect',
  'offline',
]);
export type NodeStatus = z.infer<typeof NodeStatus>;

export const NodeIntent = z.enum(['enabled', 'draining', 'cordoned']);
export type NodeIntent = z.infer<typeof NodeIntent>;

export const NodeView = z.object({
  id: z.string(),
  name: z.string(),
  status: NodeStatus,
  intent: NodeIntent,
  roles: z.array(Role),
  hostname: z.string().nullable(),
  hostIp: z.string().nullable(),
  agentVersion: z.string().nullable(),
  capabilities: Capabilities.nullable(),
  running: z.array(
    z.object({ task: z.string(), phase: z.string().nullable(), frame: z.int(), frames: z.int().nullable() }),
  ),
  quarantine: z.object({ since: Instant, reason: z.string() }).nullable(),
  blockedTemplates: z.array(z.string()),
  /** The newest one; null: it was never invited. */
  invitation: InvitationView.nullable(),
  lastSeenAt: Instant.nullable(),
  createdAt: Instant,
});
export type NodeView = z.infer<typeof NodeView>;

export const NodeList = z.object({ nodes: z.array(NodeView) });

/** `DELETE /v1/nodes/:id`, only when its tunnel could not be cut: why. Otherwise 204. */
export const NodeRemoved = z.object({ removed: z.string(), tunnel: ErrorAnswer.shape.error });
export type NodeRemoved = z.infer<typeof NodeRemoved>;

/** What was typed is shown again: it may have come out of a script. */
const NewName = z.string().refine((text) => Name.safeParse(text).success, {
  error: ({ input }) =>
    `${JSON.stringify(String(input).slice(0, 80))} is no name of a node: ${Name.safeParse(input).error?.issues[0]?.message}`,
});

/** `POST /v1/nodes`. The same name again: 409, unless `rotate`. */
export const NodeRequest = z
  .object({
    id: NewName,
    name: Label.min(1).max(200).optional().describe('display name; default: the id'),
    rotate: z.boolean().default(false).describe('for a known node: issue its next secret'),
  })
  .strict();
export type NodeRequest = z.infer<typeof NodeRequest>;

/** The secret is shown this once; it goes into `agent.env` as NODE_HMAC_SECRET. */
export const NodeCreated = z.object({ node: NodeView, secret: z.string() });
export type NodeCreated = z.infer<typeof NodeCreated>;
