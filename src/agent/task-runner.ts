/** One attempt from the claim to its report. */
import { basename } from 'node:path';
import { assetsOf, engineInputs } from '../bundle/engine-inputs.ts';
import type { EngineSettings, Progress, RenderRequest, RenderResult } from '../engines/engine.ts';
import type { EngineHosts } from '../engines/host-pool.ts';
import { deadline } from '../lib/clock.ts';
import { FlatrenderError } from '../lib/errors.ts';
import { noTracing, type Tracing } from '../lib/tracing.ts';
import type { ClaimAnswer } from '../protocol/agent.ts';
import type { ActiveTask } from './active-task.ts';
import { traceAttempt } from './attempt-trace.ts';
import type { ContentCache } from './content-cache.ts';
import { type Delivered, type DeliveryOptions, deliver } from './delivery.ts';
import type { keepFullLogs } from './full-log.ts';
import { createLogShipper, type LogShipper } from './log-shipper.ts';
import type { OutboxEntry, OutputEntry } from './outbox.ts';
import { createPreviewSender } from './preview-sender.ts';
import { taskErrorOf } from './task-error.ts';
import { fetchFiles } from './task-files.ts';
import { placeAsset, type TemplateCache } from './template-cache.ts';
import { roomFor, roomForFrames, type Workspaces } from './workspace.ts';

export interface TaskRunnerOptions extends Omit<DeliveryOptions, 'isFresh'> {
  readonly nodeId: string;
  readonly hosts: EngineHosts;
  readonly cache: ContentCache;
  readonly templates: TemplateCache;
  readonly workspaces: Workspaces;
  readonly engineSettings: () => EngineSettings;
  /** Default: none. */
  readonly tracing?: Tracing | undefined;
  readonly keepLogs: typeof keepFullLogs;
}

/** How an attempt ended here; `kept`: the agent stops, the report waits in the outbox. */
export type Ended = Delivered | 'cancelled' | 'lost' | 'cut-off' | 'released' | 'kept';

// Handing a lease back must not hold up a shutdown.
const RELEASE_TIMEOUT_MS = 4_000;
// Log lines are wanted, but not at the price of a late report.
const LAST_LOGS_MS = 1_000;

/** Runs the attempt; reports how it ended, never rejects because of the task. */
export async function runTask(
  claim: ClaimAnswer,
  task: ActiveTask,
  options: TaskRunnerOptions,
): Promise<Ended> {
  const { clock, logger, workspaces, outbox } = options;
  const { taskId, epoch } = task;
  const startedAt = clock.now();
  const logs = createLogShipper({ api: options.api, task, clock, logger });
  const endTrace = traceAttempt(claim, task, {
    tracing: options.tracing ?? noTracing,
    clock,
    nodeId: options.nodeId,
  });
  let failure: string | undefined;
  logger.info('task.started', { taskId, epoch, template: claim.task.template, engine: claim.task.engine });
  let ended: Ended = 'kept';
  let lastLogs: Promise<void> | undefined;
  try {
    let entry: OutboxEntry;
    try {
      entry = await makeOutput(claim, task, startedAt, logs, options);
    } catch (error) {
      if (task.stopped !== null) {
        ended = await giveUp(task, options);
        return ended;
      }
      if (await isUnclaimable(error, task, options)) {
        ended = await handBack(task, 'the disk of the node is full', options);
        return ended;
      }
      logger.warn('task.failed', { taskId, epoch, error });
      const taskError = taskErrorOf(error);
      failure = `${taskError.code}: ${taskError.message}`;
      logs.add('agent', `failed: ${taskError.code}: ${taskError.message}`);
      entry = { kind: 'fail', taskId, epoch, error: taskError };
    }
    await outbox.put(entry);
    task.isDelivering = true;
    await options.keepLogs(workspaces.pathOf(taskId, epoch), task, {
      ...options,
      say: (line) => logs.add('agent', line),
    });
    // While the report is on its way; the control plane takes lines of an attempt that is just over.
    lastLogs = logs.flush(LAST_LOGS_MS);
    ended = await finish(entry, task, { ...options, isFresh: true });
    return ended;
  } finally {
    endTrace(ended, failure);
    await lastLogs;
    logs.close();
    if (outbox.get(taskId, epoch)?.kind !== 'output')
      await workspaces.remove(workspaces.pathOf(taskId, epoch));
    logger.info('task.ended', { taskId, epoch, ended, ms: clock.now() - startedAt });
  }
}

/** Delivers what the outbox holds of an attempt. */
export async function finish(entry: OutboxEntry, task: ActiveTask, options: DeliveryOptions): Promise<Ended> {
  task.isDelivering = true;
  task.enter('upload');
  try {
    return await deliver(entry, task, options);
  } catch (error) {
    if (task.stopped === null) throw error;
    return task.stopped === 'shutdown' ? 'kept' : task.stopped;
  }
}

/** Hands the lease back at a shutdown; everything else that stops a task leaves nothing to say. */
async function giveUp(task: ActiveTask, options: TaskRunnerOptions): Promise<Ended> {
  if (task.stopped !== 'shutdown') return task.stopped ?? 'cancelled';
  return await handBack(task, 'the agent shuts down', options);
}

/**
 * The disk has no room for anything: had the node known that when it asked, the task would be another's. It claims nothing
 * until there is room, so this cannot go round; a task that is too large for the disk, or fills it, fails.
 */
async function isUnclaimable(
  error: unknown,
  task: ActiveTask,
  { workspaces, cache }: TaskRunnerOptions,
): Promise<boolean> {
  if (task.phase !== 'claimed' || taskErrorOf(error).code !== 'DISK_FULL') return false;
  return !(await workspaces.hasRoom((bytes) => cache.free(bytes)));
}

async function handBack(
  task: ActiveTask,
  reason: string,
  { api, clock, logger, letGo }: TaskRunnerOptions,
): Promise<Ended> {
  const { taskId, epoch } = task;
  await letGo(task);
  using late = deadline(RELEASE_TIMEOUT_MS, clock);
  try {
    await api.release(taskId, { epoch, reason }, late.signal);
  } catch (error) {
    // The lease runs out by itself.
    logger.warn('task.not-released', { taskId, epoch, error });
  }
  return 'released';
}

async function makeOutput(
  claim: ClaimAnswer,
  task: ActiveTask,
  startedAt: number,
  logs: LogShipper,
  options: TaskRunnerOptions,
): Promise<OutputEntry> {
  const { clock, hosts, workspaces, templates, cache } = options;
  const { signal, taskId, epoch } = task;
  const workspace = await workspaces.create(taskId, epoch);
  const room = roomFor(templates.missingBytes(claim.bundle, claim.assets), claim.task.output);
  await workspaces.checkRoom(room, (bytes) => cache.free(bytes));
  const files = await fetchFiles(claim, task, templates);
  try {
    task.enter('prepare');
    const { bundle, assets } = files;
    logs.add(
      'agent',
      `node ${options.nodeId}, attempt ${epoch}: template ${bundle.hit ? 'from cache' : 'downloaded'} in ${clock.now() - startedAt} ms`,
    );
    const paths = new Map<string, string>();
    for (const asset of assetsOf(claim.task.inputs)) {
      const entry = assets.get(asset.sha256);
      if (entry) paths.set(asset.sha256, await placeAsset(entry, asset, workspace));
    }
    const request: RenderRequest = {
      taskId,
      epoch,
      engine: claim.task.engine,
      bundleDir: bundle.path,
      manifest: bundle.manifest,
      inputs: engineInputs({
        manifest: bundle.manifest,
        values: claim.task.inputs,
        assetPath: (sha256) => paths.get(sha256),
        bundleDir: bundle.path,
      }),
      output: claim.task.output,
      workspace,
      settings: options.engineSettings(),
    };
    // Only now it is known what the template has rendered.
    const frames = roomForFrames(request);
    if (frames > 0)
      await workspaces.checkRoom(frames + roomFor(0, request.output), (bytes) => cache.free(bytes));
    signal.throwIfAborted();
    const began = clock.now();
    const result = await render(request, task, logs, hosts, options);
    // The clock may have been set back meanwhile: a negative time would be refused, and the render with it.
    const renderMs = Math.max(0, clock.now() - began);
    signal.throwIfAborted();
    logs.add(
      'agent',
      `rendered ${result.frames} frames in ${renderMs} ms: ${result.sizeBytes} bytes, ${result.codec}`,
    );
    return await entryOf(task, workspace, result, { renderMs, startedAt }, options);
  } finally {
    files[Symbol.dispose]();
  }
}

async function render(
  request: RenderRequest,
  task: ActiveTask,
  logs: LogShipper,
  hosts: EngineHosts,
  { api, clock, logger }: TaskRunnerOptions,
): Promise<RenderResult> {
  const onPreview = createPreviewSender({
    api,
    task,
    clock,
    logger,
    previewMs: () => request.settings.previewMs,
  });
  return await hosts.render(request, {
    signal: task.signal,
    onProgress: (progress: Progress) => {
      task.frame = progress.frame;
      task.frames = progress.frames;
      task.fps = progress.fps;
      task.enter(progress.phase);
    },
    onPreview,
    onLog: (line: string) => logs.add('engine', line),
  });
}

async function entryOf(
  task: ActiveTask,
  workspace: string,
  made: RenderResult,
  times: { renderMs: number; startedAt: number },
  { digestOf }: TaskRunnerOptions,
): Promise<OutputEntry> {
  const { taskId, epoch } = task;
  const sha256 = await digestOf(made.path);
  if (sha256 === '')
    throw new FlatrenderError('OUTPUT_INVALID', `the rendered file ${made.path} cannot be read`);
  const { frames, durationMs, width, height, codec, sizeBytes } = made;
  const result = {
    sha256,
    sizeBytes,
    frames,
    durationMs: Math.round(durationMs),
    width,
    height,
    codec,
    renderMs: Math.round(times.renderMs),
    ...(made.mock ? { mock: made.mock } : {}),
  };
  const fileName = basename(made.path)
    .replace(/[^A-Za-z0-9._-]/g, '_')
    .slice(-100);
  return {
    kind: 'output',
    taskId,
    epoch,
    path: made.path,
    workspace,
    fileName,
    result,
    startedAt: times.startedAt,
    key: null,
  };
}
