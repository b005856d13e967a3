/** What a control plane hears of the others, for tests that wait for it. */
import { isDeepStrictEqual } from 'node:util';
import type { FarmChange, SharedListener } from '../../src/store/shared.ts';
import type { Store } from '../../src/store/store.ts';

export class ListenerLog implements SharedListener {
  readonly changes: FarmChange[] = [];
  readonly gaps: string[] = [];
  /** Every word about the lead, the newest last. */
  readonly leading: boolean[] = [];
  readonly #waiting = new Set<() => void>();

  constructor({ shared }: Store) {
    if (shared === null) throw new Error('this store has no other control planes');
    shared.listen(this);
  }

  onChanges(changes: readonly FarmChange[]): void {
    this.changes.push(...changes);
    this.#look();
  }

  onGap(reason: string): void {
    this.gaps.push(reason);
    this.#look();
  }

  onLeader(isLeader: boolean): void {
    this.leading.push(isLeader);
    this.#look();
  }

  /** Resolves when this change was heard, earlier or later. */
  until(change: FarmChange): Promise<void> {
    return this.#when(() => this.changes.some((each) => isDeepStrictEqual(each, change)));
  }

  /** Resolves when a gap with such a reason was heard. */
  gap(reason: RegExp): Promise<void> {
    return this.#when(() => this.gaps.some((each) => reason.test(each)));
  }

  /** Resolves when the newest word is that it leads. */
  leads(isLeader = true): Promise<void> {
    return this.#when(() => this.leading.at(-1) === isLeader);
  }

  #when(isThere: () => boolean): Promise<void> {
    if (isThere()) return Promise.resolve();
    return new Promise((resolve) => {
      const look = (): void => {
        if (!isThere()) return;
        this.#waiting.delete(look);
        resolve();
      };
      this.#waiting.add(look);
    });
  }

  #look(): void {
    for (const look of [...this.#waiting]) look();
  }
}
