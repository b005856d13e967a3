/** The logs of services: systemd's journal, or the log file beside the program. */

import { closeSync, existsSync, fstatSync, openSync, readSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { thisPlatform } from '../config/machine-paths.ts';
import { FlatrenderError } from '../lib/errors.ts';
import { run, start } from '../lib/exec.ts';
import type { ServiceRole } from '../service/service-spec.ts';
import { serviceSpec } from './service-plans.ts';

const POLL_MS = 300;
/** Lines of the log are JSON, some with a stack: enough for thousands of them. */
const TAIL_BYTES = 8 * 1024 * 1024;

export interface LogsOptions {
  readonly lines: number;
  readonly follow: boolean;
  readonly signal: AbortSignal;
  readonly onLine: (line: string) => void;
}

/** Hands out the last lines of a service's log, and with `follow` new ones until `signal` aborts. */
export async function readServiceLog(role: ServiceRole, options: LogsOptions): Promise<void> {
  if (thisPlatform() === 'linux') return await readJournal(role, options);
  const file = join(serviceSpec({ role, signal: options.signal }).paths.logDir, `${role}.log`);
  if (!existsSync(file) && !options.follow) {
    throw new FlatrenderError(
      'SERVICE_NOT_INSTALLED',
      `there is no log ${file}: the service has not run yet`,
      {
        hint: 'flatrender node status',
      },
    );
  }
  await readLogFile(file, options);
}

/** The end of a log file with that of the one before it; with `follow` also what comes, across its being turned over. */
export async function readLogFile(
  file: string,
  { lines, follow, signal, onLine }: LogsOptions,
): Promise<void> {
  const recent = tailOf(file, lines);
  const older = recent.length < lines ? tailOf(`${file}.1`, lines - recent.length) : [];
  for (const line of [...older, ...recent]) onLine(line);
  let at = existsSync(file) ? statSync(file).size : 0;
  let rest = '';
  while (follow && !signal.aborted) {
    await wait(POLL_MS, undefined, { signal }).catch(() => undefined);
    const size = existsSync(file) ? statSync(file).size : 0;
    if (size < at) at = 0;
    if (size === at) continue;
    const text = rest + readFrom(file, at, size - at).toString('utf8');
    at = size;
    const complete = text.split('\n');
    rest = complete.pop() ?? '';
    for (const line of complete) onLine(line);
  }
}

/** What a service wrote since an instant (epoch milliseconds), its last lines; for a message that it does not run. */
export async function lastLogLines(role: ServiceRole, since: number, signal: AbortSignal): Promise<string[]> {
  const lines: string[] = [];
  const options = { lines: 8, follow: false, signal, onLine: (line: string) => void lines.push(line) };
  try {
    if (thisPlatform() === 'linux') await readJournal(role, options, since);
    else await readServiceLog(role, options);
  } catch (error) {
    if (signal.aborted) throw error;
  }
  return lines.map((line) => line.slice(0, 400));
}

async function readJournal(role: ServiceRole, options: LogsOptions, since?: number): Promise<void> {
  const { lines, follow, signal, onLine } = options;
  const unit = `flatrender-${role}.service`;
  const args = ['--no-pager', '--output=cat', `--unit=${unit}`, `--lines=${lines}`];
  if (since !== undefined) args.push(`--since=@${Math.floor(since / 1000)}`);
  if (!follow) {
    const { stdout } = await run('journalctl', args, { signal, timeoutMs: 30_000 });
    for (const line of stdout.split('\n')) if (line !== '') onLine(line);
    return;
  }
  const journal = await start('journalctl', [...args, '--follow'], {
    onLine: (line, stream) => stream === 'stdout' && onLine(line),
  });
  signal.addEventListener('abort', () => void journal.kill(0), { once: true });
  await journal.done;
}

function tailOf(file: string, count: number): string[] {
  if (!existsSync(file) || count <= 0) return [];
  const { size } = statSync(file);
  const from = Math.max(0, size - TAIL_BYTES);
  const lines = readFrom(file, from, size - from)
    .toString('utf8')
    .split('\n');
  if (from > 0) lines.shift();
  return lines.filter((line) => line !== '').slice(-count);
}

function readFrom(file: string, at: number, length: number): Buffer {
  const descriptor = openSync(file, 'r');
  try {
    const bytes = Buffer.alloc(Math.min(length, fstatSync(descriptor).size));
    return bytes.subarray(0, readSync(descriptor, bytes, 0, bytes.length, at));
  } finally {
    closeSync(descriptor);
  }
}
