import { untilAborted } from '../lib/abort.ts';
import { FlatrenderError } from '../lib/errors.ts';

interface Flight<T> {
  readonly promise: Promise<T>;
  readonly controller: AbortController;
  passengers: number;
}

/** Runs work once for everybody who asks for it meanwhile; it is aborted when the last of them gives up. */
export class SharedFlights<T> {
  readonly #flights = new Map<string, Flight<T>>();

  /** Joins the flight of that name, or starts it. Rejects with the signal's reason when it aborts, the flight goes on for others. */
  async join(name: string, work: (signal: AbortSignal) => Promise<T>, signal: AbortSignal): Promise<T> {
    signal.throwIfAborted();
    const flight = this.#flights.get(name) ?? this.#start(name, work);
    flight.passengers += 1;
    try {
      return await untilAborted(flight.promise, signal);
    } catch (error) {
      // The others of a flight whose starter gave up must not get its reason; here nobody is left.
      if (signal.aborted) throw signal.reason;
      throw error;
    } finally {
      flight.passengers -= 1;
      if (flight.passengers === 0 && this.#flights.get(name) === flight) {
        this.#flights.delete(name);
        flight.controller.abort(new FlatrenderError('ABORTED', `nobody waits for ${name} any more`));
        // Whoever comes next must not meet the remains of this one.
        await flight.promise.catch(() => undefined);
      }
    }
  }

  #start(name: string, work: (signal: AbortSignal) => Promise<T>): Flight<T> {
    const controller = new AbortController();
    const promise = work(controller.signal).finally(() => {
      if (this.#flights.get(name)?.controller === controller) this.#flights.delete(name);
    });
    promise.catch(() => undefined);
    const flight: Flight<T> = { promise, controller, passengers: 0 };
    this.#flights.set(name, flight);
    return flight;
  }
}
