/**
 * Renders a template's filter graph with the machine's ffmpeg.
 *
 * ffmpeg runs in the bundle's directory, so that a graph names fonts, LUTs and the like by their path in the bundle.
 * What customers give gets in as files only: media by `-i`, texts by `drawtext=textfile=…`.
 */
import { mkdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { FlatrenderError } from '../../lib/errors.ts';
import { encodedSize } from '../../media/encoder.ts';
import { type FfmpegTools, findFfmpeg, INSTALL_HINT, requireFfmpeg, runFfmpeg } from '../../media/ffmpeg.ts';
import { finishOutput, probeMedia } from '../../media/probe.ts';
import type { EngineInfo } from '../../protocol/nodes.ts';
import type { Engine, EngineSettings, RenderContext, RenderRequest, RenderResult } from '../engine.ts';
import { buildArgs, type RenderPlan, type SourcePlan } from './build-args.ts';
import { checkTexts } from './check-texts.ts';
import { fillGraph, type GraphValues } from './fill-graph.ts';
import { checkInputs, planSources } from './sources.ts';

/** `-fps_mode` came with 5.1; Debian 12 has that, Ubuntu 24.04 has 6.1. */
const OLDEST = [5, 1] as const;

export const ffmpegEngine: Engine = { name: 'ffmpeg', probe, render };

async function probe(settings: EngineSettings): Promise<EngineInfo> {
  const name = 'ffmpeg';
  try {
    const tools = await findFfmpeg(settings);
    if (!tools)
      return { name, available: false, reason: 'there is no ffmpeg on the PATH', hint: INSTALL_HINT };
    const { version } = tools;
    if (!isTooOld(version)) return { name, available: true, version };
    const reason = `ffmpeg ${version} at ${tools.ffmpeg} is too old: ${OLDEST.join('.')} is needed`;
    return {
      name,
      available: false,
      version,
      reason,
      hint: 'update ffmpeg, or set FFMPEG_PATH to a newer one',
    };
  } catch (error) {
    const { message, hint } = error as FlatrenderError;
    return {
      name,
      available: false,
      reason: message.slice(0, 1024),
      ...(hint === undefined ? {} : { hint }),
    };
  }
}

/** Development builds (`N-110000-g…`, dates) are taken for new. */
export function isTooOld(version: string): boolean {
  const found = /^n?(\d{1,2})\.(\d+)/.exec(version);
  if (!found) return false;
  const [major, minor] = [Number(found[1]), Number(found[2])];
  return major < OLDEST[0] || (major === OLDEST[0] && minor < OLDEST[1]);
}

async function render(request: RenderRequest, context: RenderContext): Promise<RenderResult> {
  const { output, workspace, settings } = request;
  context.onProgress({ phase: 'prepare', frame: 0, frames: null, fps: null });
  const tools = await requireFfmpeg(settings);
  const { ffmpeg } = tools;
  const path = join(workspace, `output.${output.container}`);
  const previewPath = join(workspace, 'preview.jpg');
  try {
    const plan = await planRender(request, {
      tools,
      path: `${path}.part`,
      previewPath,
      signal: context.signal,
    });
    const args = buildArgs(plan);
    context.onLog(`ffmpeg ${args.map(quoted).join(' ')}`);
    const reporter = new Reporter(plan, context, settings.previewMs);
    await runFfmpeg(args, {
      ffmpeg,
      cwd: request.bundleDir,
      signal: context.signal,
      onProgress: ({ frame }) => reporter.progress(frame),
      onLine: (line) => context.onLog(`ffmpeg: ${line}`),
    });
    await reporter.done();
    const { width, height } = plan;
    const frames = output.container === 'png' ? 1 : plan.frames;
    context.onProgress({ phase: 'verify', frame: plan.frames, frames: plan.frames, fps: null });
    const expected = {
      container: output.container,
      width,
      height,
      frames,
      fps: output.fps,
      hasAudio: hasSound(plan),
    };
    const found = await finishOutput(path, expected, settings, context.signal);
    const { codec, durationMs, sizeBytes } = found;
    // FFmpeg counts a still as one frame of 25 a second.
    return {
      path,
      frames,
      durationMs: output.container === 'png' ? 0 : durationMs,
      width,
      height,
      codec,
      sizeBytes,
    };
  } catch (error) {
    await rm(path, { force: true });
    throw error;
  } finally {
    for (const file of [`${path}.part`, previewPath, `${previewPath}.tmp`]) await rm(file, { force: true });
  }
}

interface Place {
  readonly tools: FfmpegTools;
  readonly path: string;
  readonly previewPath: string;
  readonly signal: AbortSignal;
}

async function planRender(request: RenderRequest, place: Place): Promise<RenderPlan> {
  const { output, settings, inputs } = request;
  const section = request.manifest.engines.ffmpeg;
  if (!section)
    throw new FlatrenderError('TEMPLATE_INVALID', 'this template has no engines.ffmpeg in its template.yaml');
  await checkTexts(request);
  const lengths = await checkInputs({ request, tools: place.tools, signal: place.signal });
  const duration = durationOf(request, lengths);
  const { width, height } = encodedSize(output);
  const textFiles = await writeTexts(request);
  const values: GraphValues = { width, height, fps: output.fps, duration, inputs, textFiles };
  const graph = fillGraph(section.graph, 'graph', values).trim().replace(/;$/, '');
  const sources = await planSources(section, values, request);
  const all = Math.max(1, Math.round(duration * output.fps));
  return {
    sources,
    graph,
    video: section.video,
    audio: await soundOf(section.audio, sources, request, place.signal),
    output,
    width,
    height,
    frames: output.container === 'png' ? stillFrame(output.atSeconds, duration, output.fps, all) : all,
    threads: settings.threads,
    path: place.path,
    previewPath: place.previewPath,
  };
}

/** Seconds of the output. INPUT_INVALID when they follow an input that is not given. */
function durationOf({ output }: RenderRequest, lengths: ReadonlyMap<string, number>): number {
  if (output.durationSeconds !== null) return output.durationSeconds;
  const length = output.durationFrom === null ? undefined : lengths.get(output.durationFrom);
  if (length !== undefined) return length;
  throw new FlatrenderError(
    'INPUT_INVALID',
    `the output lasts as long as input "${output.durationFrom}", which is not given`,
    {
      hint: `set it: --set ${output.durationFrom}=@file`,
    },
  );
}

/** How many frames it takes to have the one at this instant; the middle when none is named. */
function stillFrame(atSeconds: number | null, duration: number, fps: number, all: number): number {
  return Math.min(all, Math.floor((atSeconds ?? duration / 2) * fps + 1e-6) + 1);
}

/** One file per text input, UTF-8, as it was typed. */
async function writeTexts({ inputs, workspace }: RenderRequest): Promise<Record<string, string>> {
  const files: Record<string, string> = {};
  const directory = join(workspace, 'texts');
  for (const [name, input] of Object.entries(inputs)) {
    if (input.type !== 'text') continue;
    await mkdir(directory, { recursive: true });
    const file = join(directory, `${name}.txt`);
    // drawtext refuses an empty file (ffmpeg 5.1, libavfilter/drawtext): a blank draws nothing as well.
    await writeFile(file, input.value.replace(/\r\n?/g, '\n') || ' ');
    files[name] = file;
  }
  return files;
}

/** A video may come without sound: then the output has none, instead of ffmpeg failing over `0:a`. */
async function soundOf(
  audio: string | undefined,
  sources: readonly SourcePlan[],
  { output, settings }: RenderRequest,
  signal: AbortSignal,
): Promise<string | null> {
  if (audio === undefined || output.container === 'gif' || output.container === 'png') return null;
  const source = sources[Number(/^(\d+):a/.exec(audio)?.[1] ?? -1)];
  if (source?.kind !== 'media') return audio;
  return (await probeMedia(source.path, settings, signal)).hasAudio ? audio : null;
}

function hasSound(plan: RenderPlan): boolean {
  return plan.audio !== null;
}

/** Passes progress on, and each new preview picture that ffmpeg has written. */
class Reporter {
  readonly #plan: RenderPlan;
  readonly #context: RenderContext;
  readonly #previewMs: number;
  #last = { frame: 0, at: performance.now() };
  #previewAt = Number.NEGATIVE_INFINITY;
  #previewOf = 0;
  #reading: Promise<void> = Promise.resolve();

  constructor(plan: RenderPlan, context: RenderContext, previewMs: number) {
    this.#plan = plan;
    this.#context = context;
    this.#previewMs = previewMs;
  }

  progress(frame: number): void {
    const now = performance.now();
    const seconds = (now - this.#last.at) / 1000;
    const fps = seconds > 0.1 ? Math.max(0, (frame - this.#last.frame) / seconds) : null;
    this.#last = { frame, at: now };
    this.#context.onProgress({ phase: 'render', frame, frames: this.#plan.frames, fps });
    if (now - this.#previewAt < this.#previewMs) return;
    this.#previewAt = now;
    this.#reading = this.#reading.then(() => this.#readPreview());
  }

  async done(): Promise<void> {
    await this.#reading;
  }

  async #readPreview(): Promise<void> {
    const { previewPath } = this.#plan;
    // Replaced by renaming (-atomic_writing): whatever is read is whole. Not there yet: next time.
    const { mtimeMs } = (await stat(previewPath).catch(() => undefined)) ?? { mtimeMs: 0 };
    if (mtimeMs === this.#previewOf) return;
    const jpeg = await readFile(previewPath).catch(() => undefined);
    this.#previewOf = mtimeMs;
    if (jpeg && jpeg.length > 0) this.#context.onPreview(jpeg);
  }
}

/** For the log: so that a person can paste it into a shell. */
function quoted(argument: string): string {
  return /^[\w./:=,+-]+$/.test(argument) ? argument : `'${argument.replaceAll("'", `'\\''`)}'`;
}
