import { type Clock, sleep } from '../../lib/clock.ts';

/** A connection that does not answer for this long is given up. */
export const ANSWER_MS = 3000;
const TICK_MS = 250;

/** The work's result, unless the server leaves it without an answer. */
export async function answered<T>(work: Promise<T>, clock: Clock): Promise<T> {
  const timer = new AbortController();
  const wait = async (): Promise<never> => {
    // In pieces: a process that was busy or stopped meanwhile looks at its sockets before it gives up.
    for (let waited = 0; waited < ANSWER_MS; waited += TICK_MS) await sleep(TICK_MS, clock, timer.signal);
    throw new Error(`no answer for ${ANSWER_MS} ms`);
  };
  const late = wait();
  // Both may fail after the race is over.
  late.catch(() => undefined);
  work.catch(() => undefined);
  try {
    return await Promise.race([work, late]);
  } finally {
    timer.abort();
  }
}
