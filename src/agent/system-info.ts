/** GPU, memory and disk of this machine, measured in the background. */
import { freemem, totalmem } from 'node:os';
import type { Clock } from '../lib/clock.ts';
import type { Logger } from '../lib/logger.ts';
import type { SystemInfo } from '../protocol/nodes.ts';

export interface SystemMonitor extends Disposable {
  /** The newest measurement; the same object until the next one differs. */
  current(): SystemInfo;
}

const EVERY_MS = 15_000;
// The programs asked for GPUs (nvidia-smi, lspci, PowerShell) can hang with their driver.
const LIMIT_MS = 5_000;
const MB = 1024 * 1024;

/** Measures once (at most some seconds), then every 15 s until disposed. `directory` says which disk counts. */
export async function startSystemMonitor(options: {
  readonly directory: string;
  readonly clock: Clock;
  readonly logger: Logger;
}): Promise<SystemMonitor> {
  const { directory, clock, logger } = options;
  const { default: si } = await import('systeminformation');
  let hasGpu = true;
  let current: SystemInfo = {
    gpu: null,
    memory: memoryOf(totalmem(), freemem()),
    disk: { total: 0, used: 0, free: 0 },
  };
  let cancel = (): void => undefined;
  let isStopped = false;

  const askMemory = patient(() => si.mem(), clock);
  const askDisks = patient(() => si.fsSize(), clock);
  const askGraphics = patient(() => si.graphics(), clock);
  const measure = async (): Promise<void> => {
    const [memory, disks, graphics] = await Promise.all([
      askMemory(),
      askDisks(),
      hasGpu ? askGraphics() : null,
    ]);
    const gpu = graphics ? bestGpu(graphics.controllers) : current.gpu;
    // A machine does not grow a GPU while it runs: without one, the slow question is not asked again.
    if (graphics && gpu === null) hasGpu = false;
    const next: SystemInfo = {
      gpu,
      memory: memory ? memoryOf(memory.total, memory.available) : current.memory,
      disk: diskOf(disks ?? [], directory) ?? current.disk,
    };
    if (JSON.stringify(next) !== JSON.stringify(current)) current = next;
  };
  const again = (): void => {
    if (isStopped) return;
    cancel = clock.after(EVERY_MS, () => {
      measure()
        .catch((error: unknown) => logger.debug('system.unmeasured', { error }))
        .finally(again);
    });
  };
  await measure().catch((error: unknown) => logger.warn('system.unmeasured', { error }));
  again();
  return {
    current: () => current,
    [Symbol.dispose]() {
      isStopped = true;
      cancel();
    },
  };
}

interface Controller {
  readonly vendor?: string;
  readonly model?: string;
  readonly name?: string;
  readonly vram?: number | null;
  readonly memoryTotal?: number;
  readonly memoryUsed?: number;
  readonly memoryFree?: number;
}

/** The controller with the most memory of its own; a display adapter without any is no GPU to render with. */
export function bestGpu(controllers: readonly Controller[]): SystemInfo['gpu'] {
  const sized = controllers
    .map((controller) => ({ controller, total: controller.memoryTotal ?? controller.vram ?? 0 }))
    .filter(({ total }) => total > 0)
    .sort((a, b) => b.total - a.total);
  const best = sized[0];
  if (!best) return null;
  const { name, model, vendor, memoryUsed, memoryFree } = best.controller;
  return {
    name: (name || model || vendor || 'unknown').slice(0, 256),
    vram: { total: best.total, used: memoryUsed ?? null, free: memoryFree ?? null },
  };
}

interface Disk {
  readonly mount: string;
  readonly size: number;
  readonly available: number;
}

/** The disk with the longest mount point above the directory. */
export function diskOf(disks: readonly Disk[], directory: string): SystemInfo['disk'] | null {
  const fold = (path: string): string => {
    const slashes = path.replaceAll('\\', '/').replace(/\/*$/, '/');
    return process.platform === 'win32' ? slashes.toLowerCase() : slashes;
  };
  const disk = disks
    .filter(({ mount, size }) => size > 0 && fold(directory).startsWith(fold(mount)))
    .sort((a, b) => b.mount.length - a.mount.length)[0];
  if (!disk) return null;
  const total = Math.round(disk.size / MB);
  const free = Math.round(disk.available / MB);
  return { total, used: total - free, free };
}

function memoryOf(totalBytes: number, freeBytes: number): SystemInfo['memory'] {
  const total = Math.round(totalBytes / MB);
  const free = Math.round(freeBytes / MB);
  return { total, used: total - free, free };
}

/**
 * A question with a time limit (null when it is over) that is not asked again while the last one still hangs: a dead
 * network mount blocks `df` for ever, and must not collect a process every 15 s.
 */
function patient<T>(ask: () => Promise<T>, clock: Clock): () => Promise<T | null> {
  let asking: Promise<T | null> | null = null;
  return () => {
    if (asking) return Promise.resolve(null);
    asking = ask()
      .catch(() => null)
      .finally(() => {
        asking = null;
      });
    const answer = asking;
    return new Promise((resolve) => {
      const cancel = clock.after(LIMIT_MS, () => resolve(null));
      void answer.then((value) => {
        cancel();
        resolve(value);
      });
    });
  };
}
