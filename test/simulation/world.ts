/**
 * Virtual time and everything that has it: events in one order, processes that crash, stand still and have wrong clocks. One
 * event runs at a time, with all promises that follow from it; nothing else happens in between. So a seed decides everything.
 */
import type { Clock } from '../../src/lib/clock.ts';
import { createRandom, type Random } from './random.ts';
import { nextTurn } from './sandbox.ts';

interface Event {
  readonly at: number;
  readonly seq: number;
  readonly process: Process | null;
  run: (() => void) | null;
}

/** A broken promise of the farm. */
export interface Violation {
  readonly invariant: string;
  readonly message: string;
  /** Virtual ms since the start. */
  readonly at: number;
}

export const START = Date.parse('2026-01-28T10:30:00Z');
const TRACE_LINES = 20_000;

export class World {
  now = START;
  steps = 0;
  readonly seed: number;
  readonly violations: Violation[] = [];
  /** The last lines of what happened; only kept when asked for. */
  readonly lines: string[] = [];
  readonly #keepsTrace: boolean;
  readonly #heap: Event[] = [];
  readonly #streams = new Map<string, Random>();
  #seq = 0;
  #hash = 0x811c9dc5;
  #hash2 = 0x9747b28c;

  constructor(seed: number, keepsTrace = false) {
    this.seed = seed;
    this.#keepsTrace = keepsTrace;
  }

  /** Of everything that happened so far. */
  get digest(): string {
    return [this.#hash, this.#hash2].map((n) => (n >>> 0).toString(16).padStart(8, '0')).join('');
  }

  /** The stream of random numbers for one kind of decision. */
  random(name: string): Random {
    let stream = this.#streams.get(name);
    if (stream === undefined) {
      stream = createRandom(this.seed, name);
      this.#streams.set(name, stream);
    }
    return stream;
  }

  /** Notes what happened: part of the digest, and of the trace. */
  note(who: string, what: string): void {
    const text = `${this.now} ${who} ${what}`;
    let [a, b] = [this.#hash, this.#hash2];
    for (let i = 0; i < text.length; i += 1) {
      const code = text.charCodeAt(i);
      a = Math.imul(a ^ code, 0x01000193);
      b = Math.imul(b ^ code, 0x85ebca6b) + a;
    }
    this.#hash = a;
    this.#hash2 = b;
    if (!this.#keepsTrace) return;
    this.lines.push(`${((this.now - START) / 1000).toFixed(3).padStart(9)} ${who.padEnd(10)} ${what}`);
    if (this.lines.length > TRACE_LINES) this.lines.splice(0, TRACE_LINES / 2);
  }

  violate(invariant: string, message: string): void {
    this.note('ORACLE', `${invariant}: ${message}`);
    this.violations.push({ invariant, message, at: this.now - START });
  }

  /** Runs once after `ms`, unless the process is dead by then; later when it stands still. Call the result to cancel. */
  after(ms: number, run: () => void, process: Process | null = null): () => void {
    const event: Event = { at: this.now + Math.max(0, Math.round(ms)), seq: this.#seq++, process, run };
    this.#push(event);
    return () => {
      event.run = null;
    };
  }

  /** Runs events until `until` says so, none is left, or an invariant is broken. */
  async run(until: () => boolean, maxSteps: number): Promise<void> {
    await settled();
    while (this.violations.length === 0 && this.steps < maxSteps && !until()) {
      const event = this.#pop();
      if (event === undefined) return;
      if (event.run === null || event.process?.isAlive === false) continue;
      this.now = Math.max(this.now, event.at);
      if (event.process && event.process.pausedUntil > this.now) {
        this.#push({ ...event, at: event.process.pausedUntil });
        continue;
      }
      const { run } = event;
      event.run = null;
      this.steps += 1;
      run();
      await settled();
    }
  }

  #push(event: Event): void {
    const heap = this.#heap;
    heap.push(event);
    for (let i = heap.length - 1; i > 0; ) {
      const parent = (i - 1) >> 1;
      if (isBefore(heap[parent] as Event, event)) break;
      heap[i] = heap[parent] as Event;
      heap[parent] = event;
      i = parent;
    }
  }

  #pop(): Event | undefined {
    const heap = this.#heap;
    const [first] = heap;
    const last = heap.pop();
    if (first === undefined || last === undefined || heap.length === 0) return first;
    heap[0] = last;
    for (let i = 0; ; ) {
      let child = 2 * i + 1;
      if (child >= heap.length) break;
      if (child + 1 < heap.length && isBefore(heap[child + 1] as Event, heap[child] as Event)) child += 1;
      if (isBefore(last, heap[child] as Event)) break;
      heap[i] = heap[child] as Event;
      heap[child] = last;
      i = child;
    }
    return first;
  }
}

function isBefore(a: Event, b: Event): boolean {
  return a.at < b.at || (a.at === b.at && a.seq < b.seq);
}

/** Resolves when no promise can go on any more. */
function settled(): Promise<void> {
  return new Promise((resolve) => nextTurn(resolve));
}

/** A running program on some machine; a restart is another process. */
export class Process {
  readonly id: string;
  readonly world: World;
  isAlive = true;
  pausedUntil = 0;
  /** How far this machine's clock is off, ms. */
  skewMs: number;
  readonly clock: Clock;
  readonly #onDeath = new Set<() => void>();

  constructor(world: World, id: string, skewMs = 0) {
    this.world = world;
    this.id = id;
    this.skewMs = skewMs;
    this.clock = {
      now: () => world.now + this.skewMs,
      after: (ms, callback) => world.after(ms, callback, this),
    };
  }

  /** Resolves after `ms`; never when the process has died by then. */
  wait(ms: number): Promise<void> {
    return new Promise((resolve) => this.world.after(ms, resolve, this));
  }

  /** Whatever others have to notice of its end. Call the result when they need not any more. */
  onDeath(callback: () => void): () => void {
    this.#onDeath.add(callback);
    return () => void this.#onDeath.delete(callback);
  }

  /** Ends it between two events: what is in memory is gone, nothing of it goes on. */
  kill(why: string): void {
    if (!this.isAlive) return;
    this.isAlive = false;
    this.world.note(this.id, `dies: ${why}`);
    for (const callback of this.#onDeath) callback();
  }
}
