/** A simulated farm: control planes, nodes, their disks, the data and the way between them; starts and restarts all of it. */
import type { StateFiles } from '../../src/agent/json-file.ts';
import type { TaskBoardOptions } from '../../src/agent/task-board.ts';
import { ControlConfigSchema } from '../../src/config/control-schema.ts';
import type { Control } from '../../src/control/context.ts';
import type { HeartbeatAnswer, HeartbeatRequest } from '../../src/protocol/agent.ts';
import { agentApi } from './agent-line.ts';
import { AgentNode, MANIFEST_DATA } from './agent-node.ts';
import { Database } from './database.ts';
import { Disk } from './disk.ts';
import type { FarmData } from './farm-data.ts';
import type { MemoryStore } from './memory-store.ts';
import { Network, type Server } from './network.ts';
import { Objects } from './objects.ts';
import { Oracle } from './oracle.ts';
import type { Plan } from './plan.ts';
import { Replica } from './replica.ts';
import { Process, type World } from './world.ts';

/** A fault put into the program by hand, to see that it is found. Only here, never in src. */
export interface Bug {
  readonly core?: (core: MemoryStore) => void;
  readonly control?: (control: Control) => void;
  readonly database?: (database: Database) => void;
  readonly files?: (files: StateFiles, process: Process) => StateFiles;
  readonly board?: (options: TaskBoardOptions) => TaskBoardOptions;
}

/** Where a control plane or an agent runs, whether it does or not. */
export interface Place<T> {
  readonly id: string;
  running: T | null;
  /** Not to be started again by itself. */
  isHeld: boolean;
  skewMs: number;
}

export class Farm {
  readonly world: World;
  readonly plan: Plan;
  readonly oracle: Oracle;
  readonly data: FarmData;
  readonly database: Database;
  readonly network: Network;
  readonly objects = new Objects();
  readonly disks = new Map<string, Disk>();
  readonly replicas: Place<Replica>[];
  readonly agents: Place<AgentNode>[];
  isHealed = false;
  readonly #bug: Bug;
  readonly #config: ReturnType<typeof ControlConfigSchema.parse>;

  constructor(world: World, plan: Plan, bug: Bug, data: FarmData) {
    this.world = world;
    this.plan = plan;
    this.#bug = bug;
    this.data = data;
    const { heartbeatSeconds, leaseSeconds, claimWaitSeconds, keepRenderingSeconds } = plan;
    const suspectSeconds = Math.max(heartbeatSeconds + 1, leaseSeconds * 0.6);
    this.#config = ControlConfigSchema.parse({
      leases: { heartbeatSeconds, leaseSeconds, suspectSeconds, offlineSeconds: leaseSeconds * 2 },
      agents: { claimWaitSeconds, keepRenderingSeconds },
    });
    this.oracle = new Oracle({ world, plan, objects: this.objects, policy: this.#config.retries });
    if (data.memory) bug.core?.(data.memory);
    const { isShared } = plan;
    this.database = new Database({ world, plan, data, isShared, observe: this.oracle.observe });
    bug.database?.(this.database);
    this.network = new Network(world, plan);
    const random = world.random('skew');
    const skewOf = (most: number): number => (plan.faults.has('skew') ? random.int(-most, most) : 0);
    const place = <T>(id: string, most: number): Place<T> => ({
      id,
      running: null,
      isHeld: false,
      skewMs: skewOf(most),
    });
    this.replicas = Array.from({ length: plan.replicas }, (_, i) => place<Replica>(`c${i + 1}`, 500));
    this.agents = Array.from({ length: plan.agents }, (_, i) => place<AgentNode>(`n${i + 1}`, 200_000));
    for (const { id } of this.agents) this.disks.set(id, new Disk());
  }

  /** The data of an empty farm with its nodes and one template, then all processes. */
  async start(): Promise<void> {
    const { world } = this;
    const core = this.data.operations;
    await core.putTemplate({
      name: 'card',
      version: '1.0.0',
      sha256: 'b'.repeat(64),
      sizeBytes: 100,
      manifest: MANIFEST_DATA,
      pushedAt: world.now,
    });
    for (const { id } of this.agents) await core.createNode({ id, name: id }, world.now);
    this.data.memory?.changed.splice(0);
    for (const place of this.replicas) this.startReplica(place);
    for (const place of this.agents) this.startAgent(place);
  }

  startReplica(place: Place<Replica>): void {
    const { world } = this;
    const process = new Process(world, place.id, place.skewMs);
    world.note(place.id, 'starts');
    const replica = new Replica({
      process,
      address: place.id,
      config: this.#config,
      store: this.database.open(process),
      objects: this.objects,
      onLog: () => undefined,
      spoil: (control) => this.#bug.control?.(control),
    });
    place.running = replica;
    process.onDeath(() => {
      place.running = null;
      const ms = this.isHealed ? 1000 : this.#downtime();
      // A service manager starts it again.
      world.after(ms, () => {
        if (place.running === null && !place.isHeld) this.startReplica(place);
      });
    });
    void replica.start();
  }

  /** How long a control plane stays away. Gently: longer than a lease, shorter than nodes go on without one. */
  #downtime(): number {
    const { isGentle, keepRenderingSeconds } = this.plan;
    const random = this.world.random('restart');
    if (!isGentle) return random.int(200, 40_000);
    return random.pick([
      random.int(200, 5000),
      random.int(200, Math.min(80, keepRenderingSeconds - 25) * 1000),
    ]);
  }

  startAgent(place: Place<AgentNode>): void {
    const { world, plan, oracle, network } = this;
    const nodeId = place.id;
    const process = new Process(world, nodeId, place.skewMs);
    world.note(nodeId, 'starts');
    const random = world.random(`line ${nodeId}`);
    // Behind a balancer every request may go elsewhere; with one address it goes there until that fails.
    const wander = random.pick([0, 0, 0.2, 1]);
    let server = this.pick(nodeId);
    // What its settings say; of a node that was removed and made again somebody has to bring the new one.
    const generation = this.data.view.getNode(nodeId)?.generation ?? 0;
    const api = agentApi(process, nodeId, generation, network, () => {
      if (server?.process.isAlive !== true || random.chance(wander)) server = this.pick(nodeId);
      return server;
    });
    const heartbeat = async (request: HeartbeatRequest, signal?: AbortSignal): Promise<HeartbeatAnswer> => {
      const askedAt = world.now;
      const answer = await api.heartbeat(request, signal);
      const refused = new Set([...answer.lost, ...answer.cancel].map(({ taskId }) => taskId));
      oracle.heard(
        nodeId,
        request.leases.filter(({ taskId }) => !refused.has(taskId)),
        askedAt,
      );
      return answer;
    };
    const agent = new AgentNode({
      process,
      nodeId,
      plan,
      disk: this.diskOf(nodeId),
      objects: this.objects,
      generation,
      api: { ...api, heartbeat },
      isHealed: () => this.isHealed,
      onRender: (render) => oracle.rendering(render, plan.slots),
      onLog: (event, { taskId, error }) => {
        if (event === 'task.broken')
          world.violate('no task ends with a bug', `${nodeId} ${taskId}: ${error}`);
      },
      spoilFiles: (files) => this.#watched(nodeId, this.#bug.files?.(files, process) ?? files),
      spoilBoard: (options) => this.#bug.board?.(options) ?? options,
    });
    place.running = agent;
    process.onDeath(() => {
      place.running = null;
      const ms = this.isHealed ? 1000 : world.random('restart').int(200, 30_000);
      world.after(ms, () => {
        if (place.running === null && !place.isHeld) this.startAgent(place);
      });
    });
    agent.run().catch((error: unknown) => {
      const why = error instanceof Error ? (error.stack ?? error.message) : String(error);
      world.violate('no agent ends with a bug', `${nodeId}: ${why}`);
    });
  }

  /** Tells the oracle what is safe on a disk. */
  #watched(nodeId: string, files: StateFiles): StateFiles {
    return {
      ...files,
      replace: async (path, text) => {
        await files.replace(path, text);
        const name = /^\/state\/outbox\/(.+)-(\d+)\.json$/.exec(path);
        if (name?.[1] && text.includes('"kind":"output"')) this.oracle.kept(nodeId, name[1], Number(name[2]));
      },
    };
  }

  diskOf(nodeId: string): Disk {
    const disk = this.disks.get(nodeId);
    if (disk === undefined) throw new Error(`no disk of ${nodeId}`);
    return disk;
  }

  /** A control plane, as a load balancer or a list of addresses gives one; it may be down. */
  pick(caller: string): Server | null {
    const random = this.world.random(`balance ${caller}`);
    const ready = this.replicas.flatMap(({ running }) => (running?.isReady ? [running] : []));
    if (ready.length === 0 || (!this.isHealed && random.chance(0.05)))
      return random.pick(this.replicas).running;
    return random.pick(ready);
  }

  /** Nothing goes wrong any more; what is down comes up. */
  heal(): void {
    const { world } = this;
    world.note('world', 'is healed');
    this.isHealed = true;
    this.network.heal();
    this.database.heal();
    for (const disk of this.disks.values()) disk.isFull = false;
    for (const place of [...this.replicas, ...this.agents]) {
      place.isHeld = false;
      // Clocks are right again; on the nodes nothing depends on that.
      place.skewMs = 0;
      if (place.running) place.running.process.skewMs = 0;
    }
    world.after(2000, () => {
      for (const place of this.replicas) if (place.running === null) this.startReplica(place);
      for (const place of this.agents) {
        if (place.running?.isStopping) place.running.process.kill('stopped too slowly');
        if (place.running === null) this.startAgent(place);
      }
    });
  }
}
