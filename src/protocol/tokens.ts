import { z } from 'zod';
import { Instant, Label } from './names.ts';

/** admin ⊃ submit ⊃ read. Pushing templates needs admin: templates are code. */
export const TokenRole = z.enum(['admin', 'submit', 'read']);
export type TokenRole = z.infer<typeof TokenRole>;

export const TokenView = z.object({
  id: z.string(),
  name: z.string(),
  role: TokenRole,
  createdAt: Instant,
  expiresAt: Instant.nullable(),
  lastUsedAt: Instant.nullable(),
});
export type TokenView = z.infer<typeof TokenView>;
export const TokenList = z.object({ tokens: z.array(TokenView) });

export const TokenRequest = z
  .object({
    name: Label.min(1).max(100),
    role: TokenRole,
    // A hundred years: far beyond it there are no dates any more.
    expiresInSeconds: z.int().positive().max(3_155_760_000).optional(),
  })
  .strict();
export type TokenRequest = z.infer<typeof TokenRequest>;
/** The token itself is shown this once; the store keeps its hash. */
export const TokenCreated = z.object({ token: z.string(), info: TokenView });
export type TokenCreated = z.infer<typeof TokenCreated>;

/** `GET /v1/whoami`. */
export const WhoAmI = z.object({
  role: TokenRole,
  name: z.string().describe('of the token'),
  farm: z.string().describe('name of the farm'),
  version: z.string(),
  serverTime: Instant,
});
export type WhoAmI = z.infer<typeof WhoAmI>;

/** `GET /health`. */
export const HealthAnswer = z.object({
  status: z.enum(['ok', 'degraded']).describe('degraded: works, but not all of it; see objects'),
  farm: z.string(),
  version: z.string(),
  serverTime: Instant,
  startedAt: Instant,
  nodes: z.object({ online: z.int(), known: z.int() }),
  tasks: z.object({ queued: z.int(), running: z.int() }),
  objects: z
    .object({ ok: z.boolean(), message: z.string().nullable() })
    .optional()
    .describe(
      'whether bundles, input files and outputs can be reached; a message although they can: some are missing',
    ),
  replica: z
    .object({ id: z.string(), isLeader: z.boolean() })
    .nullish()
    .describe('this control plane among several on one database; null: it has the database for itself'),
  replicas: z
    .array(
      z.object({
        id: z.string(),
        hostname: z.string(),
        version: z.string(),
        startedAt: Instant,
        seenAt: Instant,
        isLeader: z
          .boolean()
          .describe('does what is done once: expiry of leases, due jobs, clean-up, webhooks'),
      }),
    )
    .optional(),
});
export type HealthAnswer = z.infer<typeof HealthAnswer>;
