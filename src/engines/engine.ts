/** What every engine is: a probe and a render. The agent runs both in a child process (`engine-host.ts`). */
import type { EngineInput } from '../bundle/engine-inputs.ts';
import type { Manifest } from '../bundle/manifest.ts';
import type { AerenderSettings } from '../config/aerender-settings.ts';
import type { OutputSpec, TaskPhase } from '../protocol/jobs.ts';
import type { EngineName } from '../protocol/names.ts';
import type { EngineInfo } from '../protocol/nodes.ts';

export type { EngineInput } from '../bundle/engine-inputs.ts';
export type { AerenderLimits, AerenderSettings } from '../config/aerender-settings.ts';

/** Everything an engine needs; plain data, so that it travels to the child process as JSON. */
export interface RenderRequest {
  readonly taskId: string;
  /** The claim's fencing number, 1 the first time a task is claimed. */
  readonly epoch?: number;
  readonly engine: EngineName;
  /** Absolute path of the unpacked bundle; read-only, shared with other tasks. */
  readonly bundleDir: string;
  readonly manifest: Manifest;
  /** Every input of the manifest that has a value, defaults applied. Absent: optional and not given. */
  readonly inputs: Readonly<Record<string, EngineInput>>;
  readonly output: OutputSpec;
  /** Absolute path of this attempt's own scratch directory; removed by the agent afterwards. */
  readonly workspace: string;
  /** Node settings that engines read (ffmpeg path, After Effects path, limits). */
  readonly settings: EngineSettings;
}

export interface EngineSettings {
  /** Path of ffmpeg; empty: look on PATH, then use the encoder in the package. */
  readonly ffmpegPath: string;
  /** Shortest time between two previews, ms. */
  readonly previewMs: number;
  /** Threads the encoder may use; 0 = its own choice. */
  readonly threads: number;
  /** How this node uses After Effects; absent: it does not. */
  readonly aerender?: AerenderSettings | undefined;
}

export interface Progress {
  readonly phase: TaskPhase;
  /** Frames done so far. */
  readonly frame: number;
  /** All frames, when known. */
  readonly frames: number | null;
  /** Frames per second of the last stretch, when known. */
  readonly fps: number | null;
}

/** How an engine talks while it renders. */
export interface RenderContext {
  readonly signal: AbortSignal;
  onProgress(progress: Progress): void;
  /** A JPEG of at most 512 kB, at most one per `settings.previewMs`. */
  onPreview(jpeg: Uint8Array): void;
  onLog(line: string): void;
}

/** A verified output file. */
export interface RenderResult {
  /** Absolute path inside the workspace. */
  readonly path: string;
  readonly frames: number;
  readonly durationMs: number;
  readonly width: number;
  readonly height: number;
  readonly codec: string;
  readonly sizeBytes: number;
  /** Test pictures of mock mode; absent: a render. */
  readonly mock?: true;
}

/**
 * One way to render. `render` writes `<file>.part`, verifies it (exit code, frames, duration, size) and renames;
 * on abort it ends within 5 s and leaves no process and no file. Errors are FlatrenderErrors.
 */
export interface Engine {
  readonly name: EngineName;
  /** Whether this machine can use it, its version, or why not and what to do. Never throws. */
  probe(settings: EngineSettings): Promise<EngineInfo>;
  render(request: RenderRequest, context: RenderContext): Promise<RenderResult>;
}
