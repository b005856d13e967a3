/** Finds the machine's ffmpeg and runs it, with progress by frame and without its traps. */
import { accessSync, constants, statSync } from 'node:fs';
import { delimiter, dirname, join } from 'node:path';
import type { Writable } from 'node:stream';
import { FlatrenderError } from '../lib/errors.ts';
import { type Ended, run, start } from '../lib/exec.ts';
import { lastLinesOf } from '../lib/exec-error.ts';

/** An ffmpeg that was found and answers. */
export interface FfmpegTools {
  /** Absolute path, or as configured. */
  readonly ffmpeg: string;
  /** The ffprobe beside it or on PATH; null when there is none. */
  readonly ffprobe: string | null;
  /** As it names itself, e.g. `5.1.9-0+deb12u1`. */
  readonly version: string;
}

/** Settings of the node that media programs read. */
export interface MediaSettings {
  /** Path of ffmpeg; empty: the one on PATH. */
  readonly ffmpegPath: string;
  /** Threads an encoder may use; 0: its own choice. */
  readonly threads: number;
}

const known = new Map<string, FfmpegTools>();

/**
 * Finds ffmpeg: the configured path (itself or in the node's settings), else PATH. Null when nothing is configured and none is there. What was found is
 * remembered; what was not is looked for again, so that an installation is noticed without a restart.
 * Throws FFMPEG_MISSING when the configured path does not work.
 */
export async function findFfmpeg(
  where: string | Pick<MediaSettings, 'ffmpegPath'>,
): Promise<FfmpegTools | null> {
  const ffmpegPath = typeof where === 'string' ? where : where.ffmpegPath;
  const key = `${ffmpegPath}\0${ffmpegPath === '' ? process.env.PATH : ''}`;
  const found = known.get(key);
  if (found) return found;
  const ffmpeg = ffmpegPath === '' ? onPath('ffmpeg') : ffmpegPath;
  if (ffmpeg === null) return null;
  const version = await versionOf(ffmpeg).catch((error: unknown) => {
    throw new FlatrenderError(
      'FFMPEG_MISSING',
      `${ffmpeg} is not an ffmpeg that runs here: ${messageOf(error)}`,
      {
        cause: error,
        hint:
          ffmpegPath === '' ? INSTALL_HINT : 'correct FFMPEG_PATH, or leave it empty to use the one on PATH',
      },
    );
  });
  const beside = join(dirname(ffmpeg), `ffprobe${process.platform === 'win32' ? '.exe' : ''}`);
  const tools = { ffmpeg, ffprobe: isProgram(beside) ? beside : onPath('ffprobe'), version };
  known.set(key, tools);
  return tools;
}

/** How to get an ffmpeg. */
export const INSTALL_HINT =
  process.platform === 'win32'
    ? 'install FFmpeg ("winget install Gyan.FFmpeg"), or set FFMPEG_PATH to ffmpeg.exe'
    : process.platform === 'darwin'
      ? 'run "brew install ffmpeg", or set FFMPEG_PATH to the program'
      : 'run "apt-get install ffmpeg" (or your distribution’s equivalent), or set FFMPEG_PATH to the program';

/** Like {@link findFfmpeg}, for what cannot do without: throws FFMPEG_MISSING with how to get one. */
export async function requireFfmpeg(where: string | Pick<MediaSettings, 'ffmpegPath'>): Promise<FfmpegTools> {
  const tools = await findFfmpeg(where);
  if (tools) return tools;
  throw new FlatrenderError('FFMPEG_MISSING', 'there is no ffmpeg on the PATH of this machine', {
    hint: INSTALL_HINT,
  });
}

export interface FfmpegOptions {
  /** Path of the ffmpeg to run, from {@link findFfmpeg}. */
  readonly ffmpeg: string;
  readonly cwd?: string;
  /** Ends it within a second; `done` rejects with ABORTED. What it wrote so far is a playable short file: delete it. */
  readonly signal?: AbortSignal;
  /** Twice a second and at the end: frames of the first video output, and its time in microseconds. */
  readonly onProgress?: (progress: FfmpegProgress) => void;
  /** Warnings and errors, without the level. */
  readonly onLine?: (line: string) => void;
  /** Stop at the first damaged packet instead of going on without it (ffmpeg then exits 0). Default true. */
  readonly strict?: boolean;
}

export interface FfmpegProgress {
  readonly frame: number;
  readonly outTimeUs: number;
}

/** What a finished run reported last. Not a proof that the file is whole: probe it. */
export interface FfmpegResult extends FfmpegProgress {
  readonly durationMs: number;
}

/**
 * Runs ffmpeg to its end. `args` are inputs, filters and outputs; the global options are added here.
 * Throws FFMPEG_FAILED with ffmpeg's own reason (`details`: exitCode, lastLines), ABORTED, FFMPEG_MISSING.
 */
export async function runFfmpeg(args: readonly string[], options: FfmpegOptions): Promise<FfmpegResult> {
  return (await startFfmpeg(args, options)).done;
}

/** Like {@link runFfmpeg}, with `stdin` for raw frames (`-i pipe:0`): end it, then await `done`. */
export async function startFfmpeg(
  args: readonly string[],
  options: FfmpegOptions & { readonly stdin?: 'pipe' },
): Promise<{ readonly stdin: Writable | null; readonly done: Promise<FfmpegResult> }> {
  const progress = new ProgressReader(options.onProgress ?? (() => {}));
  const lines: string[] = [];
  const full = [...globalArgs(options.strict ?? true), ...args];
  const program = await start(options.ffmpeg, full, {
    cwd: options.cwd,
    signal: options.signal,
    stdin: options.stdin ?? 'ignore',
    graceMs: 1000, // what it wrote is thrown away: no need to let it finish the file
    // FFREPORT would make it write a log file of that name; the colour codes would end up in messages.
    env: { FFREPORT: undefined, AV_LOG_FORCE_COLOR: undefined, AV_LOG_FORCE_NOCOLOR: '1' },
    onLine(line, stream) {
      if (stream === 'stdout') return progress.take(line);
      lines.push(line);
      if (lines.length > 200) lines.shift();
      options.onLine?.(withoutLevel(line));
    },
  });
  // Waiting for the next frame, it would not notice SIGTERM.
  const onAbort = (): void => void program.stdin?.destroy();
  options.signal?.addEventListener('abort', onAbort, { once: true });
  const done = program.done.then((ended): FfmpegResult => {
    const whole = ended.exitCode === 0 && progress.hasEnded;
    if (!whole) throw ffmpegFailed(ended, lines, options.ffmpeg, full);
    return { ...progress.last, durationMs: ended.durationMs };
  });
  done.catch(() => {}).finally(() => options.signal?.removeEventListener('abort', onAbort));
  return { stdin: program.stdin, done };
}

/**
 * What every run gets. -nostdin: a `q` on stdin ends a render with exit code 0 and a short file. The level in each
 * line (`[error] …`) tells the reason of a failure from the noise before it.
 */
function globalArgs(strict: boolean): string[] {
  return [
    ...['-hide_banner', '-nostdin', '-y', '-loglevel', 'level+warning', '-nostats'],
    ...['-progress', 'pipe:1', '-stats_period', '0.5'],
    ...(strict ? ['-xerror'] : []),
  ];
}

/** Reads `-progress`: blocks of `key=value` that end with `progress=continue` or `progress=end`. */
export class ProgressReader {
  last: FfmpegProgress = { frame: 0, outTimeUs: 0 };
  /** Whether ffmpeg wrote its last block. Also after SIGTERM: alone it proves nothing. */
  hasEnded = false;
  readonly #onProgress: (progress: FfmpegProgress) => void;
  #frame = 0;
  #outTimeUs = 0;

  constructor(onProgress: (progress: FfmpegProgress) => void) {
    this.#onProgress = onProgress;
  }

  /** Takes one line. */
  take(line: string): void {
    const at = line.indexOf('=');
    const key = line.slice(0, at);
    const value = line.slice(at + 1).trim();
    // out_time_ms is in microseconds too (ffmpeg 5.1, fftools/ffmpeg.c); N/A and negative values come before the start.
    if (key === 'frame') this.#frame = Math.max(0, Number.parseInt(value, 10) || 0);
    else if (key === 'out_time_us') this.#outTimeUs = Math.max(0, Number.parseInt(value, 10) || 0);
    else if (key === 'progress') {
      this.last = { frame: this.#frame, outTimeUs: this.#outTimeUs };
      this.hasEnded = value === 'end';
      this.#onProgress(this.last);
    }
  }
}

/** The reason in ffmpeg's own words: its first errors say what, the last ones only that it stops. */
export function reasonOf(lines: readonly string[]): string {
  const errors = lines.filter((line) => /\[(error|fatal|panic)\]/.test(line)).map(withoutLevel);
  const telling = errors.filter(
    (line) =>
      !/^(Conversion failed!|Error while (filtering|decoding stream).*|Error opening .* files?)/.test(line),
  );
  const chosen = telling.length > 0 ? telling : errors.length > 0 ? errors : lines.map(withoutLevel);
  return [...new Set(chosen)].slice(0, 2).join('; ').slice(0, 1000) || 'it gave no reason';
}

/** `[mp3 @ 0x55d0] [error] Header missing` → `mp3: Header missing`. */
function withoutLevel(line: string): string {
  return line
    .replace(/\[(?:quiet|panic|fatal|error|warning|info|verbose|debug|trace)\] /, '')
    .replace(/\[([^\]@]+) @ (?:0x)?[0-9a-f]+\] /gi, '$1: ');
}

function ffmpegFailed(
  ended: Ended,
  lines: readonly string[],
  file: string,
  args: readonly string[],
): FlatrenderError {
  const how = ended.exitCode === null ? `ended by ${ended.signal}` : `exit code ${ended.exitCode}`;
  const out = /No space left on device/i.test(ended.stderr);
  return new FlatrenderError(
    out ? 'DISK_FULL' : 'FFMPEG_FAILED',
    `ffmpeg failed (${how}): ${reasonOf(lines)}`,
    {
      details: {
        file,
        args: [...args],
        exitCode: ended.exitCode,
        signal: ended.signal,
        lastLines: lastLinesOf(lines.map(withoutLevel).join('\n')),
      },
    },
  );
}

async function versionOf(ffmpeg: string): Promise<string> {
  const { stdout } = await run(ffmpeg, ['-version'], { timeoutMs: 20_000, maxOutput: 4096 * 4 });
  const version = /^ffmpeg version (\S+)/.exec(stdout)?.[1];
  if (version === undefined) throw new Error(`"-version" answers ${JSON.stringify(stdout.slice(0, 80))}`);
  return version.slice(0, 64);
}

function onPath(name: string): string | null {
  const suffixes = process.platform === 'win32' ? ['.exe'] : [''];
  for (const directory of (process.env.PATH ?? '').split(delimiter)) {
    // An empty or relative entry would run what happens to lie in the current directory.
    if (!/^([A-Za-z]:)?[\\/]/.test(directory)) continue;
    for (const suffix of suffixes) {
      const file = join(directory, name + suffix);
      if (isProgram(file)) return file;
    }
  }
  return null;
}

function isProgram(file: string): boolean {
  try {
    accessSync(file, constants.X_OK);
    return statSync(file).isFile();
  } catch {
    return false;
  }
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
