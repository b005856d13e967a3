import type { Listr, ListrLogger } from 'listr2';
import { formatDuration } from './output.ts';
import { isLive, paint } from './paint.ts';

/** Says what a running step is doing; replaces what was said before. */
export type Say = (detail: string) => void;

/** Work shown step by step on stderr. */
export interface Steps {
  /**
   * Runs one step under its title: a spinner and the newest detail on a terminal; elsewhere a line at the end, and
   * one with the detail every few seconds. The line of a finished step ends with `summary(result)` and its time.
   */
  run<T>(title: string, work: (say: Say) => Promise<T>, summary?: (result: T) => string): Promise<T>;
}

/** A line in a log every this often: enough to see that it lives, not enough to drown the rest. */
const PLAIN_EVERY_MS = 5000;

/** Steps on stderr, or none at all (`quiet`, for --json). */
export function createSteps(options: { readonly quiet: boolean }): Steps {
  if (options.quiet) return { run: (_title, work) => work(() => {}) };
  return isLive(process.stderr) ? { run: runLive } : { run: runPlain };
}

async function runPlain<T>(
  title: string,
  work: (say: Say) => Promise<T>,
  summary?: (result: T) => string,
): Promise<T> {
  const started = performance.now();
  let saidAt = started;
  const say: Say = (detail) => {
    const now = performance.now();
    if (now - saidAt < PLAIN_EVERY_MS) return;
    saidAt = now;
    process.stderr.write(`  ${title}: ${detail.trim()}\n`);
  };
  const time = (): string => formatDuration(performance.now() - started);
  try {
    const result = await work(say);
    process.stderr.write(
      `${paint('good', 'ok', process.stderr)} ${doneLine(title, summary?.(result), time())}\n`,
    );
    return result;
  } catch (error) {
    process.stderr.write(`${paint('error', 'failed', process.stderr)} ${title} (${time()})\n`);
    throw error;
  }
}

async function runLive<T>(
  title: string,
  work: (say: Say) => Promise<T>,
  summary?: (result: T) => string,
): Promise<T> {
  const started = performance.now();
  const { Listr } = await import('listr2');
  let result: { value: T } | undefined;
  const list: Listr = new Listr(
    [
      {
        title,
        task: async (_context, task) => {
          const value = await work((detail) => {
            task.title = `${title}  ${detail}`;
          }).catch((error) => {
            task.title = title;
            throw error;
          });
          task.title = doneLine(title, summary?.(value), formatDuration(performance.now() - started));
          result = { value };
        },
      },
    ],
    { ...(await liveOptions()) },
  );
  await list.run();
  if (!result) throw new Error(`the step "${title}" ended without a result`);
  return result.value;
}

/** listr2 on stderr (stdout is for data), one line per task, errors left to the command's own report. */
export async function liveOptions() {
  const { ListrLogger, ProcessOutput } = await import('listr2');
  const logger: ListrLogger = new ListrLogger({
    useIcons: true,
    processOutput: new ProcessOutput(process.stderr, process.stderr),
  });
  return {
    registerSignalListeners: false,
    renderer: 'default',
    forceTTY: true,
    rendererOptions: { logger, formatOutput: 'truncate', collapseErrors: false, showErrorMessage: false },
  } as const;
}

function doneLine(title: string, detail: string | undefined, time: string): string {
  return `${title}${detail ? `  ${detail}` : ''}  ${paint('dim', `(${time})`, process.stderr)}`;
}
