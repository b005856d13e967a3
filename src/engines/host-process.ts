/** The agent's side of one engine host: a child process that does one thing at a time. */
import { errorFromBody, FlatrenderError, toFlatrenderError } from '../lib/errors.ts';
import { type Command, type Ended, type RunningProgram, start } from '../lib/exec.ts';
import type { HostOrder, HostReport } from './host-messages.ts';

/** An engine stops within 5 s of an abort; after this its process is ended, which takes a moment too. */
const ABORT_GRACE_MS = 4_000;
/** Lines of stderr kept for the report of a crash. */
const KEPT_LINES = 20;

/** How a piece of work ends well. */
export type Conclusion = Extract<HostReport, { type: 'probed' | 'rendered' }>;

export interface Work {
  readonly order: Exclude<HostOrder, { type: 'abort' }>;
  /** What is being done, for messages: `rendering j1.0 with lottie`. */
  readonly what: string;
  readonly signal: AbortSignal;
  /** Without any news for this long the host is taken for hung: ENGINE_TIMEOUT. */
  readonly stallMs: number;
  onReport(report: HostReport): void;
}

/** A running host. */
export class HostProcess {
  /** Pieces of work it was given. */
  served = 0;
  /** False once it failed, was aborted or ended: it does no more work. */
  isUsable = true;
  /** Resolves when its program has ended, however. */
  readonly ended: Promise<Ended | undefined>;
  readonly #program: RunningProgram;
  readonly #lines: string[];
  #onReport: (report: HostReport) => void = () => {};

  private constructor(program: RunningProgram, lines: string[]) {
    this.#program = program;
    this.#lines = lines;
    program.onMessage((message) => this.#onReport(message as HostReport));
    this.ended = program.done.then(
      (ended) => ended,
      () => undefined,
    );
    void this.ended.then(() => {
      this.isUsable = false;
    });
  }

  /** Starts a host. Orders may be sent at once: they wait in its channel until it is up. */
  static async start(entry: Command): Promise<HostProcess> {
    const lines: string[] = [];
    const program = await start(entry.file, entry.args, {
      ipc: true,
      // What renders needs no credentials, and a crash dump must not contain any.
      env: { NODE_HMAC_SECRET: undefined, FLATRENDER_TOKEN: undefined },
      onLine(line) {
        lines.push(line);
        if (lines.length > KEPT_LINES) lines.shift();
      },
    });
    return new HostProcess(program, lines);
  }

  get pid(): number {
    return this.#program.pid;
  }

  /**
   * Has the host do one thing. Throws what the engine threw, ENGINE_CRASHED when the process ended instead,
   * ENGINE_TIMEOUT when it fell silent, or the reason of the abort. After any of these it is gone with everything it
   * started.
   */
  async do(work: Work): Promise<Conclusion> {
    this.served += 1;
    try {
      work.signal.throwIfAborted();
      return await this.#converse(work);
    } catch (error) {
      await this.close();
      throw work.signal.aborted ? abortReason(work.signal) : error;
    } finally {
      this.#onReport = () => {};
    }
  }

  /** Ends the host and everything it started. */
  async close(): Promise<void> {
    this.isUsable = false;
    await this.#program.kill(0);
  }

  #converse(work: Work): Promise<Conclusion> {
    const { promise, resolve, reject } = Promise.withResolvers<Conclusion>();
    let killTimer: NodeJS.Timeout | undefined;
    let lastNews = '';
    const stallTimer = setTimeout(() => reject(stalled(work)), work.stallMs);
    const onAbort = (): void => {
      this.#program.send({ type: 'abort', reason: abortReason(work.signal).toBody() } satisfies HostOrder);
      killTimer = setTimeout(() => reject(abortReason(work.signal)), ABORT_GRACE_MS);
    };
    work.signal.addEventListener('abort', onAbort, { once: true });
    this.#onReport = (report) => {
      if (report.type === 'rendered' || report.type === 'probed') return resolve(report);
      if (report.type === 'failed') return reject(failureOf(report));
      // The same frame again and again is no news: an engine that hangs may well keep talking.
      const news =
        report.type === 'progress' ? `${report.progress.phase} ${report.progress.frame}` : report.type;
      if (report.type === 'progress' ? news !== lastNews : report.type === 'log') stallTimer.refresh();
      if (report.type === 'progress') lastNews = news;
      if (!work.signal.aborted) work.onReport(report);
    };
    void this.ended.then((ended) => reject(crashed(work, ended, this.#lines)));
    this.#program.send(work.order);
    return promise.finally(() => {
      clearTimeout(stallTimer);
      clearTimeout(killTimer);
      work.signal.removeEventListener('abort', onAbort);
    });
  }
}

function failureOf(report: Extract<HostReport, { type: 'failed' }>): FlatrenderError {
  const error = errorFromBody(report.error);
  if (report.stack !== undefined) error.stack = report.stack;
  return error;
}

function abortReason(signal: AbortSignal): FlatrenderError {
  if (signal.reason instanceof FlatrenderError) return signal.reason;
  const { message } = toFlatrenderError(signal.reason);
  return new FlatrenderError('ABORTED', `stopped: ${message}`, { cause: signal.reason });
}

function stalled(work: Work): FlatrenderError {
  const minutes = work.stallMs / 60_000;
  const time = minutes >= 1 ? `${minutes} min` : `${work.stallMs / 1000} s`;
  return new FlatrenderError('ENGINE_TIMEOUT', `${work.what}: no new frame for ${time}, so it was ended`, {
    details: { stallMs: work.stallMs },
  });
}

function crashed(work: Work, ended: Ended | undefined, lines: readonly string[]): FlatrenderError {
  const how = ended?.signal
    ? `was ended by ${ended.signal}`
    : `ended with exit code ${ended?.exitCode ?? 'unknown'}`;
  // V8 prints this line for its own heap; the kernel's out-of-memory killer sends SIGKILL and says nothing.
  const outOfMemory = ended?.signal === 'SIGKILL' || lines.some((line) => /heap out of memory/.test(line));
  const last = lines.findLast((line) => line.trim() !== '');
  return new FlatrenderError(
    'ENGINE_CRASHED',
    `${work.what}: the engine's process ${how}${last ? `: ${last}` : ''}`,
    {
      hint: outOfMemory
        ? 'probably out of memory: lower MAX_CONCURRENT_JOBS of this node, or give it more memory'
        : undefined,
      details: { exitCode: ended?.exitCode ?? null, signal: ended?.signal ?? null, lastLines: [...lines] },
    },
  );
}
