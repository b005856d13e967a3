/** One job through a whole farm, timed step by step. */
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Api, JobInput } from '../client/api.ts';
import { FlatrenderError } from '../lib/errors.ts';
import type { JobView, TaskView } from '../protocol/jobs.ts';
import { followJobs, jobActivity } from './follow-jobs.ts';
import { readJobLog } from './job-log.ts';
import { jobFailure } from './job-report.ts';
import { formatBytes } from './output.ts';
import { saveOutputs } from './save-outputs.ts';
import type { Say } from './steps.ts';
import { pushTemplate } from './template-push.ts';

export interface SmokeStep {
  readonly name: 'claim' | 'download' | 'render' | 'upload' | 'complete' | 'fetch';
  readonly ms: number;
  readonly detail: string;
}

export interface SmokeResult {
  readonly job: string;
  readonly node: string;
  readonly steps: readonly SmokeStep[];
  readonly totalMs: number;
}

export interface SmokeOptions {
  readonly api: Api;
  /** A template of the farm instead of the built-in one (which needs the admin role to push). */
  readonly template: string | undefined;
  readonly node: string | undefined;
  /** The job is cancelled after this. */
  readonly timeoutMs: number;
  readonly signal: AbortSignal;
  readonly say: Say;
}

/** Renders nothing, does everything else. Only the mock engine, so that any node will do. */
const TEMPLATE = `schema: 1
name: flatrender-smoke-test
version: 1.0.0
title: Smoke test
description: Made by "flatrender smoke-test"; harmless, may be removed.
composition: { width: 64, height: 64, fps: 10, duration: 1 }
engines:
  mock: {}
outputs: [original]
`;

/**
 * Submits a small job and follows it to the file on this machine. The times of the steps are the farm's own: from the
 * attempt's record and the agent's measurements. Errors: those of the job; NO_CAPABLE_NODE when nobody claims it in time.
 */
export async function runSmokeTest(options: SmokeOptions): Promise<SmokeResult> {
  const { api, say } = options;
  const work = await mkdtemp(join(tmpdir(), 'flatrender-smoke-'));
  const started = performance.now();
  try {
    say('template');
    const template = options.template ?? (await pushBuiltIn(api, work, options.signal));
    const request: JobInput = {
      template,
      name: 'smoke test',
      priority: 100,
      ...(options.node === undefined ? {} : { node: options.node, fallback: false }),
    };
    const [submitted] = (await api.submit(request)).jobs;
    if (!submitted)
      throw new FlatrenderError('UNAVAILABLE', 'the control plane accepted the job without an answer');
    const job = await follow(submitted, options);
    const task = job.tasks?.[0];
    if (job.state !== 'succeeded' || !task?.result) throw jobFailure(job);
    say('fetch');
    const fetchStarted = performance.now();
    await saveOutputs(api, [job], { target: `${work}/`, force: false, signal: options.signal });
    const fetched = performance.now() - fetchStarted;
    const steps = [
      ...timeline(job, task, await downloadMs(api, job.id, options.signal)),
      {
        name: 'fetch',
        ms: Math.round(fetched),
        detail: `${formatBytes(task.result.sizeBytes)}, sha256 verified`,
      } as const,
    ];
    return { job: job.id, node: task.node ?? '', steps, totalMs: Math.round(performance.now() - started) };
  } finally {
    await rm(work, { recursive: true, force: true });
  }
}

async function pushBuiltIn(api: Api, work: string, signal: AbortSignal): Promise<string> {
  const directory = join(work, 'template');
  await mkdir(directory);
  await writeFile(join(directory, 'template.yaml'), TEMPLATE);
  try {
    return (await pushTemplate(api, directory, { signal })).template.name;
  } catch (error) {
    if (!(error instanceof FlatrenderError) || error.code !== 'TOKEN_FORBIDDEN') throw error;
    const there = (await api.listTemplates()).find(({ name }) => name === 'flatrender-smoke-test');
    if (there) return there.name;
    throw new FlatrenderError('TOKEN_FORBIDDEN', 'this token may not push the template of the smoke test', {
      cause: error,
      hint: 'use an admin token, or a template of the farm: --template NAME',
    });
  }
}

async function follow(submitted: JobView, { api, signal, timeoutMs, say }: SmokeOptions): Promise<JobView> {
  const limit = new AbortController();
  const timer = setTimeout(() => limit.abort(), timeoutMs);
  let last = submitted;
  try {
    const [ended] = await followJobs(api, [submitted.id], {
      signal: AbortSignal.any([signal, limit.signal]),
      onUpdate: (job) => {
        last = job;
        say(jobActivity(job));
      },
    });
    return ended ?? last;
  } catch (error) {
    if (!limit.signal.aborted || signal.aborted) throw error;
    await api.cancelJob(submitted.id).catch(() => {});
    const seconds = timeoutMs / 1000;
    if (last.state === 'running') {
      throw new FlatrenderError(
        'ENGINE_TIMEOUT',
        `the job did not end within ${seconds} s; it was at ${jobActivity(last)}`,
        {
          hint: `run "flatrender job logs ${submitted.id}"`,
        },
      );
    }
    throw new FlatrenderError('NO_CAPABLE_NODE', `no node claimed the job within ${seconds} s`, {
      hint: 'run "flatrender node list": is one ready, with the engine mock?',
    });
  } finally {
    clearTimeout(timer);
  }
}

/** The steps of the attempt that succeeded. Agent and control plane each measure with their own clock only. */
export function timeline(
  job: JobView,
  task: TaskView,
  download: { ms: number; text: string } | null,
): readonly SmokeStep[] {
  const attempt = task.attempts?.find(({ outcome }) => outcome === 'succeeded');
  const { result } = task;
  if (!attempt?.endedAt || !result) return [];
  const claimed = Date.parse(attempt.startedAt) - Date.parse(job.createdAt);
  const whole = Date.parse(attempt.endedAt) - Date.parse(attempt.startedAt);
  const downloadMs = Math.min(download?.ms ?? 0, result.overheadMs);
  return [
    { name: 'claim', ms: claimed, detail: `by ${attempt.node}` },
    { name: 'download', ms: downloadMs, detail: download?.text ?? '' },
    {
      name: 'render',
      ms: result.renderMs,
      detail: `${result.frames} frames of ${result.width}×${result.height}`,
    },
    { name: 'upload', ms: result.overheadMs - downloadMs, detail: formatBytes(result.sizeBytes) },
    {
      name: 'complete',
      ms: Math.max(0, whole - result.renderMs - result.overheadMs),
      detail: 'accepted and stored',
    },
  ];
}

/** What the agent logged of fetching the template. */
async function downloadMs(
  api: Api,
  id: string,
  signal: AbortSignal,
): Promise<{ ms: number; text: string } | null> {
  for await (const { line } of readJobLog(api, id, { follow: false, signal })) {
    const match = /template (from cache|downloaded) in (\d+) ms/.exec(line);
    if (match) return { ms: Number(match[2]), text: `template ${match[1]}` };
  }
  return null;
}
