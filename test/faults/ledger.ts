/** What the farm has acknowledged, written down outside of it: the truth that it is compared with after the faults. */

/** A completion that was answered with 200. */
export interface Completion {
  readonly taskId: string;
  readonly jobId: string;
  readonly epoch: number;
  readonly node: string;
  readonly key: string;
  readonly sha256: string;
}

export class Ledger {
  /** Job id → the name it was submitted with, which is unique. */
  readonly submitted = new Map<string, string>();
  /** By task. */
  readonly completed = new Map<string, Completion>();
  readonly cancelled = new Set<string>();
  /** Acknowledged twice in ways that exclude each other, in words. */
  readonly contradictions: string[] = [];
  /** Answers that no fault explains, counted: `submit 409 IDEMPOTENCY_CONFLICT`. */
  readonly oddities = new Map<string, number>();

  submit(jobId: string, name: string): void {
    const before = this.submitted.get(jobId);
    if (before !== undefined && before !== name)
      this.contradictions.push(`job ${jobId} acknowledged as ${before} and as ${name}`);
    this.submitted.set(jobId, name);
  }

  complete(completion: Completion): void {
    const before = this.completed.get(completion.taskId);
    if (before !== undefined && (before.epoch !== completion.epoch || before.node !== completion.node)) {
      const by = ({ node, epoch }: Completion): string => `${node} (claim ${epoch})`;
      this.contradictions.push(
        `task ${completion.taskId} accepted from ${by(before)} and from ${by(completion)}`,
      );
    }
    this.completed.set(completion.taskId, completion);
  }

  cancel(jobId: string): void {
    this.cancelled.add(jobId);
  }

  odd(what: string): void {
    this.oddities.set(what, (this.oddities.get(what) ?? 0) + 1);
  }
}
