/**
 * Preloaded into a program under test (node --import): its wall clock is as many milliseconds off as the file named by
 * CLOCK_SHIFT_FILE says, read anew every 50 ms. Timers and performance.now go on as on a machine whose clock is set.
 */
import { readFileSync } from 'node:fs';

const file = process.env.CLOCK_SHIFT_FILE ?? '';
const RealDate = Date;
let shift = 0;

function read(): void {
  try {
    shift = Number(readFileSync(file, 'utf8')) || 0;
  } catch {
    // Not written yet: as it is.
  }
}

class ShiftedDate extends RealDate {
  // biome-ignore lint/suspicious/noExplicitAny: the overloads of Date
  constructor(...args: any[]) {
    // @ts-expect-error: handed on as they came
    super(...(args.length === 0 ? [RealDate.now() + shift] : args));
  }

  static override now(): number {
    return RealDate.now() + shift;
  }
}

read();
setInterval(read, 50).unref();
globalThis.Date = ShiftedDate as DateConstructor;
