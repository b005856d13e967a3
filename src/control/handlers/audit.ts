/** The audit log. */
import { z } from 'zod';
import { closest } from '../../lib/did-you-mean.ts';
import { FlatrenderError } from '../../lib/errors.ts';
import { AuditList } from '../../protocol/audit.ts';
import { Instant } from '../../protocol/names.ts';
import { AUDIT_ACTIONS } from '../audit.ts';
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
      if (filter.action !== undefined && !AUDIT_ACTIONS.includes(filter.action))
        throw noAction(filter.action);
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

/** Not an empty list: whoever mistyped it would take it for "never happened". */
function noAction(action: string): FlatrenderError {
  const near = closest(action, AUDIT_ACTIONS);
  return new FlatrenderError('REQUEST_INVALID', `there is no action "${action}"`, {
    hint: `${near === undefined ? '' : `did you mean ${near}? `}there are: ${AUDIT_ACTIONS.join(', ')}`,
  });
}
