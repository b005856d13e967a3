import { z } from 'zod';
import { Instant } from './names.ts';

/** One action of an operator, or an attempt. */
export const AuditView = z.object({
  seq: z.int(),
  at: Instant,
  actor: z
    .string()
    .describe(
      'name of the token, "hook NAME", "local USER" for a command on the control plane, or "unknown"',
    ),
  action: z.string().describe('operationId of the route, or the command'),
  subject: z.string().nullable(),
  outcome: z.string().describe('HTTP status, or ok'),
  from: z.string().nullable().describe('address it came from'),
  details: z.record(z.string(), z.unknown()),
});
export type AuditView = z.infer<typeof AuditView>;

export const AuditList = z.object({
  entries: z.array(AuditView).describe('newest first'),
  next: z.int().nullable().describe('`before` of the next page'),
});
export type AuditList = z.infer<typeof AuditList>;
