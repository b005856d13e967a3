/** Messages between agents, operators and control planes: late, lost, twice, cut off. */
import { errorFromBody, FlatrenderError, toFlatrenderError } from '../../src/lib/errors.ts';
import type { Plan } from './plan.ts';
import type { Process, World } from './world.ts';

/** One request's connection, as the server sees it. */
export interface Connection {
  /** Called once, when the client has gone or the answer was sent. */
  onClose(callback: () => void): void;
}

/** A running server: its process, and how it answers. */
export interface Server {
  readonly process: Process;
  /** The way to it, for partitions. */
  readonly address: string;
  answer(call: ServerCall, connection: Connection): Promise<unknown>;
}

export interface ServerCall {
  readonly route: string;
  readonly caller: string;
  readonly params: Readonly<Record<string, string>>;
  readonly body: unknown;
  readonly headers: Readonly<Record<string, string>>;
}

interface CallOptions {
  readonly timeoutMs: number;
  readonly signal?: AbortSignal | undefined;
}

export class Network {
  readonly #world: World;
  readonly #plan: Plan;
  /** `from to`: blocked until. `*` as an end: all of them. */
  readonly #blocked = new Map<string, number>();
  isHealed = false;

  constructor(world: World, plan: Plan) {
    this.#world = world;
    this.#plan = plan;
  }

  block(from: string, to: string, ms: number): void {
    this.#blocked.set(`${from} ${to}`, this.#world.now + ms);
  }

  heal(): void {
    this.isHealed = true;
    this.#blocked.clear();
  }

  isBlocked(from: string, to: string): boolean {
    const { now } = this.#world;
    const blocked = (pair: string): boolean => (this.#blocked.get(pair) ?? 0) > now;
    return blocked(`${from} ${to}`) || blocked(`${from} *`) || blocked(`* ${to}`);
  }

  /** How long a message takes, or null when it is lost. */
  #travel(): number | null {
    const { faults, severity } = this.#plan;
    const random = this.#world.random('network');
    const base = random.int(0, 20);
    if (this.isHealed) return base;
    if (faults.has('drop') && random.chance(0.15 * severity)) return null;
    if (faults.has('delay') && random.chance(0.2 * severity)) return random.int(100, 8000);
    return base;
  }

  /** Sends a request and waits for its answer. Errors are those of the server, UNREACHABLE, or the signal's reason. */
  call(client: Process, server: Server | null, call: ServerCall, options: CallOptions): Promise<unknown> {
    const world = this.#world;
    const { signal, timeoutMs } = options;
    const text = JSON.stringify(call.body);
    return new Promise((resolve, reject) => {
      if (signal?.aborted) return reject(signal.reason);
      const gone: (() => void)[] = [];
      let isOver = false;
      const end = (): boolean => {
        if (isOver) return false;
        isOver = true;
        stopTimer();
        forgetClient();
        forgetServer();
        signal?.removeEventListener('abort', onAbort);
        return true;
      };
      const hangUp = (): void => {
        // The server notices only if something arrives; a way that is cut stays silent.
        const travel = this.#travel();
        const isCut = server === null || this.isBlocked(client.id, server.address);
        if (travel === null || isCut) return;
        world.after(travel, () => callAll(gone), server.process);
      };
      const onAbort = (): void => {
        if (!end()) return;
        hangUp();
        reject(signal?.reason);
      };
      const fail = (why: string): void => {
        if (end()) reject(new FlatrenderError('UNREACHABLE', `cannot reach the control plane: ${why}`));
      };
      const stopTimer = world.after(
        timeoutMs,
        () => {
          hangUp();
          fail(`no answer within ${timeoutMs / 1000} s`);
        },
        client,
      );
      signal?.addEventListener('abort', onAbort, { once: true });
      let forgetServer = (): void => undefined;
      const forgetClient = client.onDeath(() => {
        if (end()) hangUp();
      });
      if (server === null || !server.process.isAlive) {
        world.after(world.random('network').int(1, 50), () => fail('nothing listens there'), client);
        return;
      }
      const deliver = (isFirst: boolean, ms: number): void => {
        world.after(
          ms,
          () => {
            if (this.isBlocked(client.id, server.address)) return;
            this.#serve(server, { ...call, body: JSON.parse(text) }, gone, (answer, error) => {
              if (!isFirst) return;
              const back = this.#travel();
              if (back === null || this.isBlocked(client.id, server.address)) return;
              world.after(
                back,
                () => {
                  if (!end()) return;
                  if (error === null)
                    resolve(answer === undefined ? null : JSON.parse(JSON.stringify(answer)));
                  else reject(errorFromBody(error.toBody()));
                },
                client,
              );
            });
          },
          server.process,
        );
      };
      forgetServer = server.process.onDeath(() => {
        // The kernel closes its connections.
        world.after(world.random('network').int(1, 100), () => fail('the connection was cut'), client);
      });
      const { faults, severity } = this.#plan;
      const travel = this.#travel();
      if (travel !== null) deliver(true, travel);
      const random = world.random('duplicate');
      if (!this.isHealed && faults.has('duplicate') && random.chance(0.1 * severity)) {
        deliver(false, random.int(1, 15_000));
      }
    });
  }

  #serve(
    server: Server,
    call: ServerCall,
    gone: (() => void)[],
    answered: (answer: unknown, error: FlatrenderError | null) => void,
  ): void {
    const own: (() => void)[] = [];
    gone.push(() => callAll(own.splice(0)));
    const closed = (): void => callAll(own.splice(0));
    server.answer(call, { onClose: (callback) => own.push(callback) }).then(
      (answer) => {
        answered(answer, null);
        closed();
      },
      (thrown: unknown) => {
        const error = toFlatrenderError(thrown);
        if (error.code === 'INTERNAL') {
          const cause = thrown instanceof Error ? (thrown.stack ?? thrown.message) : String(thrown);
          this.#world.violate('no request fails with a bug', `${call.route}: ${cause}`);
        }
        this.#world.note(server.process.id, `refuses ${call.route} of ${call.caller}: ${error.code}`);
        answered(undefined, error);
        closed();
      },
    );
  }
}

function callAll(callbacks: readonly (() => void)[]): void {
  for (const callback of callbacks) callback();
}
