/** People and programs that use the farm: they submit, repeat what was not answered, cancel, try again, drain, remove. */
import { FlatrenderError } from '../../src/lib/errors.ts';
import type { JobView } from '../../src/protocol/jobs.ts';
import type { AgentNode } from './agent-node.ts';
import type { Farm, Place } from './farm.ts';
import { Process } from './world.ts';

const TIMEOUT_MS = 15_000;

export class Operators {
  readonly #farm: Farm;
  readonly #process: Process;
  /** Jobs by idempotency key, as acknowledged. */
  readonly acknowledged = new Map<string, readonly string[]>();
  /** Submissions that are not acknowledged yet. */
  open = 0;
  #keys = 0;

  constructor(farm: Farm) {
    this.#farm = farm;
    this.#process = new Process(farm.world, 'people');
  }

  /** Everything that is done while things go wrong. */
  start(): void {
    const { world, plan } = this.#farm;
    const random = world.random('operators');
    for (let i = 0; i < plan.jobs; i += 1) {
      const at = random.int(0, Math.round(plan.faultMs * 0.9));
      this.open += 1;
      world.after(at, () => void this.submit(this.#someJob(), random.chance(0.2)));
    }
    if (plan.faults.has('operators')) this.#often(8000, () => this.#changeJob());
    if (plan.faults.has('nodes')) this.#often(15_000, () => this.#changeNode());
  }

  /** After the trouble: all nodes are there and take work. */
  async tidy(): Promise<void> {
    for (const place of this.#farm.agents) {
      const { id } = place;
      await this.#insist('createNode', {}, { id, rotate: false }, ['NODE_EXISTS']);
      await this.#insist('resumeNode', { id }, {}, []);
      this.#bringSecret(place);
    }
  }

  /** A node that was made anew has a new secret: its agent is started again with that. */
  #bringSecret({ id, running }: Place<AgentNode>): void {
    const newest = this.#farm.data.view.getNode(id)?.generation;
    if (running && newest !== running.generation) running.process.kill('gets its new secret');
  }

  #often(meanMs: number, act: () => Promise<void>): void {
    const { world } = this.#farm;
    const random = world.random('operators');
    world.after(random.int(0, 2 * meanMs), () => {
      if (this.#farm.isHealed) return;
      void act();
      this.#often(meanMs, act);
    });
  }

  #someJob(): Record<string, unknown> {
    const { world, agents, plan } = this.#farm;
    const random = world.random('jobs');
    const isLater = !plan.isGentle && random.chance(0.2);
    return {
      template: 'card',
      priority: random.pick([10, 50, 90]),
      ...(isLater ? { runAt: new Date(world.now + random.int(1000, 60_000)).toISOString() } : {}),
      ...(random.chance(0.15) ? { node: random.pick(agents).id } : {}),
      ...(random.chance(0.3) ? { webhook: 'https://hooks.example.com/done' } : {}),
    };
  }

  /** Submits until somebody says yes; `again`: once more afterwards, as a client does that was restarted. */
  async submit(body: Record<string, unknown>, again = false): Promise<readonly string[]> {
    this.#keys += 1;
    const key = `key-${this.#keys}`;
    const ids = await this.#submitOnce(key, body);
    this.acknowledged.set(key, ids);
    if (again) await this.#submitOnce(key, body);
    this.open -= 1;
    return ids;
  }

  async #submitOnce(key: string, body: Record<string, unknown>): Promise<readonly string[]> {
    const { world } = this.#farm;
    const answer = await this.#insist('submit', {}, body, [], { 'idempotency-key': key });
    const ids = (answer as { jobs: readonly JobView[] }).jobs.map(({ id }) => id);
    const before = this.acknowledged.get(key);
    world.note('people', `have ${key} as ${ids.join(' ')}`);
    if (before && before.join() !== ids.join())
      world.violate('a submission repeated with its key is stored once', `${key}: ${before} and ${ids}`);
    return ids;
  }

  async #changeJob(): Promise<void> {
    const { world, oracle } = this.#farm;
    const random = world.random('operators');
    const ids = [...this.acknowledged.values()].flat();
    if (ids.length === 0) return;
    const id = random.pick(ids);
    const route = random.pick(['cancelJob', 'cancelJob', 'retryJob'] as const);
    const done = await this.#try(route, { id }, {});
    world.note('people', `${route} ${id}: ${done}`);
    if (route === 'cancelJob') oracle.cancelled.add(id);
  }

  async #changeNode(): Promise<void> {
    const { world, agents } = this.#farm;
    const random = world.random('operators');
    const place = random.pick(agents);
    const { id } = place;
    const route = random.pick(['drainNode', 'resumeNode', 'resumeNode', 'removeNode'] as const);
    const done = await this.#try(route, { id }, {});
    world.note('people', `${route} ${id}: ${done}`);
    if (route !== 'removeNode' || this.#farm.isHealed) return;
    // Its secret is dead: the node joins anew some time later.
    place.isHeld = true;
    world.after(random.int(0, 5000), () => place.running?.process.kill('removed'));
    world.after(random.int(6000, 30_000), () => {
      if (this.#farm.isHealed) return;
      void this.#insist('createNode', {}, { id, rotate: false }, ['NODE_EXISTS']).then(() => {
        place.isHeld = false;
        if (place.running === null) this.#farm.startAgent(place);
        else this.#bringSecret(place);
      });
    });
  }

  async #try(route: string, params: Record<string, string>, body: unknown): Promise<string> {
    try {
      await this.#call(route, params, body, {});
      return 'done';
    } catch (error) {
      return error instanceof FlatrenderError ? error.code : String(error);
    }
  }

  /** Until it is done, or refused with one of these codes. */
  async #insist(
    route: string,
    params: Record<string, string>,
    body: unknown,
    enough: readonly string[],
    headers: Record<string, string> = {},
  ): Promise<unknown> {
    const random = this.#farm.world.random('operators');
    for (;;) {
      try {
        return await this.#call(route, params, body, headers);
      } catch (error) {
        if (error instanceof FlatrenderError && enough.includes(error.code)) return null;
        await this.#process.wait(random.int(100, 3000));
      }
    }
  }

  #call(
    route: string,
    params: Record<string, string>,
    body: unknown,
    headers: Record<string, string>,
  ): Promise<unknown> {
    const call = { route, caller: 'operator', params, body, headers };
    return this.#farm.network.call(this.#process, this.#farm.pick('people'), call, { timeoutMs: TIMEOUT_MS });
  }
}
