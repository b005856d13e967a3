/** Encoding in this process with node-av: no ffmpeg on the machine is needed. */
import { setImmediate as nextTurn } from 'node:timers/promises';
import type { Encoder, FilterAPI, Frame, Muxer } from 'node-av';
import { FlatrenderError } from '../lib/errors.ts';
import { type EncoderOptions, type FrameEncoder, removePart } from './encoder.ts';
import type { EncodingPlan } from './encoding-plan.ts';
import { closeMuxer, type NodeAv, requireNodeAv } from './node-av.ts';
import { type AudioTrack, openAudioTrack } from './node-av-audio.ts';

/** Opens the file and its codecs. Throws FFMPEG_MISSING, FFMPEG_FAILED, MEDIA_INVALID. */
export async function openNodeAvEncoder(options: EncoderOptions, plan: EncodingPlan): Promise<FrameEncoder> {
  const av = await requireNodeAv();
  await using cleanup = new AsyncDisposableStack();
  try {
    const video = await openVideo(av, options, plan);
    cleanup.defer(() => video.close());
    const filter = av.FilterAPI.create(plan.video.filter, {});
    cleanup.defer(() => filter.close());
    const muxer = await av.Muxer.open(options.path, {
      format: plan.format,
      options: { ...plan.formatOptions },
    });
    cleanup.defer(() => closeMuxer(av, muxer));
    const audio =
      options.audio && plan.audio ? await openAudioTrack(av, options.audio.path, plan.audio) : undefined;
    if (audio) cleanup.defer(() => audio.close());
    const stream = muxer.addStream(video);
    const audioStream = audio ? muxer.addStream(audio.encoder) : -1;
    const encoder = new NodeAvEncoder(
      av,
      { video, filter, muxer, audio, stream, audioStream },
      options,
      plan,
    );
    cleanup.move();
    return encoder;
  } catch (cause) {
    throw cause instanceof FlatrenderError ? cause : failure('cannot open the encoder', cause);
  }
}

function openVideo(av: NodeAv, options: EncoderOptions, plan: EncodingPlan): Promise<Encoder> {
  const { codec, options: codecOptions } = plan.video;
  return av.Encoder.create(av.Codec.findEncoderByName(codec as never) ?? (codec as never), {
    // 0: the default of 1 Mbit/s would be an upper limit for VP9, whatever the quality.
    bitrate: 0,
    threadCount: options.settings.threads,
    configure(context) {
      for (const [name, value] of Object.entries(codecOptions)) {
        if (context.setOption(name, value) < 0) throw new Error(`${codec} has no option ${name}=${value}`);
      }
    },
  });
}

interface Parts {
  readonly video: Encoder;
  readonly filter: FilterAPI;
  readonly muxer: Muxer;
  readonly audio: AudioTrack | undefined;
  readonly stream: number;
  readonly audioStream: number;
}

/**
 * Calls node-av synchronously: per frame that is the conversion and handing it over, while x264 and VP9 encode in their
 * own threads. Measured on 2 cores at 1080p: 105–111 fps; its promises give 67–100 fps, and with frames in flight 62–94,
 * because every step goes through the thread pool that the codec's threads then compete with.
 */
class NodeAvEncoder implements FrameEncoder {
  readonly name = 'node-av';
  readonly #av: NodeAv;
  readonly #parts: Parts;
  readonly #options: EncoderOptions;
  readonly #plan: EncodingPlan;
  #count = 0;
  #isFinished = false;
  #isClosed = false;

  constructor(av: NodeAv, parts: Parts, options: EncoderOptions, plan: EncodingPlan) {
    this.#av = av;
    this.#parts = parts;
    this.#options = options;
    this.#plan = plan;
  }

  async write(pixels: Uint8Array): Promise<void> {
    const { signal, width, height } = this.#options;
    signal.throwIfAborted();
    const { fps } = this.#plan;
    try {
      await this.#writeAudio();
      const buffer = Buffer.from(pixels.buffer, pixels.byteOffset, pixels.byteLength);
      const frame = this.#av.Frame.fromVideoBuffer(buffer, {
        width,
        height,
        format: this.#av.AV_PIX_FMT_RGB0,
        timeBase: new this.#av.Rational(fps.den, fps.num),
        pts: BigInt(this.#count),
      });
      frame.duration = 1n;
      const converted = this.#parts.filter.processAllSync(frame);
      frame.free();
      this.#count += 1;
      this.#encode(converted);
    } catch (cause) {
      throw cause instanceof FlatrenderError ? cause : failure(`cannot encode frame ${this.#count}`, cause);
    }
    // Timers, messages and the abort get their turn between two frames.
    await nextTurn();
  }

  async finish(): Promise<void> {
    this.#options.signal.throwIfAborted();
    const { filter, video, muxer, audio, audioStream, stream } = this.#parts;
    try {
      filter.flushSync();
      for (const frame of filter.flushFramesSync()) this.#encode([frame]);
      video.flushSync();
      for (const packet of video.flushPacketsSync()) {
        muxer.writePacketSync(packet, stream);
        packet.free();
      }
      await audio?.writeRest(muxer, audioStream);
      this.#isClosed = true;
      await closeMuxer(this.#av, muxer);
      this.#close();
    } catch (cause) {
      throw cause instanceof FlatrenderError ? cause : failure('cannot end the file', cause);
    }
    this.#isFinished = true;
  }

  #encode(frames: readonly Frame[]): void {
    const { video, muxer, stream } = this.#parts;
    for (const frame of frames) {
      const packets = video.encodeAllSync(frame);
      frame.free();
      for (const packet of packets) {
        muxer.writePacketSync(packet, stream);
        packet.free();
      }
    }
  }

  /** Sound goes in a little ahead of the picture, so that the file stays interleaved. */
  async #writeAudio(): Promise<void> {
    const { audio, muxer, audioStream } = this.#parts;
    const { num, den } = this.#plan.fps;
    await audio?.writeUntil(((this.#count + 1) * den) / num + 0.5, muxer, audioStream);
  }

  #close(): void {
    this.#parts.audio?.close();
    this.#parts.filter.close();
    this.#parts.video.close();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#isFinished) return;
    if (!this.#isClosed) await closeMuxer(this.#av, this.#parts.muxer).catch(() => {}); // the file goes anyway
    this.#close();
    await removePart(this.#options.path);
  }
}

function failure(what: string, cause: unknown): FlatrenderError {
  const why = cause instanceof Error ? cause.message : String(cause);
  return new FlatrenderError('FFMPEG_FAILED', `node-av ${what}: ${why}`, { cause });
}
