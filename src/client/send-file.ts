/** A file to the object store, in one piece or in parts, whichever the control plane says; what arrived is not sent again. */
import { untilAborted } from '../lib/abort.ts';
import { FlatrenderError } from '../lib/errors.ts';
import { retryDelay } from '../lib/retry.ts';
import type { PartsAnswer } from '../protocol/uploads.ts';
import type { Transfers } from './transfer.ts';

/** What the control plane says about a file. */
interface FilePlace {
  readonly key: string;
  /** null: it is there. */
  readonly url: string | null;
  readonly headers: Readonly<Record<string, string>>;
  readonly multipart?: PartsAnswer | null | undefined;
}

export interface SendFile {
  readonly transfers: Pick<Transfers, 'upload'>;
  /** Where it goes. Asked again after every round: addresses expire, parts arrive. */
  readonly ask: () => Promise<FilePlace>;
  readonly path: string;
  readonly sizeBytes: number;
  readonly signal: AbortSignal;
  /** Rounds in which nothing got through, after which it is given up. */
  readonly rounds: number;
  /** Whether the file still has the content that was announced; asked when another one arrived. Default: it is sent once more. */
  readonly isIntact?: (() => Promise<boolean>) | undefined;
  readonly pause: (ms: number, signal: AbortSignal) => Promise<void>;
  /** Bytes done of all; may go back when a part was cut. */
  readonly onProgress?: ((done: number, total: number) => void) | undefined;
  /** Told before a request is repeated. */
  readonly onRetry?: ((error: unknown, delayMs: number) => void) | undefined;
  /** Told before a round is repeated. */
  readonly onRound?: ((error: unknown) => void) | undefined;
}

// One connection seldom fills a long line; more than a few would only take from others.
const AT_ONCE = 3;
// With the back-off some seconds; then the addresses are asked for anew.
const PART_TRIES = 5;
const ASK_AGAIN_MS = 500;
// Parts of an earlier content of this name may have been among the first. What is wrong again stays wrong.
const CORRUPT_TRIES = 2;

/**
 * Resolves with the object's key. The errors of {@link Transfers} and of `ask`; OBJECT_CORRUPT when the file changed, or arrived
 * with another content twice; the signal's reason.
 */
export async function sendFile(options: SendFile): Promise<string> {
  const { signal, rounds } = options;
  // All parts get through every time: progress says nothing about the content.
  let corrupt = 0;
  for (let fruitless = 0; ; ) {
    const round = { sent: 0 };
    try {
      const key = await oneRound(options, round);
      if (key !== null) return key;
      fruitless = 0;
    } catch (error) {
      fruitless = round.sent > 0 ? 0 : fruitless + 1;
      if (isOtherContent(error)) corrupt += 1;
      if (signal.aborted || fruitless >= rounds || corrupt >= CORRUPT_TRIES || isFinal(error)) throw error;
      if (isOtherContent(error)) await requireIntact(options, error);
      options.onRound?.(error);
      await options.pause(retryDelay(Math.max(1, fruitless), error), signal);
    }
  }
}

/** null: to be asked again. */
async function oneRound(options: SendFile, round: { sent: number }): Promise<string | null> {
  const { transfers, path, sizeBytes, signal, onRetry, onProgress } = options;
  const { key, url, headers, multipart } = await options.ask();
  if (url === null || multipart?.done) {
    onProgress?.(sizeBytes, sizeBytes);
    return key;
  }
  if (!multipart) {
    await transfers.upload({ url, headers, path, sizeBytes, signal, onRetry, onProgress });
    return key;
  }
  if (multipart.parts.length === 0) await options.pause(ASK_AGAIN_MS, signal);
  else await sendParts(options, multipart, round);
  return null;
}

async function sendParts(options: SendFile, place: PartsAnswer, round: { sent: number }): Promise<void> {
  const { transfers, path, sizeBytes, signal, onRetry } = options;
  const waiting = [...place.parts];
  const doneOf = new Map<number, number>();
  const report = (number: number, bytes: number): void => {
    doneOf.set(number, bytes);
    const done = place.sentBytes + doneOf.values().reduce((sum, each) => sum + each, 0);
    options.onProgress?.(Math.min(done, sizeBytes), sizeBytes);
  };
  let failure: unknown;
  const work = async (): Promise<void> => {
    for (let next = waiting.shift(); next !== undefined && failure === undefined; next = waiting.shift()) {
      const { number, url } = next;
      const start = (number - 1) * place.partBytes;
      const part = { start, bytes: Math.min(place.partBytes, sizeBytes - start) };
      const onProgress = (done: number): void => report(number, done);
      const tries = PART_TRIES;
      await transfers.upload({ url, headers: {}, path, sizeBytes, part, signal, tries, onRetry, onProgress });
      round.sent += 1;
    }
  };
  await Promise.all(
    Array.from({ length: Math.min(AT_ONCE, waiting.length) }, () =>
      work().catch((error: unknown) => {
        // The others end what they are sending: it counts.
        failure ??= error;
      }),
    ),
  );
  if (failure !== undefined) throw failure;
}

/** OBJECT_CORRUPT when it is the file itself that has another content: sending it again is no use. */
async function requireIntact({ path, isIntact, signal }: SendFile, cause: unknown): Promise<void> {
  if (isIntact === undefined || (await untilAborted(isIntact(), signal))) return;
  throw new FlatrenderError('OBJECT_CORRUPT', `${path} has another content than announced`, {
    cause,
    hint: 'something changed it while it was sent, or the disk gives back other bytes than were written',
  });
}

/** All of it arrived, and was wrong and thrown away. */
function isOtherContent(error: unknown): boolean {
  return (
    error instanceof FlatrenderError && error.code === 'OBJECT_CORRUPT' && error.details?.key !== undefined
  );
}

/** A limit of the way there is not lifted by asking again; a file that changed does not change back. */
function isFinal(error: unknown): boolean {
  if (!(error instanceof FlatrenderError)) return true;
  if (error.details?.status === 413) return true;
  return error.code !== 'TRANSFER_FAILED' && !isOtherContent(error);
}
