/** An agent of the simulation: the real task board, keeper, journal and outbox; engine, disk and network are played. */

import { openClaimJournal } from '../../src/agent/claim-journal.ts';
import type { StateFiles } from '../../src/agent/json-file.ts';
import { openOutbox } from '../../src/agent/outbox.ts';
import { createRegistration } from '../../src/agent/registration.ts';
import { TaskBoard, type TaskBoardOptions } from '../../src/agent/task-board.ts';
import { attemptName, type Workspaces } from '../../src/agent/workspace.ts';
import { manifestFromData } from '../../src/bundle/manifest-file.ts';
import type { AgentApi } from '../../src/client/agent-api.ts';
import type { Transfers } from '../../src/client/transfer.ts';
import type { EngineHosts } from '../../src/engines/host-pool.ts';
import { FlatrenderError } from '../../src/lib/errors.ts';
import type { LogFields } from '../../src/lib/logger.ts';
import type { RegisterRequest } from '../../src/protocol/agent.ts';
import type { SystemInfo } from '../../src/protocol/nodes.ts';
import type { Disk } from './disk.ts';
import { simulatedLogger } from './logger.ts';
import { keyOf, type Objects } from './objects.ts';
import type { Plan } from './plan.ts';
import type { Process } from './world.ts';

export const MANIFEST_DATA = {
  schema: 1,
  name: 'card',
  version: '1.0.0',
  composition: { width: 64, height: 36, fps: 10, duration: 1 },
  inputs: {},
  engines: { mock: {} },
  outputs: ['original'],
};
const MANIFEST = manifestFromData(MANIFEST_DATA, 'card@1.0.0');
const SYSTEM: SystemInfo = {
  gpu: null,
  memory: { total: 8000, used: 1000, free: 7000 },
  disk: { total: 100_000, used: 1000, free: 99_000 },
};

/** One render, as the engine sees it. */
export interface Render {
  readonly node: string;
  readonly process: Process;
  readonly taskId: string;
  readonly epoch: number;
  isAborted: boolean;
  isOver: boolean;
}

export interface AgentNodeOptions {
  readonly process: Process;
  readonly nodeId: string;
  /** Of its secret. */
  readonly generation: number;
  readonly plan: Plan;
  readonly disk: Disk;
  readonly objects: Objects;
  readonly api: AgentApi;
  readonly isHealed: () => boolean;
  readonly onRender: (render: Render) => void;
  /** A finished render is in the outbox, on disk. */
  readonly onLog: (event: string, fields: LogFields) => void;
  readonly spoilFiles: (files: StateFiles) => StateFiles;
  readonly spoilBoard: (options: TaskBoardOptions) => TaskBoardOptions;
}

export class AgentNode {
  readonly process: Process;
  readonly nodeId: string;
  readonly generation: number;
  readonly #options: AgentNodeOptions;
  readonly #stopping = new AbortController();
  readonly #aborting = new AbortController();
  readonly renders = new Set<Render>();
  board: TaskBoard | null = null;

  constructor(options: AgentNodeOptions) {
    this.process = options.process;
    this.nodeId = options.nodeId;
    this.generation = options.generation;
    this.#options = options;
  }

  get isStopping(): boolean {
    return this.#stopping.signal.aborted;
  }

  /** Runs until it is told to stop and everything has ended; then the process ends. */
  async run(): Promise<void> {
    const { process, plan, disk, api, nodeId, spoilFiles, onLog } = this.#options;
    const { clock, world } = process;
    const random = world.random(`agent ${nodeId}`);
    const logger = simulatedLogger(process, onLog);
    const files = spoilFiles(disk.filesOf(process, () => random.int(0, 15)));
    const outbox = await openOutbox('/state/outbox', logger, files);
    const journal = await openClaimJournal('/state', clock, logger, files);
    const ending = new AbortController();
    const registration = createRegistration({
      api,
      clock,
      logger,
      signal: ending.signal,
      describe: async () => this.#describe(),
    });
    const options: TaskBoardOptions = {
      api,
      journal,
      outbox,
      registration,
      clock,
      logger,
      config: { nodeId, maxConcurrentJobs: plan.slots } as TaskBoardOptions['config'],
      transfers: this.#transfers(),
      hosts: this.#hosts(),
      cache: { free: async () => 0 } as unknown as TaskBoardOptions['cache'],
      templates: {
        bundle: async () => ({
          path: '/bundle',
          hit: true,
          manifest: MANIFEST,
          [Symbol.dispose]: () => undefined,
        }),
        asset: async () => {
          throw new FlatrenderError('INTERNAL', 'not part of the simulation');
        },
        missingBytes: () => 0,
      },
      workspaces: this.#workspaces(),
      digestOf: async (path) => {
        await process.wait(random.int(0, 200));
        return disk.outputs.get(path)?.sha256 ?? '';
      },
      keepLogs: async () => undefined,
      system: () => SYSTEM,
      engineSettings: () => ({ ffmpegPath: '', previewMs: 1000, threads: 1 }),
    };
    this.board = new TaskBoard(this.#options.spoilBoard(options));
    const registered = registration.renew('start');
    registered.catch(() => undefined);
    const stopped = new Promise<null>((resolve) => {
      if (this.isStopping) resolve(null);
      this.#stopping.signal.addEventListener('abort', () => resolve(null), { once: true });
    });
    if ((await Promise.race([registered, stopped])) !== null) {
      await this.board.work(this.#stopping.signal, this.#aborting.signal);
    }
    ending.abort(new FlatrenderError('ABORTED', 'the agent has ended'));
    process.kill('ended');
  }

  /** First call: finishes what runs. Second: hands back. */
  shutdown(): void {
    if (!this.isStopping) this.#stopping.abort(new FlatrenderError('ABORTED', 'the agent shuts down'));
    else this.#aborting.abort(new FlatrenderError('ABORTED', 'the agent shuts down now'));
  }

  #describe(): RegisterRequest {
    const { nodeId, plan } = this.#options;
    return {
      hostname: nodeId,
      roles: ['render'],
      hostIp: '10.66.0.11',
      machineId: nodeId,
      agentVersion: '0.0.0',
      capabilities: {
        os: 'linux',
        arch: 'x64',
        cpu: 'simulated',
        cores: 2,
        system: SYSTEM,
        engines: [{ name: 'mock', available: true, version: '1' }],
        tags: [],
        maxConcurrentJobs: plan.slots,
      },
    };
  }

  #workspaces(): Workspaces {
    const { disk, process, isHealed, plan } = this.#options;
    const random = process.world.random(`disk ${this.nodeId}`);
    return {
      pathOf: (taskId, epoch) => `/scratch/${attemptName(taskId, epoch)}`,
      async create(taskId, epoch) {
        await process.wait(random.int(0, 20));
        return `/scratch/${attemptName(taskId, epoch)}`;
      },
      async remove(path) {
        for (const name of disk.outputs.keys()) if (name.startsWith(`${path}/`)) disk.outputs.delete(name);
      },
      clean: async () => 0,
      hasRoom: async () => !disk.isFull,
      async checkRoom() {
        if (!disk.isFull || isHealed() || !plan.faults.has('disk')) return;
        throw new FlatrenderError('DISK_FULL', 'the disk is full');
      },
    };
  }

  #transfers(): Transfers {
    const { process, objects, disk, isHealed, plan } = this.#options;
    const random = process.world.random(`upload ${this.nodeId}`);
    return {
      download: async () => undefined,
      async upload({ url, path, sizeBytes, signal }) {
        await process.wait(random.int(20, 800));
        if (signal.aborted) throw signal.reason;
        const file = disk.outputs.get(path);
        if (file === undefined)
          throw new FlatrenderError('TRANSFER_FAILED', 'no such file', { retryable: false });
        const fails = !isHealed() && plan.faults.has('drop') && random.chance(0.2 * plan.severity);
        // The object may be there although nobody heard of it.
        if (!fails || random.chance(0.5)) objects.put(keyOf(url), sizeBytes, file.sha256, process.world.now);
        if (fails)
          throw new FlatrenderError('TRANSFER_FAILED', 'the connection was cut', { retryable: true });
      },
      close: async () => undefined,
    };
  }

  #hosts(): EngineHosts {
    const { process, plan, disk, isHealed, onRender, nodeId } = this.#options;
    const { world } = process;
    const random = world.random(`engine ${nodeId}`);
    return {
      probe: async () => [],
      close: async () => undefined,
      render: async (request, { signal, onProgress }) => {
        const { taskId, workspace } = request;
        const render: Render = {
          node: nodeId,
          process,
          taskId,
          epoch: request.epoch ?? 0,
          isAborted: false,
          isOver: false,
        };
        this.renders.add(render);
        world.note(process.id, `renders ${taskId} ${render.epoch}`);
        onRender(render);
        const frames = random.int(2, 6);
        const frameMs = Math.ceil(random.int(200, plan.renderMs) / frames);
        const fails = !isHealed() && plan.faults.has('engine') && random.chance(0.3 * plan.severity);
        const aborted = new Promise<void>((resolve) => {
          signal.addEventListener(
            'abort',
            () => {
              render.isAborted = true;
              // An engine is told first, and ended after 5 s at most.
              world.after(random.int(0, 4000), resolve, process);
            },
            { once: true },
          );
        });
        try {
          for (let frame = 1; frame <= frames; frame += 1) {
            await Promise.race([process.wait(frameMs), aborted]);
            if (signal.aborted) {
              await aborted;
              throw signal.reason;
            }
            onProgress({ phase: 'render', frame, frames, fps: 10 });
            if (fails && frame === 2) {
              const retryable = random.chance(0.9);
              throw new FlatrenderError('ENGINE_FAILED', 'the engine failed', { retryable });
            }
          }
          const path = `${workspace}/main.mp4`;
          const sha256 = Array.from({ length: 8 }, () =>
            random.int(0x10000000, 0xffffffff).toString(16),
          ).join('');
          disk.outputs.set(path, { sha256, at: world.now });
          const sizeBytes = random.int(1000, 9000);
          return { path, frames, durationMs: 1000, width: 64, height: 36, codec: 'h264', sizeBytes };
        } finally {
          render.isOver = true;
          this.renders.delete(render);
        }
      },
    };
  }
}
