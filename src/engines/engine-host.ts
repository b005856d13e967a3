/**
 * The child process in which engines render: native code may crash, leak or hang here without the agent noticing
 * more than a failed attempt. It leads a process group that its ffmpeg and others stay in, so that ending the group
 * ends everything.
 */
import { Worker } from 'node:worker_threads';
import { errorFromBody, FlatrenderError, toFlatrenderError } from '../lib/errors.ts';
import { keepChildrenInGroup, killTree } from '../lib/exec.ts';
import { systemTrouble } from '../lib/system-trouble.ts';
import type { EngineName } from '../protocol/names.ts';
import type { EngineInfo } from '../protocol/nodes.ts';
import type { EngineSettings, Progress, RenderContext, RenderRequest } from './engine.ts';
import type { HostOrder, HostReport } from './host-messages.ts';
import { loadEngine } from './registry.ts';

/** Serves the parent until its channel closes; then ends itself and everything it started. Never returns earlier. */
export async function runEngineHost(): Promise<void> {
  if (!process.send) {
    process.stderr.write('__engine-host is started by the agent, not by hand\n');
    process.exitCode = 2;
    return;
  }
  keepChildrenInGroup();
  // Ctrl-C in a terminal is the agent's business: it tells what to do about the renders.
  for (const signal of ['SIGINT', 'SIGHUP'] as const) process.on(signal, () => {});
  const watchdog = watchParent();
  const gone = new Promise<void>((resolve) => process.once('disconnect', resolve));
  let current: AbortController | undefined;
  process.on('message', (order: HostOrder) => {
    if (order.type === 'abort') {
      current?.abort(errorFromBody(order.reason));
      return;
    }
    const controller = new AbortController();
    current = controller;
    void serve(order, controller.signal).then((report) => {
      current = undefined;
      send(report);
    });
  });
  send({ type: 'ready' });
  await gone;
  current?.abort(new FlatrenderError('ABORTED', 'the agent is gone'));
  await watchdog.terminate();
  await endGroup();
}

async function serve(order: Exclude<HostOrder, { type: 'abort' }>, signal: AbortSignal): Promise<HostReport> {
  try {
    if (order.type === 'probe') return { type: 'probed', info: await probe(order.engine, order.settings) };
    const { request } = order;
    const engine = await loadEngine(request.engine);
    signal.throwIfAborted();
    const { context, end } = contextFor(request, signal);
    try {
      return { type: 'rendered', result: await engine.render(request, context) };
    } finally {
      end();
    }
  } catch (error) {
    const aborted = signal.aborted && signal.reason instanceof FlatrenderError;
    const known = aborted ? signal.reason : (systemTrouble(error) ?? toFlatrenderError(error));
    const stack = known.code === 'INTERNAL' && error instanceof Error ? error.stack : undefined;
    return { type: 'failed', error: known.toBody(), ...(stack === undefined ? {} : { stack }) };
  }
}

async function probe(name: EngineName, settings: EngineSettings): Promise<EngineInfo> {
  try {
    return await (await loadEngine(name)).probe(settings);
  } catch (error) {
    const known = toFlatrenderError(error);
    return { name, available: false, reason: known.message.slice(0, 1024), hint: known.hint };
  }
}

/** Of frames, four reports a second get through. */
const PROGRESS_MS = 250;

/**
 * Engines may report as often as they like: what comes too soon waits, so that the newest gets through also when nothing
 * follows it (a render that hangs). `end` forgets what still waits.
 */
function contextFor(
  request: RenderRequest,
  signal: AbortSignal,
): { readonly context: RenderContext; end(): void } {
  let phase = '';
  let progressAt = Number.NEGATIVE_INFINITY;
  let previewAt = Number.NEGATIVE_INFINITY;
  let newest: Progress | undefined;
  let timer: NodeJS.Timeout | undefined;
  const tell = (progress: Progress): void => {
    clearTimeout(timer);
    timer = undefined;
    phase = progress.phase;
    progressAt = performance.now();
    send({ type: 'progress', progress });
  };
  const context: RenderContext = {
    signal,
    onProgress(progress) {
      const wait = PROGRESS_MS - (performance.now() - progressAt);
      const isLast = progress.frames !== null && progress.frame >= progress.frames;
      if (progress.phase !== phase || isLast || wait <= 0) return tell(progress);
      newest = progress;
      timer ??= setTimeout(() => newest && tell(newest), wait);
    },
    onPreview(jpeg) {
      const now = performance.now();
      // 512 kB is what the control plane takes.
      if (jpeg.byteLength > 512 * 1024 || now - previewAt < request.settings.previewMs * 0.9) return;
      previewAt = now;
      send({ type: 'preview', jpeg });
    },
    onLog: (line) => send({ type: 'log', line: line.slice(0, 4000) }),
  };
  return { context, end: () => clearTimeout(timer) };
}

function send(report: HostReport): void {
  // After a disconnect there is nobody to tell, and the end is already on its way.
  if (process.connected) process.send?.(report, undefined, undefined, () => {});
}

/**
 * A main thread that hangs in native code does not see its channel close. A second thread does: when the parent is
 * gone it ends the group the hard way.
 */
function watchParent(): Worker {
  const code = `
    const parent = ${process.ppid};
    const gone = () => {
      if (process.platform !== 'win32') return process.ppid !== parent;
      try { process.kill(parent, 0); return false; } catch (error) { return error.code === 'ESRCH'; }
    };
    setInterval(() => {
      if (!gone()) return;
      if (process.platform !== 'win32') { try { process.kill(-process.pid, 'SIGKILL'); } catch {} }
      process.kill(process.pid, 'SIGKILL');
    }, 1000);`;
  const watchdog = new Worker(code, { eval: true, name: 'parent-watchdog', execArgv: [] });
  watchdog.unref();
  return watchdog;
}

/** Gives engines a moment to remove what they wrote, then ends whatever of the group is left, this process included. */
async function endGroup(): Promise<void> {
  await new Promise((resolve) => setTimeout(resolve, 500));
  if (process.platform === 'win32') await killTree(process.pid);
  try {
    // Only a group of its own: started by hand in a shell's group, this would end the shell's other programs.
    process.kill(-process.pid, 'SIGKILL');
  } catch {
    process.exit(0);
  }
}
