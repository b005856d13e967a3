/**
 * An engine for trials and tests: takes the time and fails in the way that the manifest's mock section says, and
 * otherwise writes a real, small video of exactly the frames asked for.
 */
import { rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { sleep, systemClock } from '../../lib/clock.ts';
import { FlatrenderError } from '../../lib/errors.ts';
import { encodedSize, openEncoder } from '../../media/encoder.ts';
import { finishOutput } from '../../media/probe.ts';
import type { OutputSpec } from '../../protocol/jobs.ts';
import type { Engine, RenderContext, RenderRequest, RenderResult } from '../engine.ts';
import { mockFrame, mockPng } from './mock-picture.ts';
import { MOCK_PREVIEW } from './mock-preview.ts';

/** Longer side of what it writes: small enough that encoding costs nothing. */
const LONGER_SIDE = 160;

type Section = NonNullable<RenderRequest['manifest']['engines']['mock']>;

export const mockEngine: Engine = {
  name: 'mock',
  probe: async () => ({ name: 'mock', available: true, version: '1' }),
  render,
};

async function render(request: RenderRequest, context: RenderContext): Promise<RenderResult> {
  const section = request.manifest.engines.mock ?? { frameMs: 0, fail: 'never', retryable: true };
  const { output } = request;
  const frames = framesOf(output);
  context.onLog(`mock: ${frames} frames, ${section.frameMs} ms each, fail: ${section.fail}`);
  if (section.fail === 'before') throw told(section, 'before the first frame');
  const path = join(request.workspace, `output.${output.container}`);
  const part = `${path}.part`;
  const size = sizeOf(output);
  try {
    await write(part, size, frames, section, request, context);
    context.onProgress({ phase: 'verify', frame: frames, frames, fps: null });
    const expected = { container: output.container, frames, fps: output.fps, ...size };
    const found = await finishOutput(path, expected, request.settings, context.signal);
    return {
      path,
      frames,
      durationMs: found.durationMs,
      ...size,
      codec: found.codec,
      sizeBytes: found.sizeBytes,
    };
  } catch (error) {
    await rm(part, { force: true });
    throw error;
  }
}

/** Writes the frames, until the failure that was asked for. */
async function write(
  part: string,
  size: { width: number; height: number },
  frames: number,
  section: Section,
  request: RenderRequest,
  context: RenderContext,
): Promise<void> {
  const { output, settings } = request;
  const written = section.fail === 'short' ? Math.floor(frames / 2) : frames;
  const half = Math.floor(frames / 2);
  const still = output.container === 'png';
  await using encoder = still
    ? null
    : await openEncoder({
        path: part,
        output,
        ...size,
        frames,
        settings,
        signal: context.signal,
        onLog: (line) => context.onLog(line),
      });
  for (let frame = 0; frame < written; frame += 1) {
    context.signal.throwIfAborted();
    if (frame === half) await failNow(section, request, context);
    if (section.frameMs > 0) await sleep(section.frameMs, systemClock, context.signal);
    await encoder?.write(mockFrame(size, frame, frames));
    context.onProgress({ phase: 'render', frame: frame + 1, frames, fps: null });
    context.onPreview(MOCK_PREVIEW);
    // Lets an abort message in also when nothing else waits.
    if (frame % 32 === 0) await new Promise((resolve) => setImmediate(resolve));
  }
  // A still has one frame: written short it is an empty file.
  if (still) await writeFile(part, section.fail === 'short' ? '' : mockPng(size));
  await encoder?.finish();
}

/** Fails half way, if that is what the section says. */
async function failNow(section: Section, request: RenderRequest, context: RenderContext): Promise<void> {
  if (section.fail === 'middle') throw told(section, 'in the middle');
  if (section.fail === 'once' && (request.epoch ?? 1) <= 1) throw told(section, 'the first time');
  if (section.fail !== 'crash' && section.fail !== 'hang') return;
  context.onLog(`mock: ${section.fail} now`);
  await new Promise((resolve) => setImmediate(resolve)); // the line gets out first
  // As native code does it: no exception, no exit handler, no last word.
  if (section.fail === 'crash')
    process.kill(process.pid, process.platform === 'win32' ? 'SIGKILL' : 'SIGSEGV');
  // As native code does it: the thread is gone, no message is read any more.
  if (section.fail === 'hang') Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0);
}

function told(section: Section, when: string): FlatrenderError {
  return new FlatrenderError('ENGINE_FAILED', `the mock engine failed ${when}, as its manifest says`, {
    retryable: section.retryable,
  });
}

/** An output whose length follows an input is one second long here: this engine opens no inputs. */
function framesOf(output: OutputSpec): number {
  if (output.container === 'png') return 1;
  return Math.max(1, Math.round((output.durationSeconds ?? 1) * output.fps));
}

function sizeOf(output: OutputSpec): { width: number; height: number } {
  const scale = Math.min(1, LONGER_SIDE / Math.max(output.width, output.height));
  const side = (length: number): number => Math.max(2, Math.round((length * scale) / 2) * 2);
  return encodedSize({ container: output.container, width: side(output.width), height: side(output.height) });
}
