/** Jobs as people read them. */
import { FlatrenderError } from '../lib/errors.ts';
import type { InputValue, JobView, TaskView } from '../protocol/jobs.ts';
import { jobActivity } from './follow-jobs.ts';
import {
  type Column,
  facts,
  formatBytes,
  formatDuration,
  formatInstant,
  formatRelative,
  table,
} from './output.ts';
import { paint, type Style } from './paint.ts';
import type { SavedFile } from './save-outputs.ts';

const STATE_STYLES: Readonly<Record<string, Style>> = {
  running: 'busy',
  succeeded: 'good',
  failed: 'error',
  cancelled: 'dim',
  scheduled: 'dim',
  lost: 'warning',
  interrupted: 'warning',
};

/** A state in its colour. */
function paintState(state: string, text = state): string {
  const style = STATE_STYLES[state];
  return style ? paint(style, text) : text;
}

/** `job list`. */
export function jobTable(jobs: readonly JobView[], now: number): string {
  const columns: Column<JobView>[] = [
    { title: 'id', value: (job) => job.id },
    { title: 'state', value: (job) => job.state, paint: (cell, job) => paintState(job.state, cell) },
    { title: 'done', value: (job) => `${Math.floor(job.progress * 100)} %`, align: 'right' },
    { title: 'prio', value: (job) => job.priority, align: 'right' },
    { title: 'template', value: (job) => `${job.template}@${job.version}` },
    { title: 'node', value: nodesOf },
    { title: 'created', value: (job) => formatRelative(job.createdAt, now) },
    { title: 'name', value: (job) => job.name },
  ];
  return table(jobs, columns);
}

/** Who renders it or has rendered it, else who was asked for. */
function nodesOf({ node, nodes = [] }: JobView): string | null {
  return nodes.length > 0 ? nodes.join(', ') : node;
}

/** `job show`; `hasFullLog`: an attempt left a complete log. */
export function jobDetails(job: JobView, now: number, hasFullLog = false): string {
  const ended = job.endedAt ? Date.parse(job.endedAt) : now;
  const head = facts([
    ['job', job.id],
    ['name', job.name],
    [
      'state',
      `${paintState(job.state)}${job.state === 'running' ? ` (${jobActivity(job)}, ${Math.floor(job.progress * 100)} %)` : ''}`,
    ],
    ['template', `${job.template}@${job.version}`],
    ['priority', job.priority],
    ['node', job.node],
    ['batch', job.batch],
    ['created', when(job.createdAt, now)],
    ['starts', job.runAt && job.state === 'scheduled' ? when(job.runAt, now) : null],
    ['started', job.startedAt && when(job.startedAt, now)],
    ['ended', job.endedAt && when(job.endedAt, now)],
    ['took', job.startedAt && formatDuration(ended - Date.parse(job.startedAt))],
    ['webhook', job.webhook],
  ]);
  const inputs = Object.entries(job.inputs ?? {});
  const parts = [head];
  if (inputs.length > 0)
    parts.push(
      `${paint('bold', 'inputs')}\n${indent(facts(inputs.map(([key, value]) => [key, inputText(value)])))}`,
    );
  for (const task of job.tasks ?? []) parts.push(taskDetails(task, now));
  if (job.error) parts.push(errorText(job.error));
  if (hasFullLog) parts.push(paint('dim', `complete log: flatrender job logs ${job.id} --full`));
  return parts.join('\n\n');
}

function taskDetails(task: TaskView, now: number): string {
  const { output, result } = task;
  const size = `${output.width}×${output.height} ${output.fps} fps ${output.container}`;
  const lines = [`${paint('bold', `task ${task.id}`)}  ${output.name} (${size})  ${paintState(task.state)}`];
  if (task.waiting) lines.push(`  waits: ${task.waiting}`);
  if (result) {
    lines.push(
      `  ${lengthText(result)}${formatBytes(result.sizeBytes)}, ${result.codec}; rendered in ${formatDuration(result.renderMs)} + ${formatDuration(result.overheadMs)}`,
    );
  }
  if (result?.mock) lines.push(`  ${paint('warning', mockText)}`);
  for (const attempt of task.attempts ?? []) {
    const took = attempt.endedAt
      ? ` after ${formatDuration(Date.parse(attempt.endedAt) - Date.parse(attempt.startedAt))}`
      : '';
    const outcome = attempt.outcome ?? 'running';
    lines.push(
      `  attempt ${attempt.epoch} on ${attempt.node}, ${formatRelative(attempt.startedAt, now)}: ${paintState(outcome)}${took}`,
    );
    if (attempt.error) lines.push(indent(errorText(attempt.error), 4));
  }
  return lines.join('\n');
}

/** The error with which a failed job is reported as the command's own failure. */
export function jobFailure(job: JobView): FlatrenderError {
  if (job.state === 'cancelled') return new FlatrenderError('JOB_CANCELLED', `job ${job.id} was cancelled`);
  const reason = job.error ? `${job.error.code}: ${job.error.message}` : 'no reason was given';
  return new FlatrenderError('JOB_FAILED', `job ${job.id} failed: ${reason}`, {
    hint: job.error?.hint ?? `run "flatrender job logs ${job.id}"`,
    details: { job: job.id, ...(job.error ? { cause: job.error } : {}) },
  });
}

/** What an output of mock mode is called. */
const mockText = 'test pictures, no render: the node is in mock mode (AE_PATH is empty)';

/** `path  150 frames, 5.0 s, 1920×1080 h264, 1.2 MB`; test pictures are called so. */
export function savedText(file: SavedFile): string {
  const mock = file.mock ? `  ${paint('warning', mockText)}` : '';
  return `${file.path}  ${mediaText(file)}, ${formatBytes(file.sizeBytes)}${mock}`;
}

/** What those have to know who take jobs for rendered: some outputs are test pictures; null: none is. */
export function mockWarning(jobs: readonly JobView[]): string | null {
  const mocked = jobs.find((job) => job.tasks?.some(({ result }) => result?.mock));
  return mocked === undefined ? null : `job ${mocked.id}: ${mockText}`;
}

/** `150 frames, 5.0 s, 1920×1080 h264`; of a still only the rest. */
export function mediaText(media: SavedFile): string {
  return `${lengthText(media)}${media.width}×${media.height} ${media.codec}`;
}

function lengthText({ frames, durationMs }: { frames: number; durationMs: number }): string {
  return frames === 1 ? '' : `${frames} frames, ${formatDuration(durationMs)}, `;
}

function errorText(error: { code: string; message: string; hint?: string | undefined }): string {
  const text = paint('error', `${error.code}: ${error.message}`);
  return error.hint ? `${text}\n${paint('dim', 'hint:')} ${error.hint}` : text;
}

function inputText(value: InputValue): string {
  if (typeof value === 'object') return `@${value.name} (${formatBytes(value.sizeBytes)})`;
  return typeof value === 'string' ? value.replaceAll('\n', '⏎') : String(value);
}

function when(instant: string, now: number): string {
  return `${formatInstant(instant)} (${formatRelative(instant, now)})`;
}

function indent(text: string, by = 2): string {
  return text.replace(/^/gm, ' '.repeat(by));
}
