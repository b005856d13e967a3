/** The audit log. */
import { z } from 'zod';
import { AuditList } from '../../protocol/audit.ts';
import { Instant } from '../../protocol/names.ts';
import type { Control } from '../context.ts';
import type { Routes } from '../route.ts';
import { instant } from '../views.ts';

const Query = z.object({
  before: z.coerce.number().int().positive().optional(),
  since: Instant.optional(),
  actor: z.string().min(1).max(300).optional(),
  action: z.string().min(1).max(100).optional(),
  subject: z.string().min(1).max(300).optional(),
  limit: z.coerce.number().int().min(1).max(1000).default(50),
});

/** Registers the route of the audit log. */
export function auditRoutes(routes: Routes, { store }: Control): void {
  routes.add('audit', {
    query: Query,
    answers: { 200: AuditList },
    async handle({ query }) {
      const { since, limit, ...filter } = query;
      const found = await store.listAudit({
        ...filter,
        limit,
        ...(since === undefined ? {} : { since: Date.parse(since) }),
      });
      return {
        entries: found.map((entry) => ({ ...entry, at: instant(entry.at) })),
        next: found.length === limit ? (found.at(-1)?.seq ?? null) : null,
      };
    },
  });
}
