/** Where frames go: files of a sequence, or a movie. */
import { closeSync, openSync, rmSync, writeFileSync, writeSync } from 'node:fs';
import { extname, join } from 'node:path';
import { openEncoder } from '../../../src/media/encoder.ts';
import { loadNodeAv } from '../../../src/media/node-av.ts';
import type { OutputModule } from '../output-modules.ts';
import { AviWriter } from './avi.ts';
import { aiff, wav } from './sound.ts';
import type { Stage } from './stage.ts';
import { tiff } from './tiff.ts';

export interface SinkOptions {
  readonly module: OutputModule;
  /** File of a frame, by the number of the frame as displayed. */
  readonly path: (frame: number) => string;
  readonly width: number;
  readonly height: number;
  readonly fps: { readonly num: number; readonly den: number };
  readonly frames: number;
  readonly sound: Int16Array | null;
  /** Directory for what is in the way later. */
  readonly scratchDir: string;
}

/** Takes frames in order. */
export interface Sink {
  /** `share`: how much of the frame's file is written; 1: all. Movies take whole frames only. */
  write(stage: Stage, frame: number, share: number): Promise<void>;
  /** Ends the file. What was written so far can be played, however little. */
  finish(): Promise<void>;
}

/** Opens the output. */
export async function openSink(options: SinkOptions): Promise<Sink> {
  const { module } = options;
  if (module.kind === 'sequence') return sequenceSink(options);
  if (module.kind === 'sound') return soundSink(options);
  const path = options.path(0);
  return module.format === 'AVI' && extname(path).toLowerCase() !== '.mov'
    ? aviSink(path, options)
    : encoderSink(path, options);
}

function sequenceSink({ module, path, width, height }: SinkOptions): Sink {
  return {
    async write(stage, frame, share) {
      const bytes = module.extension === '.tif' ? tiff(stage.pixels(), width, height) : stage.png();
      // In two steps, as programs do: who looks in between finds half a picture.
      const half = bytes.length >> 1;
      const file = openSync(path(frame), 'w');
      writeSync(file, bytes.subarray(0, half));
      if (share === 1) writeSync(file, bytes.subarray(half));
      closeSync(file);
    },
    finish: async () => {},
  };
}

/** A sound module writes one file at the end. A composition without sound gives silence (not compared with a real one). */
function soundSink({ module, path, sound, frames, fps }: SinkOptions): Sink {
  const samples = sound ?? new Int16Array(Math.round((frames * fps.den * 48_000) / fps.num) * 2);
  return {
    write: async () => {},
    finish: async () => writeFileSync(path(0), module.format === 'WAV' ? wav(samples) : aiff(samples)),
  };
}

function aviSink(path: string, options: SinkOptions): Sink {
  const writer = new AviWriter(path, options);
  return {
    write: async (stage) => writer.write(stage.pixels()),
    finish: async () => writer.close(),
  };
}

/** In this process where that is possible: killed, it then leaves no other behind. */
async function encoderSink(path: string, options: SinkOptions): Promise<Sink> {
  const { width, height, fps, frames, sound, scratchDir } = options;
  const soundFile = join(scratchDir, `sound-${process.pid}.wav`);
  if (sound) writeFileSync(soundFile, wav(sound));
  const encoder = await openEncoder(
    {
      path,
      output: {
        container: extname(path).toLowerCase() === '.mp4' ? 'mp4' : 'mov',
        fps: fps.num / fps.den,
        quality: 16,
      },
      width,
      height,
      frames,
      audio: sound ? { path: soundFile } : undefined,
      settings: { ffmpegPath: '', threads: 1 },
      signal: new AbortController().signal,
    },
    (await loadNodeAv()) ? 'node-av' : 'ffmpeg',
  );
  return {
    write: async (stage) => encoder.write(stage.pixels()),
    async finish() {
      await encoder.finish();
      rmSync(soundFile, { force: true });
    },
  };
}
