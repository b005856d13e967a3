/**
 * The After Effects engine. After Effects puts the inputs into a copy of the project, aerender renders the copy, and what
 * it wrote is proven whole, encoded where needed and verified. The installation is never changed, the bundle never
 * written to.
 */
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { systemClock } from '../../lib/clock.ts';
import { FlatrenderError } from '../../lib/errors.ts';
import type { EngineInfo } from '../../protocol/nodes.ts';
import type { Engine, EngineSettings, RenderContext, RenderRequest, RenderResult } from '../engine.ts';
import { probeAerender } from './machine/probe.ts';
import { isMockMode, renderMock } from './mock-mode.ts';
import { renderTask } from './render/render-task.ts';
import { TaskLog } from './render/task-log.ts';

export const aerenderEngine: Engine = { name: 'aerender', probe, render };

async function probe(settings: EngineSettings): Promise<EngineInfo> {
  return await probeAerender(settings);
}

/** What a render leaves in the workspace until its end: all but the output and `logs/`. */
const SCRATCH = ['bind', 'frames', 'movie', 'sound', 'fonts'];

async function render(request: RenderRequest, context: RenderContext): Promise<RenderResult> {
  const { workspace, output } = request;
  context.signal.throwIfAborted();
  context.onProgress({ phase: 'prepare', frame: 0, frames: null, fps: null });
  if (isMockMode(request.settings)) return await renderMock(request, context);
  await using log = await TaskLog.open(workspace, context.onLog);
  const path = join(workspace, `output.${output.container}`);
  try {
    return await renderTask(request, context, log, systemClock);
  } catch (error) {
    await rm(path, { force: true });
    // Whatever failed because of the abort, the abort is the reason.
    if (context.signal.aborted) throw context.signal.reason;
    log.say(error instanceof FlatrenderError ? `${error.code}: ${error.message}` : String(error));
    throw error;
  } finally {
    const files = [...SCRATCH.map((name) => join(workspace, name)), `${path}.part`];
    // What another program still holds goes with the workspace.
    for (const file of files) await rm(file, { recursive: true, force: true, maxRetries: 5 }).catch(() => {});
  }
}
