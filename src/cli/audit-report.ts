/** The audit log as people read it. */
import type { AuditView } from '../protocol/audit.ts';
import { table } from './output.ts';

export function auditTable(entries: readonly AuditView[]): string {
  return table(entries, [
    { title: 'time', value: (entry) => entry.at },
    { title: 'actor', value: (entry) => entry.actor },
    { title: 'action', value: (entry) => entry.action },
    { title: 'subject', value: (entry) => entry.subject },
    { title: 'outcome', value: (entry) => entry.outcome },
    { title: 'from', value: (entry) => entry.from },
    { title: 'details', value: (entry) => detailsOf(entry) },
  ]);
}

/** One line each, for a log that goes on: columns could not be known. */
export function auditLines(entries: readonly AuditView[]): string {
  return entries
    .map((entry) =>
      [
        entry.at,
        entry.actor,
        entry.action,
        entry.subject ?? '-',
        entry.outcome,
        entry.from ?? '-',
        detailsOf(entry),
      ]
        .join('  ')
        .trimEnd(),
    )
    .join('\n');
}

function detailsOf({ details }: AuditView): string {
  return Object.entries(details)
    .map(([key, value]) => `${key}=${typeof value === 'string' ? value : JSON.stringify(value)}`)
    .join(' ');
}
