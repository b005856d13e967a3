/** The Lottie engine at 1080p against nothing but its renderer and encoder: what checks, previews and proof cost. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { engineInputs } from '../../src/bundle/engine-inputs.ts';
import { readManifest } from '../../src/bundle/read-manifest.ts';
import { resolveOutput } from '../../src/bundle/resolve-output.ts';
import type { RenderRequest } from '../../src/engines/engine.ts';
import { loadCanvasKit } from '../../src/engines/lottie/canvaskit.ts';
import { lottieEngine } from '../../src/engines/lottie/lottie-engine.ts';
import { prepare } from '../../src/engines/lottie/prepare.ts';
import { packageRoot } from '../../src/lib/paths.ts';
import { chooseEncoder, openEncoder } from '../../src/media/encoder.ts';
import { percentile } from '../helpers/load-client.ts';

export interface LottieFigures {
  readonly encoder: string;
  readonly frames: number;
  readonly bareFps: number;
  readonly engineFps: number;
  /** Engine ÷ bare, of medians; wanted ≥ 0.9. */
  readonly ratio: number;
}

/** Rounds, alternating: other work on the machine then hits both. */
const ROUNDS = 5;

/** Renders the starter template with the encoder of this machine. */
export async function benchLottie(): Promise<LottieFigures> {
  const workspace = await mkdtemp(join(tmpdir(), 'flatrender bench '));
  try {
    const request = await starterRequest(workspace);
    const frames = Math.round((request.output.durationSeconds ?? 0) * request.output.fps);
    // The first of each compiles what the others find warm, as in a node's engine host.
    await bareMs(request, frames);
    await engineMs(request);
    const bare: number[] = [];
    const engine: number[] = [];
    for (let round = 0; round < ROUNDS; round += 1) {
      bare.push(await bareMs(request, frames));
      engine.push(await engineMs(request));
    }
    const fps = (times: number[]) => Math.round((frames * 10_000) / percentile(times, 0.5)) / 10;
    const ratio = Math.round((percentile(bare, 0.5) / percentile(engine, 0.5)) * 100) / 100;
    return {
      encoder: await chooseEncoder(request.settings),
      frames,
      bareFps: fps(bare),
      engineFps: fps(engine),
      ratio,
    };
  } finally {
    await rm(workspace, { recursive: true, force: true });
  }
}

async function starterRequest(workspace: string): Promise<RenderRequest> {
  const bundleDir = join(packageRoot(), 'templates', 'video', 'title-card');
  const manifest = await readManifest(bundleDir);
  return {
    taskId: 'bench',
    engine: 'lottie',
    bundleDir,
    manifest,
    inputs: engineInputs({ manifest, values: {}, bundleDir, assetPath: () => undefined }),
    output: resolveOutput(manifest, 'youtube-1080p'),
    workspace,
    settings: { ffmpegPath: '', previewMs: 1000, threads: 0 },
  };
}

async function engineMs(request: RenderRequest): Promise<number> {
  const started = performance.now();
  await lottieEngine.render(request, {
    signal: new AbortController().signal,
    onProgress() {},
    onPreview() {},
    onLog() {},
  });
  return performance.now() - started;
}

/** Draw, hand over, draw: no check, no preview, no proof. Loading the animation is not counted. */
async function bareMs(request: RenderRequest, frames: number): Promise<number> {
  const kit = await loadCanvasKit();
  const { width, height } = request.output;
  const { animation } = await prepare(kit, request, () => {});
  const started = performance.now();
  const memory = kit.Malloc(Uint8Array, width * height * 4);
  const info = {
    width,
    height,
    colorType: kit.ColorType.RGBA_8888,
    alphaType: kit.AlphaType.Premul,
    colorSpace: kit.ColorSpace.SRGB,
  };
  const surface = kit.MakeRasterDirectSurface(info, memory, width * 4);
  if (!surface) throw new Error('no surface');
  {
    await using encoder = await openEncoder({
      path: join(request.workspace, 'bare.part'),
      output: request.output,
      width,
      height,
      frames,
      settings: request.settings,
      signal: new AbortController().signal,
    });
    for (let frame = 0; frame < frames; frame += 1) {
      animation.seekFrame(frame);
      surface.getCanvas().clear(kit.BLACK);
      animation.render(surface.getCanvas(), kit.LTRBRect(0, 0, width, height));
      surface.flush();
      const pixels = memory.toTypedArray() as Uint8Array;
      await encoder.write(new Uint8Array(pixels.buffer, pixels.byteOffset, width * height * 4));
    }
    await encoder.finish();
  }
  const elapsed = performance.now() - started;
  surface.delete();
  kit.Free(memory);
  animation.delete();
  return elapsed;
}
