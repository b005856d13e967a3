/** What the system says of a running process (Linux: /proc). */
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import type { RunningCli } from '../helpers/cli.ts';

const TICKS_PER_SECOND = Number(execFileSync('getconf', ['CLK_TCK'], { encoding: 'utf8' }));

/** CPU seconds, user and system, since it started. */
export function cpuSeconds(running: RunningCli): number {
  const stat = readFileSync(`/proc/${running.child.pid}/stat`, 'utf8');
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return (Number(fields[11]) + Number(fields[12])) / TICKS_PER_SECOND;
}

/** Resident memory in MB. */
export function rssMb(running: RunningCli): number {
  const match = /VmRSS:\s+(\d+) kB/.exec(readFileSync(`/proc/${running.child.pid}/status`, 'utf8'));
  return Math.round(Number(match?.[1] ?? 0) / 1024);
}

/** Rounded to three decimals, for tables. */
export function round(value: number): number {
  return Math.round(value * 1000) / 1000;
}
