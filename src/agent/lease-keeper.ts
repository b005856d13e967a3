/** Heartbeats: keep the leases of all tasks, carry their progress, and hear what has to stop. */
import type { AgentApi } from '../client/agent-api.ts';
import { untilAborted } from '../lib/abort.ts';
import { type Clock, deadline } from '../lib/clock.ts';
import type { Logger } from '../lib/logger.ts';
import { isRetryable } from '../lib/retry.ts';
import type { AgentSettings, HeartbeatAnswer } from '../protocol/agent.ts';
import type { SystemInfo } from '../protocol/nodes.ts';
import type { ActiveTask, StopCause } from './active-task.ts';
import { isDenied } from './registration.ts';

export interface LeaseKeeperOptions {
  readonly api: AgentApi;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Newest measurement; sent when it is another object than the last one sent. */
  readonly system: () => SystemInfo;
  /** The control plane does not know this node any more, or was away long enough to have forgotten it. */
  readonly onForgotten: (why: string) => void;
  /** `drain` or the connection changed. */
  readonly onChange: () => void;
}

// A phase change is reported at once, but a task that rushes through its phases does not beat for each.
const NUDGE_GAP_MS = 250;
// While frames are rendered people watch a progress bar: a second, or a fifth of an interval that the control plane
// stretched because its farm is large. It can say otherwise (`progressMs`).
const PROGRESS_MS = 1000;
const PROGRESS_SHARE = 5;
const BEAT_TIMEOUT_MS = 10_000;
// A heartbeat is answered in milliseconds; a shutdown does not wait for a line that is dead.
const LET_GO_MS = 1_000;

/** The heartbeat of one agent. */
export class LeaseKeeper {
  readonly #options: LeaseKeeperOptions;
  readonly #tasks = new Map<string, ActiveTask>();
  /** Since when each is worked on: whoever gave it was in reach then, whatever became of the heartbeats. */
  readonly #since = new WeakMap<ActiveTask, number>();
  #settings: AgentSettings | null = null;
  #nextMs = 5000;
  #progressMs = PROGRESS_MS;
  #cancelTimer: () => void = () => undefined;
  #lastBeatAt = 0;
  #lastContactAt = 0;
  #failures = 0;
  #isBeating = false;
  /** The newest heartbeat, until its answer. */
  #beating: Promise<void> = Promise.resolve();
  #isNudged = false;
  #isStopped = false;
  #isDraining = false;
  #sentSystem: SystemInfo | null = null;
  readonly #end = new AbortController();
  readonly #onPhase = (): void => this.#nudge();

  constructor(options: LeaseKeeperOptions) {
    this.#options = options;
  }

  /** The control plane wants this node to finish what it has and to claim nothing. */
  get isDraining(): boolean {
    return this.#isDraining;
  }

  /** The last heartbeat arrived. */
  get isConnected(): boolean {
    return this.#settings !== null && this.#failures === 0;
  }

  get tasks(): ActiveTask[] {
    return [...this.#tasks.values()];
  }

  /** Begins to beat. */
  start(settings: AgentSettings): void {
    this.#settings = settings;
    this.#pace(settings.heartbeatMs, settings.progressMs);
    this.#lastContactAt = this.#options.clock.now();
    this.#schedule(0);
  }

  /** Takes over what the control plane said at another registration. */
  update(settings: AgentSettings): void {
    this.#settings = settings;
    this.#pace(settings.heartbeatMs, settings.progressMs);
  }

  /** Beats no more. */
  stop(): void {
    this.#isStopped = true;
    this.#cancelTimer();
    this.#end.abort();
  }

  add(task: ActiveTask): void {
    const older = this.#tasks.get(task.taskId);
    if (older && older.epoch !== task.epoch) older.stop('lost');
    this.#tasks.set(task.taskId, task);
    this.#since.set(task, this.#options.clock.now());
    task.onPhase.add(this.#onPhase);
  }

  remove(task: ActiveTask): void {
    if (this.#tasks.get(task.taskId) === task) this.#tasks.delete(task.taskId);
    task.onPhase.delete(this.#onPhase);
  }

  /**
   * The lease is about to be handed back: no heartbeat speaks of it any more once this resolves. One that the control plane
   * took after the release would attach this node to the task again, and nobody would render it until the lease runs out.
   */
  async letGo(task: ActiveTask): Promise<void> {
    this.remove(task);
    using limit = deadline(LET_GO_MS, this.#options.clock);
    await untilAborted(this.#beating, limit.signal).catch(() => undefined);
  }

  /** A phase changed: the next heartbeat comes soon, unless it does anyway. */
  #nudge(): void {
    if (this.#failures > 0 || this.#settings === null || this.#isNudged) return;
    this.#isNudged = true;
    if (!this.#isBeating) this.#schedule(this.#untilNext());
  }

  #pace(nextMs: number, progressMs: number | undefined): void {
    this.#nextMs = nextMs;
    this.#progressMs = progressMs ?? Math.max(PROGRESS_MS, nextMs / PROGRESS_SHARE);
  }

  #untilNext(): number {
    const sinceLast = this.#options.clock.now() - this.#lastBeatAt;
    const isWatched = this.#failures === 0 && this.tasks.some((task) => task.hasProgress);
    const interval = this.#isNudged ? NUDGE_GAP_MS : isWatched ? this.#progressMs : this.#nextMs;
    // A clock that was set back must not silence the node for as long.
    return Math.max(0, Math.min(interval, this.#nextMs) - Math.max(0, sinceLast));
  }

  #schedule(delayMs: number): void {
    this.#cancelTimer();
    if (!this.#isStopped) this.#cancelTimer = this.#options.clock.after(delayMs, () => this.#startBeat());
  }

  #startBeat(): void {
    if (!this.#isBeating && !this.#isStopped) this.#beating = this.#beat();
  }

  async #beat(): Promise<void> {
    this.#isBeating = true;
    const { api, clock } = this.#options;
    this.#lastBeatAt = clock.now();
    this.#isNudged = false;
    const system = this.#options.system();
    const leases = this.tasks.slice(0, 64).map((task) => task.report());
    using late = deadline(BEAT_TIMEOUT_MS, clock);
    const limit = AbortSignal.any([this.#end.signal, late.signal]);
    try {
      const request = { leases, system: system === this.#sentSystem ? null : system };
      const answer = await api.heartbeat(request, limit);
      this.#sentSystem = system;
      this.#heard(answer);
    } catch (error) {
      if (!this.#isStopped) this.#missed(error);
    } finally {
      this.#isBeating = false;
      // From start to start, so that a slow answer does not stretch the interval.
      this.#schedule(this.#untilNext());
    }
  }

  #heard(answer: HeartbeatAnswer): void {
    const { clock, logger, onForgotten, onChange } = this.#options;
    const away = clock.now() - this.#lastContactAt;
    const wasAway = this.#failures > 0;
    this.#lastContactAt = clock.now();
    this.#failures = 0;
    this.#pace(answer.nextMs, answer.progressMs);
    for (const ref of answer.cancel) this.#stop(ref, 'cancelled');
    for (const ref of answer.lost) this.#stop(ref, 'lost');
    const changed = wasAway || answer.drain !== this.#isDraining;
    if (answer.drain !== this.#isDraining) {
      this.#isDraining = answer.drain;
      logger.info(answer.drain ? 'agent.draining' : 'agent.resumed', { tasks: this.#tasks.size });
    }
    if (wasAway) {
      logger.info('agent.reconnected', { awayMs: away, tasks: this.#tasks.size });
      onForgotten('the control plane is back');
    }
    if (changed) onChange();
  }

  #missed(error: unknown): void {
    const { clock, logger, onForgotten, onChange } = this.#options;
    this.#failures += 1;
    const away = clock.now() - this.#lastContactAt;
    if (this.#failures === 1) {
      logger.warn('agent.cut-off', {
        message: 'heartbeats do not arrive; running tasks go on',
        error,
        tasks: this.#tasks.size,
      });
      onChange();
    } else {
      logger.debug('agent.still-cut-off', { awayMs: away, error });
    }
    if (isDenied(error)) onForgotten('the control plane does not accept this node');
    else if (!isRetryable(error) && this.#failures === 1) logger.error('agent.heartbeat-refused', { error });
    const limit = this.#settings?.keepRenderingMs ?? Number.POSITIVE_INFINITY;
    for (const task of this.#tasks.values()) {
      const awayMs = Math.min(away, clock.now() - (this.#since.get(task) ?? 0));
      if (awayMs < limit || task.isDelivering || task.stopped) continue;
      logger.warn('task.cut-off', { taskId: task.taskId, epoch: task.epoch, awayMs });
      task.stop('cut-off');
    }
  }

  #stop(ref: { taskId: string; epoch: number }, cause: StopCause): void {
    const task = this.#tasks.get(ref.taskId);
    if (!task || task.epoch !== ref.epoch || task.stopped) return;
    this.#options.logger.info(`task.${cause}`, { taskId: ref.taskId, epoch: ref.epoch });
    task.stop(cause);
  }
}
