/** What a fault test is: something that is done to a farm under load, and what came of it. */
import { setTimeout as delay } from 'node:timers/promises';
import { percentile } from '../helpers/load-client.ts';
import { type BackendKinds, missingBackends } from './backends.ts';
import { type FaultFarm, type FaultFarmOptions, startFaultFarm } from './fault-farm.ts';
import type { Load } from './load.ts';
import { judge, type Verdict } from './verdict.ts';

export interface FaultOptions extends BackendKinds {
  /** How often the fault strikes. */
  readonly kills: number;
  /** How long a fault lasts that lasts; default: what the fault says. */
  readonly lastsMs?: number;
  /** Told what is going on. */
  readonly say: (text: string) => void;
}

export interface FaultReport extends Verdict, BackendKinds {
  readonly fault: string;
  /** How often or how long it was done: `100 kills`. */
  readonly amount: string;
  /** From the kill, or from the end of the cause where it lasts, until a whole new job had gone through; ms. */
  readonly recoveryP50Ms: number;
  readonly recoveryMaxMs: number;
  readonly seconds: number;
  readonly notes: readonly string[];
}

export interface Fault {
  readonly name: string;
  /** One line for --help. */
  readonly summary: string;
  /** Strikes in a report run; the one in the test suite names its own number. */
  readonly kills: number;
  /** Why it cannot be done on this machine or with this store; null: it can. */
  readonly missing?: (kinds: BackendKinds) => string | null;
  run(options: FaultOptions): Promise<FaultReport>;
}

/** Why this fault cannot be done here; null: it can. */
export function obstacleTo(fault: Fault, kinds: BackendKinds): string | null {
  return missingBackends(kinds) ?? fault.missing?.(kinds) ?? null;
}

/** Lease times shortened by 20, so that a run sees many of them: a node is silent for 3 s, not for a minute. */
export const SHORT_LEASES = {
  'leases.heartbeatSeconds': 0.5,
  'leases.suspectSeconds': 1.5,
  'leases.leaseSeconds': 3,
  'leases.offlineSeconds': 6,
  // Tasks are lost many times over here; in a farm five times is too often.
  'retries.maxLosses': 100,
};

/** A farm for this fault. */
export function farmFor(
  options: FaultOptions,
  more: Omit<FaultFarmOptions, keyof BackendKinds> = {},
): Promise<FaultFarm> {
  const { store, objects } = options;
  return startFaultFarm({ store, objects, ...more });
}

/** Collects the recoveries and remarks of one run, and closes it with the comparison. */
export class Strikes {
  readonly #started = performance.now();
  readonly #recoveries: number[] = [];
  readonly notes: string[] = [];
  readonly #farm: FaultFarm;
  readonly #load: Load;

  constructor(farm: FaultFarm, load: Load) {
    this.#farm = farm;
    this.#load = load;
  }

  /** Notes a recovery that was measured otherwise. */
  took(ms: number): void {
    this.#recoveries.push(ms);
  }

  /** Waits until the farm works again; counts from `since` (performance.now). */
  async recovered(since: number): Promise<number> {
    const ms = await this.#load.recovered(since);
    this.#recoveries.push(ms);
    return ms;
  }

  async report(name: string, amount: string, { store, objects }: FaultOptions): Promise<FaultReport> {
    const verdict = await judge(this.#farm, this.#load).catch((cause: unknown) => {
      const last = this.#farm.replicas.map((replica) => replica.log().slice(-4000)).join('\n');
      throw new Error(`the farm could not be compared with the ledger; its control planes said:\n${last}`, {
        cause,
      });
    });
    for (const [what, count] of this.#load.ledger.oddities) this.notes.push(`${count} × ${what}`);
    return {
      fault: name,
      store,
      objects,
      amount,
      ...verdict,
      recoveryP50Ms: Math.round(percentile(this.#recoveries, 0.5)),
      recoveryMaxMs: Math.round(Math.max(...this.#recoveries)),
      seconds: Math.round((performance.now() - this.#started) / 1000),
      notes: this.notes,
    };
  }
}

/** A random pause: faults come at any moment, also the wrong one. */
export function someTime(maxMs: number): Promise<void> {
  return delay(Math.random() * maxMs);
}
