/** Who did what to the farm: actions of operators, not of nodes. */

export interface NewAuditEntry {
  /** Epoch ms. */
  readonly at: number;
  /** Name and id of the token, `local` for a command on the control plane itself. */
  readonly actor: string;
  /** Name of the route or command, e.g. `cancelJob`. */
  readonly action: string;
  /** What it was done to, e.g. a job's id. */
  readonly subject: string | null;
  /** HTTP status or `ok`; refused ones count too. */
  readonly outcome: string;
  /** Address it came from. */
  readonly from: string | null;
  /** Few, small and without secrets. */
  readonly details: Readonly<Record<string, unknown>>;
}

export interface AuditEntry extends NewAuditEntry {
  /** Grows in the order of writing. */
  readonly seq: number;
}

export interface AuditStore {
  /** Durable before the action's answer. */
  appendAudit(entry: NewAuditEntry): Promise<void>;
  /** Newest first; continue with the last `seq` as `before`. */
  listAudit(filter: {
    readonly before?: number | undefined;
    readonly since?: number | undefined;
    readonly actor?: string | undefined;
    readonly action?: string | undefined;
    readonly subject?: string | undefined;
    readonly limit: number;
  }): Promise<readonly AuditEntry[]>;
  purgeAudit(before: number, limit: number): Promise<number>;
}
