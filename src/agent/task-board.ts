/** All tasks of one agent: what runs, what waits to be reported, and how it ends. */
import type { AgentApi } from '../client/agent-api.ts';
import type { AgentConfig } from '../config/agent-config.ts';
import { type Clock, sleep } from '../lib/clock.ts';
import type { Logger } from '../lib/logger.ts';
import type { AgentSettings, ClaimAnswer } from '../protocol/agent.ts';
import type { SystemInfo } from '../protocol/nodes.ts';
import { ActiveTask } from './active-task.ts';
import { Bell } from './bell.ts';
import type { ClaimJournal } from './claim-journal.ts';
import { type ClaimLoopOptions, resumeClaims, runClaimLoop } from './claim-loop.ts';
import { LeaseKeeper } from './lease-keeper.ts';
import type { OutboxEntry } from './outbox.ts';
import type { Registration } from './registration.ts';
import { finish, runTask, type TaskRunnerOptions } from './task-runner.ts';

export interface TaskBoardOptions extends Omit<TaskRunnerOptions, 'nodeId' | 'pause' | 'onDenied' | 'letGo'> {
  readonly config: AgentConfig;
  readonly api: AgentApi;
  readonly journal: ClaimJournal;
  readonly registration: Registration;
  readonly system: () => SystemInfo;
  readonly clock: Clock;
  readonly logger: Logger;
}

// Engines end within 5 s of an abort, leases are handed back in 4 s.
const ABORT_LIMIT_MS = 9_500;
// A stopping agent waits this long for a control plane that is away; the outbox keeps the report for the next start.
const REPORT_WAIT_MS = 10_000;

export class TaskBoard {
  readonly #options: TaskBoardOptions;
  readonly #runner: TaskRunnerOptions;
  readonly #keeper: LeaseKeeper;
  readonly #bell = new Bell();
  /** Claimed tasks until their report is delivered. */
  readonly #running = new Map<ActiveTask, Promise<void>>();
  /** Reports of an earlier run of the agent. */
  readonly #replayed = new Map<ActiveTask, Promise<void>>();
  #settings: AgentSettings | null = null;

  constructor(options: TaskBoardOptions) {
    this.#options = options;
    const { api, clock, logger, system } = options;
    this.#keeper = new LeaseKeeper({
      api,
      clock,
      logger,
      system,
      onForgotten: (why) => void this.#register(why).catch(() => undefined),
      onChange: () => this.#bell.ring(),
    });
    this.#runner = {
      ...options,
      nodeId: options.config.nodeId,
      pause: (ms, signal) => this.#bell.wait(signal, clock, ms),
      onDenied: (why) => this.#register(why),
      letGo: (task) => this.#keeper.letGo(task),
    };
  }

  get isConnected(): boolean {
    return this.#keeper.isConnected;
  }

  get isDraining(): boolean {
    return this.#keeper.isDraining;
  }

  /** False when the control plane answers; otherwise waits until it does again. */
  async waitWhileAway(signal: AbortSignal): Promise<boolean> {
    if (this.isConnected) return false;
    this.#options.logger.info('download.waits', { message: 'it goes on when the control plane is back' });
    while (!this.isConnected) await this.#bell.wait(signal);
    return true;
  }

  /** As the health contract counts. */
  queue(): { pending: number; processing: number } {
    return { pending: this.#replayed.size, processing: this.#running.size };
  }

  /** Works until told to stop and everything has ended; the agent is registered. */
  async work(stopping: AbortSignal, aborting: AbortSignal): Promise<void> {
    const { registration, outbox, logger } = this.#options;
    this.#settings = registration.settings;
    if (this.#settings === null) throw new Error('work() before the registration');
    for (const entry of outbox.list()) this.#replay(entry);
    this.#keeper.start(this.#settings);
    const loop = this.#claimOptions(stopping);
    const claiming = resumeClaims(
      loop,
      (taskId, epoch) => outbox.get(taskId, epoch) !== undefined,
      (taskId, epoch) => this.#giveUp(taskId, epoch),
    ).then(() => runClaimLoop(loop));
    try {
      await claiming;
      if (this.#running.size > 0) logger.info('agent.finishing', { tasks: this.#running.size });
      await this.#end(aborting);
    } finally {
      this.#keeper.stop();
    }
  }

  #claimOptions(signal: AbortSignal): ClaimLoopOptions {
    const { api, journal, clock, logger, config, workspaces, cache } = this.#options;
    return {
      api,
      journal,
      clock,
      logger,
      bell: this.#bell,
      settings: () => this.#settings as AgentSettings,
      freeSlots: () =>
        this.#keeper.isDraining ? 0 : Math.max(0, config.maxConcurrentJobs - this.#running.size),
      hasRoom: () => workspaces.hasRoom((bytes) => cache.free(bytes)),
      onTask: (claim) => this.#start(claim),
      onDenied: (why) => this.#register(why),
      signal,
    };
  }

  async #register(why: string): Promise<void> {
    this.#settings = await this.#options.registration.renew(why);
    this.#keeper.update(this.#settings);
  }

  #start(claim: ClaimAnswer): void {
    const { id, epoch } = claim.task;
    const known = [...this.#running.keys()].find((task) => task.taskId === id);
    // The answer of a repeated claim: the task is at work already.
    if (known?.epoch === epoch) return;
    const task = new ActiveTask(id, epoch);
    this.#track(this.#running, task, runTask(claim, task, this.#runner));
  }

  #replay(entry: OutboxEntry): void {
    const { logger, workspaces, outbox } = this.#options;
    const task = new ActiveTask(entry.taskId, entry.epoch);
    logger.info('outbox.replayed', { taskId: entry.taskId, epoch: entry.epoch, kind: entry.kind });
    const work = finish(entry, task, { ...this.#runner, isFresh: false }).then(async (ended) => {
      logger.info('task.ended', { taskId: entry.taskId, epoch: entry.epoch, ended });
      const isDone = outbox.get(entry.taskId, entry.epoch)?.kind !== 'output';
      if (isDone && entry.kind === 'output') await workspaces.remove(entry.workspace);
    });
    this.#track(this.#replayed, task, work);
  }

  /** The agent did not survive this task more than once: others should hear of it rather than wait for leases. */
  async #giveUp(taskId: string, epoch: number): Promise<void> {
    const error = {
      code: 'ENGINE_CRASHED',
      message: 'the agent was killed repeatedly while it worked on this task',
      hint: 'look at the memory of that node, and at its log before the restarts',
      retryable: true,
    };
    const entry: OutboxEntry = { kind: 'fail', taskId, epoch, error };
    await this.#options.outbox.put(entry);
    this.#replay(entry);
  }

  #track(place: Map<ActiveTask, Promise<void>>, task: ActiveTask, work: Promise<unknown>): void {
    const { logger, journal } = this.#options;
    const { taskId, epoch } = task;
    this.#keeper.add(task);
    const tracked = work
      .then(
        () => undefined,
        (error: unknown) => logger.error('task.broken', { taskId, epoch, error }),
      )
      .then(() => journal.ended(taskId, epoch))
      .finally(() => {
        this.#keeper.remove(task);
        place.delete(task);
        this.#bell.ring();
      });
    place.set(task, tracked);
  }

  /** Waits for the tasks; after the second request, or for a control plane that stays away, not for their reports. */
  async #end(aborting: AbortSignal): Promise<void> {
    const { clock, logger } = this.#options;
    const over = new AbortController();
    const all = async (): Promise<void> => {
      while (this.#tasks().length > 0)
        await Promise.allSettled([...this.#running.values(), ...this.#replayed.values()]);
    };
    const hurry = async (): Promise<void> => {
      if (!aborting.aborted)
        await new Promise((resolve) => aborting.addEventListener('abort', resolve, { once: true }));
      logger.info('agent.aborting', { tasks: this.#tasks().length });
      for (const task of this.#tasks()) task.stop('shutdown');
      await sleep(ABORT_LIMIT_MS, clock, over.signal);
      logger.error('agent.tasks-left', { tasks: this.#tasks().map(({ taskId }) => taskId) });
    };
    const lonely = async (): Promise<void> => {
      for (;;) {
        await sleep(REPORT_WAIT_MS, clock, over.signal);
        if (this.#keeper.isConnected) continue;
        for (const task of this.#tasks()) {
          if (!task.isDelivering || task.stopped !== null) continue;
          logger.info('task.report-kept', {
            taskId: task.taskId,
            message: 'the next start of the agent reports it',
          });
          task.stop('shutdown');
        }
      }
    };
    lonely().catch(() => undefined);
    try {
      await Promise.race([all(), hurry()]);
    } finally {
      over.abort();
    }
  }

  #tasks(): ActiveTask[] {
    return [...this.#running.keys(), ...this.#replayed.keys()];
  }
}
