import { setTimeout } from 'node:timers/promises';
import { Flags } from '@oclif/core';
import { auditLines, auditTable } from '../../src/cli/audit-report.ts';
import { ClientCommand } from '../../src/cli/client-command.ts';
import { parseSince } from '../../src/cli/start-time.ts';
import { FlatrenderError } from '../../src/lib/errors.ts';
import type { AuditView } from '../../src/protocol/audit.ts';

/** As many as one page of the API holds. */
const PAGE = 1000;
const FOLLOW_MS = 2000;

export default class ControlAudit extends ClientCommand {
  static override summary = 'Show what operators did to the farm, newest first';
  static override description =
    'Every command and API call that changes something, and every attempt that was refused. Kept for retention.auditDays.';
  static override examples = [
    '<%= config.bin %> <%= command.id %> --since 24h',
    '<%= config.bin %> <%= command.id %> --action removeNode --json',
    '<%= config.bin %> <%= command.id %> --actor "hook n8n" --follow',
  ];
  static override flags = {
    since: Flags.string({
      helpValue: '<time>',
      description: 'only from then on: 24h, 7d (ago), or 2026-03-01T22:00:00Z',
    }),
    actor: Flags.string({ helpValue: '<name>', description: 'only by this token, or by "hook NAME"' }),
    action: Flags.string({
      helpValue: '<name>',
      description: 'only this route of the API, such as cancelJob',
    }),
    subject: Flags.string({ helpValue: '<id>', description: 'only what was done to this job, node, …' }),
    limit: Flags.integer({
      char: 'l',
      min: 1,
      max: 100_000,
      default: 50,
      helpValue: '<n>',
      description: 'at most so many',
    }),
    follow: Flags.boolean({
      char: 'f',
      description: 'oldest first, and go on with what happens',
    }),
  };

  async run(): Promise<{ entries: readonly AuditView[] }> {
    const { flags } = await this.parse(ControlAudit);
    if (flags.follow && this.jsonEnabled()) {
      throw new FlatrenderError('USAGE', '--follow never ends, and --json is one value', {
        hint: 'run "flatrender control audit --json --since 1h" again and again, or read without --json',
      });
    }
    const since =
      flags.since === undefined ? undefined : parseSince(flags.since, '--since', Date.now()).toISOString();
    const filter = { since, actor: flags.actor, action: flags.action, subject: flags.subject };
    const entries = await this.read(filter, flags.limit);
    if (flags.follow) return this.follow(filter, entries);
    if (entries.length === 0) this.note('nothing of that kind');
    else this.print(auditTable(entries));
    if (entries.length === flags.limit) this.note(`there may be more: --limit ${flags.limit * 5}`);
    return { entries };
  }

  private async read(
    filter: Omit<Parameters<typeof this.api.audit>[0], 'limit'>,
    limit: number,
  ): Promise<AuditView[]> {
    const entries: AuditView[] = [];
    let before: number | undefined;
    do {
      const page = await this.api.audit({ ...filter, before, limit: Math.min(PAGE, limit - entries.length) });
      entries.push(...page.entries);
      before = page.next ?? undefined;
    } while (before !== undefined && entries.length < limit);
    return entries;
  }

  /** Until Ctrl-C. */
  private async follow(
    filter: Omit<Parameters<typeof this.api.audit>[0], 'limit'>,
    first: readonly AuditView[],
  ): Promise<never> {
    let last = 0;
    for (let entries = first; ; entries = (await this.api.audit({ ...filter, limit: PAGE })).entries) {
      for (const entry of entries.toReversed()) {
        if (entry.seq <= last) continue;
        last = entry.seq;
        this.print(auditLines([entry]));
      }
      await setTimeout(FOLLOW_MS, undefined, { signal: this.signal });
    }
  }
}
