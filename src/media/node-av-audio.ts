/** A sound track for node-av: decoded from a file, cut or padded to the picture, encoded. */
import type { Decoder, Demuxer, Encoder, FilterAPI, Frame, Muxer, Packet } from 'node-av';
import { FlatrenderError } from '../lib/errors.ts';
import type { EncodingPlan } from './encoding-plan.ts';
import { type NodeAv, openMedia } from './node-av.ts';

type AudioPlan = NonNullable<EncodingPlan['audio']>;

/** Opens the first audio stream of a file. Throws MEDIA_INVALID when there is none. */
export async function openAudioTrack(av: NodeAv, path: string, plan: AudioPlan): Promise<AudioTrack> {
  const demuxer = await openMedia(av, path);
  const stream = demuxer.audio();
  if (!stream) {
    await demuxer.close();
    throw new FlatrenderError('MEDIA_INVALID', `${path} has no sound`);
  }
  const decoder = await av.Decoder.create(stream, {
    exitOnError: true,
    configure: (context) => void context.setOption('err_detect', 'explode'),
  });
  const filter = av.FilterAPI.create(plan.filter, {});
  const encoder = await av.Encoder.create(
    av.Codec.findEncoderByName(plan.codec as never) ?? (plan.codec as never),
    {
      bitrate: plan.bitRate,
    },
  );
  return new AudioTrack(path, { demuxer, decoder, filter, encoder }, stream.index, plan.seconds);
}

interface Parts {
  readonly demuxer: Demuxer;
  readonly decoder: Decoder;
  readonly filter: FilterAPI;
  readonly encoder: Encoder;
}

/** Writes sound up to a time, so that it can keep step with the picture. */
export class AudioTrack {
  readonly encoder: Encoder;
  readonly #path: string;
  readonly #parts: Parts;
  readonly #packets: AsyncGenerator<Packet | null>;
  readonly #endSeconds: number;
  #seconds = 0;
  #hasEnded = false;

  constructor(path: string, parts: Parts, stream: number, endSeconds: number) {
    this.#path = path;
    this.#endSeconds = endSeconds;
    this.#parts = parts;
    this.encoder = parts.encoder;
    this.#packets = parts.demuxer.packets(stream);
  }

  /** Writes what lies before `seconds`. Throws MEDIA_INVALID for sound that cannot be decoded. */
  async writeUntil(seconds: number, muxer: Muxer, stream: number): Promise<void> {
    while (!this.#hasEnded && this.#seconds < seconds) {
      const { value: packet, done } = await this.#packets.next();
      if (done || packet === null) {
        await this.#end(muxer, stream);
        return;
      }
      let frames: Frame[];
      try {
        frames = await this.#parts.decoder.decodeAll(packet);
      } catch (cause) {
        throw broken(this.#path, cause);
      } finally {
        packet.free();
      }
      for (const frame of frames) {
        if (this.#hasEnded) frame.free();
        else await this.#filter(frame, muxer, stream);
      }
    }
  }

  /** Writes the rest and ends the stream. */
  async writeRest(muxer: Muxer, stream: number): Promise<void> {
    await this.writeUntil(Number.POSITIVE_INFINITY, muxer, stream);
    for (const packet of await this.encoder.encodeAll(null)) await write(packet, muxer, stream);
  }

  close(): void {
    this.#hasEnded = true;
    this.#parts.encoder.close();
    this.#parts.filter.close();
    this.#parts.decoder.close();
    this.#parts.demuxer.closeSync();
  }

  /** The source is at its end. */
  async #end(muxer: Muxer, stream: number): Promise<void> {
    for (const frame of await this.#parts.decoder.decodeAll(null)) {
      if (this.#hasEnded) frame.free();
      else await this.#filter(frame, muxer, stream);
    }
    if (!this.#hasEnded) await this.#flush(muxer, stream);
  }

  async #flush(muxer: Muxer, stream: number): Promise<void> {
    this.#hasEnded = true;
    await this.#parts.filter.flush();
    for await (const frame of this.#parts.filter.flushFrames()) await this.#encode(frame, muxer, stream);
  }

  async #filter(frame: Frame, muxer: Muxer, stream: number): Promise<void> {
    const seconds =
      Number(frame.pts) * (frame.timeBase.num / frame.timeBase.den) + frame.nbSamples / frame.sampleRate;
    if (Number.isFinite(seconds)) this.#seconds = seconds;
    const filtered = await this.#parts.filter.processAll(frame);
    frame.free();
    for (const part of filtered) await this.#encode(part, muxer, stream);
    // The filter that cuts at the end of the picture takes nothing after it.
    if (this.#seconds >= this.#endSeconds) await this.#flush(muxer, stream);
  }

  async #encode(frame: Frame, muxer: Muxer, stream: number): Promise<void> {
    const packets = await this.encoder.encodeAll(frame);
    frame.free();
    for (const packet of packets) await write(packet, muxer, stream);
  }
}

async function write(packet: Packet, muxer: Muxer, stream: number): Promise<void> {
  await muxer.writePacket(packet, stream);
  packet.free();
}

function broken(path: string, cause: unknown): FlatrenderError {
  const why = cause instanceof Error ? cause.message : String(cause);
  return new FlatrenderError('MEDIA_INVALID', `the sound of ${path} cannot be decoded: ${why}`, { cause });
}
