/** Engine hosts kept warm, so that a render does not pay for starting a process, and a crash costs only itself. */
import { FlatrenderError } from '../lib/errors.ts';
import { type Command, selfCommand } from '../lib/exec.ts';
import type { EngineName } from '../protocol/names.ts';
import type { EngineInfo } from '../protocol/nodes.ts';
import type { EngineSettings, RenderContext, RenderRequest, RenderResult } from './engine.ts';
import { HostProcess } from './host-process.ts';
import { ENGINE_NAMES } from './registry.ts';

/** A host is replaced after this many pieces of work: native libraries leak a little with every render. */
const WORK_PER_HOST = 50;
/** A probe loads a wasm module at most; on a cold, busy disk that takes seconds. */
const PROBE_MS = 60_000;
/** One frame of the heaviest composition, with room to spare; a render that never ends would hold its node for ever. */
const STALL_MS = 15 * 60_000;

export interface EngineHostsOptions {
  /** How to start a host. Default: this same program with `__engine-host`. */
  readonly entry?: Command;
  readonly logger?: {
    debug(event: string, fields?: object): void;
    warn(event: string, fields?: object): void;
  };
  /** Hosts that wait for work, at most: as many as the node renders at once. Default 4. */
  readonly maxIdle?: number;
  /** Time without a new frame after which a render is taken for hung. Default 15 min. */
  readonly stallMs?: number;
}

/** What the agent renders with. */
export interface EngineHosts {
  /** Every engine of this version with its availability. A crash while probing is a reason, not an error. */
  probe(settings: EngineSettings): Promise<EngineInfo[]>;
  /**
   * Renders in a host of its own; any number at once. On abort the engine is told first and its process tree ended
   * after at most 5 s. Throws the engine's FlatrenderError, ENGINE_CRASHED, ENGINE_TIMEOUT or the abort's reason.
   */
  render(request: RenderRequest, context: RenderContext): Promise<RenderResult>;
  /** Ends all hosts, also those at work. */
  close(): Promise<void>;
}

/** Makes the pool and starts the first host, so that it is warm when work comes. The caller closes it. */
export function createEngineHosts(options: EngineHostsOptions = {}): EngineHosts {
  const pool = new HostPool(options);
  pool.warmUp();
  return pool;
}

class HostPool implements EngineHosts {
  readonly #options: EngineHostsOptions;
  readonly #entry: Command;
  readonly #idle: HostProcess[] = [];
  readonly #all = new Set<HostProcess>();
  readonly #starting = new Set<Promise<unknown>>();
  #isClosed = false;

  constructor(options: EngineHostsOptions) {
    this.#options = options;
    this.#entry = options.entry ?? selfCommand(['__engine-host']);
  }

  async probe(settings: EngineSettings): Promise<EngineInfo[]> {
    const found: EngineInfo[] = [];
    // One after the other, each in whatever host is left: an engine that crashes takes no other one along.
    for (const engine of ENGINE_NAMES) found.push(await this.#probeOne(engine, settings));
    return found;
  }

  async render(request: RenderRequest, context: RenderContext): Promise<RenderResult> {
    const conclusion = await this.#withHost((host) =>
      host.do({
        order: { type: 'render', request },
        what: `rendering ${request.taskId} with ${request.engine}`,
        signal: context.signal,
        stallMs: this.#options.stallMs ?? STALL_MS,
        onReport(report) {
          if (report.type === 'progress') context.onProgress(report.progress);
          else if (report.type === 'preview') context.onPreview(report.jpeg);
          else if (report.type === 'log') context.onLog(report.line);
        },
      }),
    );
    if (conclusion.type !== 'rendered') throw new TypeError(`a render was answered with ${conclusion.type}`);
    return conclusion.result;
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    await Promise.allSettled(this.#starting);
    await Promise.all([...this.#all].map((host) => host.close()));
  }

  /** Starts a host for the next piece of work unless one is waiting or on its way. */
  warmUp(): void {
    if (this.#isClosed || this.#idle.length > 0 || this.#starting.size > 0) return;
    // A start that fails says so when it is needed.
    this.#start().then(
      (host) => this.#putBack(host),
      (error: unknown) => this.#options.logger?.warn('engine.host.start-failed', { error }),
    );
  }

  async #probeOne(engine: EngineName, settings: EngineSettings): Promise<EngineInfo> {
    try {
      const conclusion = await this.#withHost((host) =>
        host.do({
          order: { type: 'probe', engine, settings },
          what: `looking for the engine ${engine}`,
          signal: new AbortController().signal,
          stallMs: PROBE_MS,
          onReport() {},
        }),
      );
      if (conclusion.type === 'probed') return conclusion.info;
      throw new TypeError(`a probe was answered with ${conclusion.type}`);
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      return { name: engine, available: false, reason: reason.slice(0, 1024) };
    }
  }

  async #withHost<T>(work: (host: HostProcess) => Promise<T>): Promise<T> {
    const host = await this.#take();
    try {
      return await work(host);
    } finally {
      this.#putBack(host);
    }
  }

  async #take(): Promise<HostProcess> {
    if (this.#isClosed) throw new FlatrenderError('ABORTED', 'the engine hosts are closed');
    await Promise.race(this.#idle.length > 0 ? [0] : this.#starting.size > 0 ? this.#starting : [0]).catch(
      () => {},
    );
    for (let host = this.#idle.pop(); host; host = this.#idle.pop()) if (host.isUsable) return host;
    return this.#start();
  }

  #putBack(host: HostProcess): void {
    const keep =
      host.isUsable &&
      !this.#isClosed &&
      host.served < WORK_PER_HOST &&
      this.#idle.length < (this.#options.maxIdle ?? 4);
    if (keep) this.#idle.push(host);
    else void host.close();
    this.warmUp();
  }

  async #start(): Promise<HostProcess> {
    const starting = HostProcess.start(this.#entry);
    this.#starting.add(starting);
    try {
      const host = await starting;
      this.#all.add(host);
      void host.ended.then((ended) => {
        this.#all.delete(host);
        this.#options.logger?.debug('engine.host.ended', {
          pid: host.pid,
          served: host.served,
          exitCode: ended?.exitCode,
          signal: ended?.signal,
        });
      });
      this.#options.logger?.debug('engine.host.started', { pid: host.pid });
      if (this.#isClosed) await host.close();
      return host;
    } finally {
      this.#starting.delete(starting);
    }
  }
}
