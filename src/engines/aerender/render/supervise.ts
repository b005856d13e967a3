/** Runs AfterFX or aerender under the watchdog: every line logged, silence ended, nothing of it left behind. */
import type { Clock } from '../../../lib/clock.ts';
import { type Command, type Ended, killTree, start } from '../../../lib/exec.ts';
import type { DialogEvidence } from '../report/evidence.ts';
import {
  type Expiry,
  type LifeSign,
  Watchdog,
  type WatchLimits,
  type WatchPhase,
} from '../report/watchdog.ts';
import type { TaskLog } from './task-log.ts';

/** Lines kept for the message of a failure; the log has them all. */
const KEPT_LINES = 40;
/** An abort must be over within 5 s, with everything it started. */
const ABORT_GRACE_MS = 1_000;
/** How often processor time and windows are looked at, ms: tasklist takes seconds. */
const LOOK_MS = process.platform === 'win32' ? 10_000 : 2_000;
/** How often the log says that it still runs, ms. */
const STILL_MS = 5 * 60_000;

export interface SuperviseOptions {
  /** For the log: `aerender`. */
  readonly name: string;
  readonly command: Command;
  readonly cwd: string;
  readonly env?: Readonly<Record<string, string | undefined>>;
  readonly log: TaskLog;
  readonly clock: Clock;
  readonly signal: AbortSignal;
  readonly limits: WatchLimits;
  /** The first phase. */
  readonly phase: WatchPhase;
  readonly onLine: (line: string, program: Supervised) => void;
  /** Called as soon as it runs: to watch files. What it returns is called when the program has ended. */
  readonly onStart?: (program: Supervised) => () => void;
  /** Writes down that this attempt has started it, so that it is known if this process is killed. */
  readonly track?: (pid: number) => Promise<void>;
  /** Processor time that a process and its descendants have used, ms; null: not known here. */
  readonly cpuMs?: (pid: number) => Promise<number | null>;
  /** Looks for what blocks a silent program (a dialog); what it returns ends the program. */
  readonly blockedBy?: (pid: number) => Promise<DialogEvidence | null>;
}

/** The running program, for those who watch it. */
export interface Supervised {
  readonly pid: number;
  enter(phase: WatchPhase): void;
  alive(sign: LifeSign): void;
  /** Its work is done: it ends by itself, or is ended when it has been silent for so long. */
  workDone(graceMs: number): void;
  /** Since the last line or file, ms. */
  quietMs(): number;
}

/** How it ended, and what it said. */
export interface Outcome {
  /** Null: it was ended here. */
  readonly ended: Ended | null;
  /** Why it was ended; null: it ended by itself, or its work was done. */
  readonly expiry: Expiry | null;
  /** The dialog that blocked it. */
  readonly dialog: DialogEvidence | null;
  /** Its work was done (`workDone`), and it did not end by itself. */
  readonly lingered: boolean;
  /** The last lines of both its streams. */
  readonly lastLines: readonly string[];
}

/**
 * Runs a program to its end, or ends it: on silence, on a dialog, when its work is done and it stays. Returns only
 * when it and its descendants are gone. Throws PROGRAM_MISSING, or the reason of the abort.
 */
export async function supervise(options: SuperviseOptions): Promise<Outcome> {
  const { command, log, name, signal, clock } = options;
  signal.throwIfAborted();
  const lines: string[] = [];
  const stop = Promise.withResolvers<Partial<Outcome>>();
  stop.promise.catch(() => {}); // an abort may come before anybody waits for it
  using watchdog = new Watchdog({
    clock,
    limits: options.limits,
    onExpired: (expiry) => stop.resolve({ expiry }),
  });
  let running: Supervised | undefined;
  log.say(`${name}: ${[command.file, ...command.args].map(quoted).join(' ')}`);
  const program = await start(command.file, command.args, {
    cwd: options.cwd,
    ...(options.env === undefined ? {} : { env: options.env }),
    onLine(line) {
      log.program(name, line);
      lines.push(line);
      if (lines.length > KEPT_LINES) lines.shift();
      running?.alive('output');
      if (running) options.onLine(line, running);
    },
  });
  const cancels: (() => void)[] = [];
  running = watched(program.pid, { watchdog, clock, cancels }, () => stop.resolve({ lingered: true }));
  running.enter(options.phase);
  let hasEnded = false;
  const onAbort = (): void => stop.reject(signal.reason);
  signal.addEventListener('abort', onAbort, { once: true });
  if (signal.aborted) onAbort();
  try {
    await options.track?.(program.pid);
    const close = options.onStart?.(running);
    if (close) cancels.push(close);
    cancels.push(lookRegularly(running, options, (dialog) => stop.resolve({ dialog })));
    const ended = program.done.then((done): Partial<Outcome> => {
      hasEnded = true;
      return { ended: done };
    });
    const how = await Promise.race([ended, stop.promise]);
    const outcome: Outcome = {
      ended: null,
      expiry: null,
      dialog: null,
      lingered: false,
      ...how,
      lastLines: lines,
    };
    log.say(`${name}: ${describe(outcome)}`);
    return outcome;
  } finally {
    signal.removeEventListener('abort', onAbort);
    for (const cancel of cancels) cancel();
    // Windows gives the id of a process that has ended to the next one.
    if (!hasEnded || process.platform !== 'win32')
      await killTree(program.pid, signal.aborted ? ABORT_GRACE_MS : 2 * ABORT_GRACE_MS);
    await program.done.catch(() => undefined);
  }
}

/** The watchdog until the work is done, then a shorter silence that is no fault. */
function watched(
  pid: number,
  { watchdog, clock, cancels }: { watchdog: Watchdog; clock: Clock; cancels: (() => void)[] },
  onLingered: () => void,
): Supervised {
  let grace: number | null = null;
  let lastAt = clock.now();
  let cancel = (): void => {};
  cancels.push(() => cancel());
  const arm = (): void => {
    cancel();
    if (grace !== null) cancel = clock.after(grace, onLingered);
  };
  return {
    pid,
    enter: (phase) => watchdog.enter(phase),
    alive(sign) {
      watchdog.alive(sign);
      if (sign === 'cpu') return;
      lastAt = clock.now();
      arm();
    },
    workDone(graceMs) {
      if (grace !== null) return;
      watchdog[Symbol.dispose]();
      grace = graceMs;
      arm();
    },
    quietMs: () => clock.now() - lastAt,
  };
}

/** Signs of life that nobody prints, and of the opposite. */
function lookRegularly(
  { pid, alive, quietMs }: Supervised,
  { clock, cpuMs, blockedBy, log, name }: SuperviseOptions,
  onBlocked: (dialog: DialogEvidence) => void,
): () => void {
  let isOver = false;
  let cancel: () => void = () => {};
  let used = 0;
  let saidAt = clock.now();
  const look = async (): Promise<void> => {
    const cpu = (await cpuMs?.(pid)) ?? null;
    // A process that only waits uses a few ms a second; one that works uses most of a core.
    if (cpu !== null && cpu - used > LOOK_MS / 20) alive('cpu');
    if (cpu !== null) used = cpu;
    // Whoever follows the log knows that it is alive, and the agent that a slow frame is no hang of its own.
    if (clock.now() - saidAt >= STILL_MS) {
      saidAt = clock.now();
      log.say(
        `${name}: still running${cpu === null ? '' : `, ${Math.round(cpu / 1000)} s of processor time`}`,
      );
    }
    // Whoever prints and writes is not waiting for an answer.
    const dialog = quietMs() < LOOK_MS ? null : ((await blockedBy?.(pid)) ?? null);
    if (dialog !== null && !isOver) onBlocked(dialog);
  };
  const again = (): void => {
    if (isOver) return;
    cancel = clock.after(LOOK_MS, () => {
      look()
        .catch((error: unknown) => log.say(`cannot look at the processes: ${String(error)}`))
        .finally(again);
    });
  };
  again();
  return () => {
    isOver = true;
    cancel();
  };
}

function describe({ ended, expiry, dialog, lingered }: Outcome): string {
  if (dialog !== null) return `ended: a dialog blocks it: ${dialog.message}`;
  if (expiry) return `ended: no sign of life for ${expiry.silentMs / 1000} s (${expiry.phase})`;
  if (lingered) return 'ended: its work is done and it did not end by itself';
  if (ended?.signal) return `ended by ${ended.signal}`;
  return `exit code ${ended?.exitCode ?? 'unknown'}`;
}

/** For the log: so that a person can paste it into a shell. */
function quoted(argument: string): string {
  return /^[\w./:=,+-]+$/.test(argument) ? argument : `'${argument.replaceAll("'", `'\\''`)}'`;
}
