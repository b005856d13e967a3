/** Ends what gives no sign of life: each phase of a render has its longest silence. */
import type { AerenderSection } from '../../../bundle/aerender-section.ts';
import type { Clock } from '../../../lib/clock.ts';
import type { AerenderLimits } from '../../engine.ts';

/** launch: until the script runs; bind: while it does; then until the first frame, between frames, after the last. */
export type WatchPhase = 'launch' | 'bind' | 'first-frame' | 'frame' | 'encode';

/** A line of output, a file that grows or appears, processor time of the process tree. */
export type LifeSign = 'output' | 'file' | 'cpu';

/** Longest silence by phase, ms. */
export type WatchLimits = Readonly<Record<WatchPhase, number>>;

/** Why the watchdog bit. */
export interface Expiry {
  readonly phase: WatchPhase;
  /** The limit of the phase. */
  readonly limitMs: number;
  /** Since the last line or file (or the phase's beginning); more than the limit where processor time stretched it. */
  readonly silentMs: number;
  /** How long ago each sign was last given, ms, in any phase; null: never. */
  readonly lastSigns: Readonly<Record<LifeSign, number | null>>;
}

/**
 * Processor time alone stretches a limit to this many times its length. A frame may well take three times as long as
 * its template's author thought, without a line or a byte; a busy loop is no progress, and one must end some time.
 */
export const CPU_STRETCH = 3;
/** How often silence is counted, ms: often enough to be exact, seldom enough to cost nothing. */
const TICK_MS = 1000;

/** The node's limits are the defaults; a template that sets its own knows its frames and is believed, either way. */
export function watchLimits(node: AerenderLimits, template: AerenderSection['limits'] = {}): WatchLimits {
  const ms = (key: keyof AerenderLimits): number => (template[key] ?? node[key]) * 1000;
  return {
    launch: ms('launch'),
    bind: ms('bind'),
    'first-frame': ms('firstFrame'),
    frame: ms('frame'),
    encode: ms('encode'),
  };
}

/**
 * Watches one attempt. Silence is counted in ticks, and a tick counts for at most two: a machine that slept, a clock
 * that was set, an agent that was held up itself are not After Effects' silence.
 */
export class Watchdog {
  readonly #clock: Clock;
  readonly #limits: WatchLimits;
  readonly #onExpired: (expiry: Expiry) => void;
  #phase: WatchPhase | null = null;
  /** Silence of lines and files. */
  #quiet = 0;
  /** Silence of everything. */
  #dead = 0;
  #ages: Record<LifeSign, number | null> = { output: null, file: null, cpu: null };
  #countedAt = 0;
  #tickMs = TICK_MS;
  #cancel: (() => void) | undefined;
  #expiry: Expiry | null = null;

  /** @param options.onExpired called once, from a timer */
  constructor(options: {
    readonly clock: Clock;
    readonly limits: WatchLimits;
    readonly onExpired: (expiry: Expiry) => void;
  }) {
    this.#clock = options.clock;
    this.#limits = options.limits;
    this.#onExpired = options.onExpired;
  }

  /** What it said when it expired. */
  get expiry(): Expiry | null {
    return this.#expiry;
  }

  get phase(): WatchPhase | null {
    return this.#phase;
  }

  /** A phase begins, with its whole limit; the same one again is nothing new. */
  enter(phase: WatchPhase): void {
    if (this.#expiry || this.#phase === phase) return;
    this.#count();
    this.#phase = phase;
    this.#quiet = 0;
    this.#dead = 0;
    this.#arm();
  }

  /** After Effects lives. Lines and files begin the limit anew, processor time stretches it (`CPU_STRETCH`). */
  alive(sign: LifeSign): void {
    if (this.#phase === null || this.#expiry) return;
    this.#count();
    this.#ages[sign] = 0;
    this.#dead = 0;
    if (sign !== 'cpu') this.#quiet = 0;
  }

  /** Nothing is watched any more. */
  [Symbol.dispose](): void {
    this.#cancel?.();
    this.#cancel = undefined;
    this.#phase = null;
  }

  /** Adds the time since the last count, bounded. */
  #count(): void {
    const now = this.#clock.now();
    const elapsed = now - this.#countedAt;
    this.#countedAt = now;
    if (this.#phase === null) return;
    // Set back: the tick itself went by, more or less.
    const passed = elapsed < 0 ? this.#tickMs : Math.min(elapsed, 2 * this.#tickMs);
    this.#quiet += passed;
    this.#dead += passed;
    for (const sign of ['output', 'file', 'cpu'] as const) {
      const age = this.#ages[sign];
      if (age !== null) this.#ages[sign] = age + passed;
    }
  }

  #arm(): void {
    this.#cancel?.();
    const left = this.#left();
    if (left === null) return;
    this.#tickMs = Math.max(1, Math.min(TICK_MS, left));
    this.#cancel = this.#clock.after(this.#tickMs, () => {
      this.#count();
      if ((this.#left() ?? 1) <= 0) this.#expire();
      else this.#arm();
    });
  }

  /** Time until it expires if nothing happens; null: nothing is watched. */
  #left(): number | null {
    if (this.#phase === null || this.#expiry) return null;
    const limit = this.#limits[this.#phase];
    return Math.min(limit - this.#dead, CPU_STRETCH * limit - this.#quiet);
  }

  #expire(): void {
    if (this.#phase === null) return;
    this.#expiry = {
      phase: this.#phase,
      limitMs: this.#limits[this.#phase],
      silentMs: this.#quiet,
      lastSigns: { ...this.#ages },
    };
    this.#cancel = undefined;
    this.#onExpired(this.#expiry);
  }
}
