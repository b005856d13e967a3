import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { gunzip } from 'node:zlib';
import type { Api } from '../client/api.ts';
import { farmEvents } from '../client/events.ts';
import { downloadOutput } from '../client/files.ts';
import { FlatrenderError } from '../lib/errors.ts';
import type { LogAnswer } from '../protocol/jobs.ts';

/** One complete log. */
export interface FullLog {
  readonly task: string;
  readonly epoch: number;
  /** "aerender.log". */
  readonly name: string;
  readonly lines: readonly string[];
}

/**
 * The complete logs of a job's attempts, downloaded and unpacked one after the other. OBJECT_NOT_FOUND when there are none:
 * engines that say little leave none.
 */
export async function* readFullLogs(
  api: Api,
  id: string,
  { task, signal }: { readonly task?: string | undefined; readonly signal: AbortSignal },
): AsyncGenerator<FullLog> {
  const { logs } = await api.jobLogFiles(id);
  const wanted = logs.filter((log) => task === undefined || log.task === task);
  if (wanted.length === 0) {
    throw new FlatrenderError(
      'OBJECT_NOT_FOUND',
      `no attempt of ${task ?? `job ${id}`} left a complete log`,
      {
        hint: `see "flatrender job logs ${id}"; complete logs come from After Effects, when an attempt is over`,
      },
    );
  }
  const directory = await mkdtemp(join(tmpdir(), 'flatrender-logs-'));
  try {
    for (const log of wanted) {
      const path = join(directory, `${log.task}-${log.epoch}.gz`);
      await downloadOutput(log, path, { signal });
      const text = (await promisify(gunzip)(await readFile(path))).toString();
      const name = log.fileName.replace(/\.gz$/, '');
      yield { task: log.task, epoch: log.epoch, name, lines: text.replace(/\n$/, '').split('\n') };
    }
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
}

export type LogLine = LogAnswer['lines'][number];

/**
 * Yields a job's log lines in order; with `follow` until the job is over: an event says that there are more, so
 * nothing is polled and nothing is missed over a disconnection.
 */
export async function* readJobLog(
  api: Api,
  id: string,
  { follow, signal }: { readonly follow: boolean; readonly signal: AbortSignal },
): AsyncGenerator<LogLine> {
  let cursor: string | undefined;
  const drain = async function* (): AsyncGenerator<LogLine, boolean> {
    for (;;) {
      const page = await api.jobLog(id, cursor);
      cursor = page.next;
      yield* page.lines;
      if (page.lines.length === 0) return page.ended;
    }
  };
  const ended = yield* drain();
  if (!follow || ended) return;
  const stream = new AbortController();
  try {
    for await (const event of farmEvents(api.target, {
      jobs: [id],
      signal: AbortSignal.any([signal, stream.signal]),
    })) {
      if (event.type !== 'log' && event.type !== 'job' && event.type !== 'reset') continue;
      if (yield* drain()) return;
    }
  } finally {
    stream.abort();
  }
}
