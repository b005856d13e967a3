import { mkdir, stat } from 'node:fs/promises';
import { dirname, extname, join, resolve, sep } from 'node:path';
import type { Api } from '../client/api.ts';
import { downloadOutput, type FileOptions } from '../client/files.ts';
import { FlatrenderError } from '../lib/errors.ts';
import type { JobView, OutputAnswer } from '../protocol/jobs.ts';

type Output = OutputAnswer['outputs'][number];

export interface SaveOptions extends FileOptions {
  /** A directory (existing, or written with a slash at the end), or a file when there is one output. Default: here. */
  readonly target?: string | undefined;
  /** Replace files that exist. */
  readonly force: boolean;
  /** Only these outputs, by name. */
  readonly names?: readonly string[] | undefined;
}

/** A file that was saved. */
export interface SavedFile {
  readonly job: string;
  readonly output: string;
  readonly path: string;
  readonly sizeBytes: number;
  readonly sha256: string;
  readonly frames: number;
  readonly durationMs: number;
  readonly width: number;
  readonly height: number;
  readonly codec: string;
  /** Test pictures of a node in mock mode. */
  readonly mock?: true;
}

/**
 * Downloads the finished outputs of jobs. All destinations are checked before the first byte: OUTPUT_EXISTS when a
 * file is there and `force` is not set, USAGE when several outputs were to go into one file. OUTPUT_MISSING when a job
 * has none (yet).
 */
export async function saveOutputs(
  api: Api,
  jobs: readonly Pick<JobView, 'id' | 'name' | 'state'>[],
  options: SaveOptions,
): Promise<readonly SavedFile[]> {
  const found: { job: Pick<JobView, 'id' | 'name'>; output: Output }[] = [];
  for (const job of jobs) {
    const { outputs } = await api.jobOutput(job.id);
    for (const output of select(job, outputs, options.names)) found.push({ job, output });
  }
  const plan = await planPaths(found, options);
  const saved: SavedFile[] = [];
  for (const { job, output, path } of plan) {
    await mkdir(dirname(path), { recursive: true });
    await downloadOutput(output, path, options);
    const { sizeBytes, sha256, frames, durationMs, width, height, codec } = output;
    saved.push({
      job: job.id,
      output: output.name,
      path,
      sizeBytes,
      sha256,
      frames,
      durationMs,
      width,
      height,
      codec,
      ...(output.mock ? { mock: output.mock } : {}),
    });
  }
  return saved;
}

function select(
  job: Pick<JobView, 'id' | 'state'>,
  outputs: readonly Output[],
  names: readonly string[] | undefined,
): readonly Output[] {
  if (outputs.length === 0) {
    const over = job.state === 'failed' || job.state === 'cancelled';
    throw new FlatrenderError('OUTPUT_MISSING', `job ${job.id} is ${job.state} and has no output`, {
      hint: over
        ? `run "flatrender job show ${job.id}" for the reason`
        : `run "flatrender job watch ${job.id}" to wait for it`,
    });
  }
  if (!names) return outputs;
  return names.map((name) => {
    const output = outputs.find((each) => each.name === name);
    if (output) return output;
    throw new FlatrenderError('OUTPUT_MISSING', `job ${job.id} has no finished output "${name}"`, {
      hint: `finished are: ${outputs.map((each) => each.name).join(', ')}`,
    });
  });
}

async function planPaths<T extends { job: Pick<JobView, 'id' | 'name'>; output: Output }>(
  found: readonly T[],
  { target, force }: SaveOptions,
): Promise<readonly (T & { path: string })[]> {
  const intoDirectory = target === undefined || (await isDirectory(target));
  if (!intoDirectory && found.length > 1) {
    throw new FlatrenderError(
      'USAGE',
      `--output ${target} is one file, but there are ${found.length} outputs`,
      {
        hint: `name a directory: --output ${target}${sep}`,
      },
    );
  }
  const directory = resolve(target ?? '.');
  const several = new Set(found.map(({ job }) => job.id)).size > 1;
  const plan = found.map((entry) => ({
    ...entry,
    path: intoDirectory ? join(directory, fileNameOf(entry.job, entry.output, several)) : resolve(target),
  }));
  for (const { path, output } of plan) {
    const there = await stat(path).catch(() => null);
    if (there?.isDirectory())
      throw new FlatrenderError('USAGE', `${path} is a directory`, { hint: 'choose another --output' });
    if (there && !force) throw existsAlready(path);
    const wanted = extname(output.fileName);
    if (!intoDirectory && extname(path).toLowerCase() !== wanted) {
      throw new FlatrenderError(
        'USAGE',
        `${path} does not end in ${wanted}, but output "${output.name}" is such a file`,
        {
          hint: `write --output ${path}${wanted}`,
        },
      );
    }
  }
  return plan;
}

/** The control plane's name for it; with several jobs the job's id first, so that none hides another. */
function fileNameOf(job: Pick<JobView, 'id'>, output: Output, several: boolean): string {
  // The name comes over the wire: whatever it says, the file stays in the directory.
  const name = output.fileName.replace(/[/\\:\x00-\x1f]/g, '-').replace(/^\.+/, '') || `${output.task}.bin`;
  return several ? `${job.id}-${name}` : name;
}

async function isDirectory(target: string): Promise<boolean> {
  if (/[/\\]$/.test(target)) return true;
  return (await stat(target).catch(() => null))?.isDirectory() ?? false;
}

/**
 * Looks, before anything is rendered, whether the destination will do: OUTPUT_EXISTS for a file that is there while
 * `force` is not set.
 */
export async function checkTarget(target: string | undefined, force: boolean): Promise<void> {
  if (target === undefined || force) return;
  const there = await stat(target).catch(() => null);
  if (there?.isFile()) throw existsAlready(resolve(target));
}

function existsAlready(path: string): FlatrenderError {
  return new FlatrenderError('OUTPUT_EXISTS', `${path} exists already`, {
    hint: 'add --force to replace it, or choose another place with --output',
  });
}
