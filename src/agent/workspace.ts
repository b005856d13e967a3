/** Scratch directories: one per attempt, with room checked before and nothing left after. */
import { mkdir, readdir, statfs } from 'node:fs/promises';
import { join } from 'node:path';
import type { RenderRequest } from '../engines/engine.ts';
import { FlatrenderError } from '../lib/errors.ts';
import type { Logger } from '../lib/logger.ts';
import type { OutputSpec } from '../protocol/jobs.ts';
import { removeTree } from './json-file.ts';

/** Free bytes for this user on the file system of a directory; replaced in tests. */
export type FreeBytes = (directory: string) => Promise<number>;

export interface Workspaces {
  /** Where an attempt's directory is, whether it exists or not. */
  pathOf(taskId: string, epoch: number): string;
  /** Makes an empty directory for the attempt. */
  create(taskId: string, epoch: number): Promise<string>;
  /** Removes the directory; never fails, what stays behind goes at the next start. */
  remove(path: string): Promise<void>;
  /** Removes everything except these paths: what a killed agent left. Returns how many. */
  clean(keep: ReadonlySet<string>): Promise<number>;
  /** DISK_FULL unless `bytes` fit and `minFreeBytes` stay free; `makeRoom` is asked first. */
  checkRoom(bytes: number, makeRoom: (bytes: number) => Promise<number>): Promise<void>;
  /** Whether `minFreeBytes` are free, so that work can begin at all; `makeRoom` is asked first. */
  hasRoom(makeRoom: (bytes: number) => Promise<number>): Promise<boolean>;
}

export interface WorkspaceOptions {
  readonly directory: string;
  readonly minFreeBytes: number;
  readonly logger: Logger;
  readonly freeBytes?: FreeBytes | undefined;
}

/** The scratch directories below one directory, which belongs to the agent alone. */
export function createWorkspaces(options: WorkspaceOptions): Workspaces {
  const { directory, minFreeBytes, logger, freeBytes = freeBytesOf } = options;
  /** Free bytes, after `makeRoom` where they are fewer than wanted. */
  const freeAfter = async (wanted: number, makeRoom: (bytes: number) => Promise<number>): Promise<number> => {
    const free = await freeBytes(directory);
    if (free >= wanted) return free;
    await makeRoom(wanted - free);
    return await freeBytes(directory);
  };
  return {
    pathOf: (taskId, epoch) => join(directory, attemptName(taskId, epoch)),
    async create(taskId, epoch) {
      const path = join(directory, attemptName(taskId, epoch));
      await removeTree(path);
      await mkdir(path, { recursive: true, mode: 0o700 });
      return path;
    },
    async remove(path) {
      await removeTree(path).catch((error: unknown) => logger.warn('workspace.left', { path, error }));
    },
    async clean(keep) {
      await mkdir(directory, { recursive: true, mode: 0o700 });
      const leftovers = (await readdir(directory))
        .map((name) => join(directory, name))
        .filter((path) => !keep.has(path));
      for (const path of leftovers) await removeTree(path);
      return leftovers.length;
    },
    async checkRoom(bytes, makeRoom) {
      const wanted = bytes + minFreeBytes;
      const free = await freeAfter(wanted, makeRoom);
      if (free >= wanted) return;
      throw new FlatrenderError(
        'DISK_FULL',
        `the task needs ${megabytes(bytes)} MB in ${directory} and ${megabytes(minFreeBytes)} MB must stay free, but only ${megabytes(free)} MB are free`,
        {
          hint: 'make room on this node, or move TEMP_DIR to another disk',
          details: { needed: bytes, free },
        },
      );
    },
    async hasRoom(makeRoom) {
      try {
        return (await freeAfter(minFreeBytes, makeRoom)) >= minFreeBytes;
      } catch (error) {
        // A directory that somebody removed comes back with the next attempt.
        logger.debug('workspace.unmeasured', { directory, error });
        return true;
      }
    },
  };
}

/** A cautious guess of what an attempt writes: its inputs, and the output twice (encoders rewrite the file at the end). */
export function roomFor(inputBytes: number, output: OutputSpec): number {
  // As long as an audio or video input: not known before it is opened.
  const seconds = output.durationSeconds ?? 120;
  const frames = output.container === 'png' ? 1 : seconds * output.fps;
  // A quarter of a bit per pixel is twice what x264 takes at its best quality; GIF and PNG take up to four bytes.
  const bytesPerPixel = output.container === 'gif' || output.container === 'png' ? 4 : 1 / 32;
  const outputBytes = output.width * output.height * frames * bytesPerPixel;
  return Math.round(inputBytes + 2 * Math.min(outputBytes, 20e9));
}

/** Frames of 8 bits with alpha that are not packed, as TIFF and PSD of After Effects are by default. */
const FRAME_BYTES_PER_PIXEL = 4;

/**
 * What the single frames of After Effects take until they are encoded, bytes; 0: none are written, they are packed, or the
 * length is not known before the inputs are opened.
 */
export function roomForFrames({
  engine,
  manifest,
  output,
  settings,
}: Pick<RenderRequest, 'engine' | 'manifest' | 'output' | 'settings'>): number {
  const section = manifest.engines.aerender;
  const node = settings.aerender;
  if (engine !== 'aerender' || !section || !node || node.path === '') return 0;
  if ((node.mode ?? section.mode) !== 'sequence') return 0;
  const module =
    node.outputModules.sequence ?? (section.mode === 'sequence' ? section.outputModule : null) ?? '';
  if (/png|jpe?g/i.test(module)) return 0;
  const { width, height, fps, duration } = manifest.composition;
  const seconds = output.durationSeconds ?? (typeof duration === 'number' ? duration : 0);
  const frames = output.container === 'png' ? 1 : Math.ceil(seconds * fps);
  return width * height * frames * FRAME_BYTES_PER_PIXEL;
}

/** A directory name for an attempt. Task ids come from the control plane, but become paths here. */
export function attemptName(taskId: string, epoch: number): string {
  if (!/^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/.test(taskId)) {
    throw new FlatrenderError(
      'REQUEST_INVALID',
      `the control plane sent a task id that cannot be one: ${taskId.slice(0, 80)}`,
    );
  }
  return `${taskId}-${epoch}`;
}

async function freeBytesOf(directory: string): Promise<number> {
  const { bavail, bsize } = await statfs(directory);
  return bavail * bsize;
}

function megabytes(bytes: number): string {
  return String(Math.round(bytes / 1e6));
}
