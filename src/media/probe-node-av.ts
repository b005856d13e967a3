/** Probing with node-av, where there is no ffprobe. */
import type { Decoder, Demuxer, Packet, Stream } from 'node-av';
import { FlatrenderError } from '../lib/errors.ts';
import { type NodeAv, openMedia, requireNodeAv } from './node-av.ts';
import { containerName, type MediaInfo } from './probe.ts';

/** Probes a file. Throws MEDIA_INVALID with FFmpeg's reason, FFMPEG_MISSING without node-av. */
export async function probeWithNodeAv(
  path: string,
  signal?: AbortSignal,
): Promise<Omit<MediaInfo, 'sizeBytes'>> {
  const av = await requireNodeAv();
  const demuxer = await openMedia(av, path);
  try {
    const stream = mainStream(av, demuxer);
    if (!stream) throw invalid(path, 'it holds neither picture nor sound');
    return await readAll(av, demuxer, stream, signal);
  } finally {
    await demuxer.close();
  }
}

/** The picture, if there is one that is not the cover of a record; else the sound. */
function mainStream(av: NodeAv, demuxer: Demuxer): Stream | undefined {
  const ofType = (type: number) => demuxer.streams.filter(({ codecpar }) => codecpar.codecType === type);
  const pictures = ofType(av.AVMEDIA_TYPE_VIDEO).filter(
    ({ disposition }) => (disposition & av.AV_DISPOSITION_ATTACHED_PIC) === 0,
  );
  return pictures[0] ?? ofType(av.AVMEDIA_TYPE_AUDIO)[0];
}

async function readAll(
  av: NodeAv,
  demuxer: Demuxer,
  stream: Stream,
  signal: AbortSignal | undefined,
): Promise<Omit<MediaInfo, 'sizeBytes'>> {
  const isVideo = stream.codecpar.codecType === av.AVMEDIA_TYPE_VIDEO;
  const damage: string[] = [];
  const seconds = stream.timeBase.num / stream.timeBase.den;
  let [count, end] = [0, 0];
  using keyFrames = isVideo
    ? await av.Decoder.create(stream, {
        exitOnError: true,
        // Frame threads would report an error with a later frame.
        threadCount: 1,
        configure: (context) => void context.setOption('err_detect', 'explode'),
      })
    : undefined;
  for await (const packet of demuxer.packets(stream.index)) {
    signal?.throwIfAborted();
    if (packet === null) break;
    if ((packet.flags & av.AV_PKT_FLAG_CORRUPT) !== 0) damage.push('a packet is cut off');
    else count += 1;
    const time = Number(packet.pts === av.AV_NOPTS_VALUE ? packet.dts : packet.pts);
    const packetEnd = (time + Number(packet.duration)) * seconds;
    if (Number.isFinite(packetEnd)) end = Math.max(end, packetEnd);
    if (keyFrames && packet.isKeyframe && damage.length < 20)
      damage.push(...(await tryDecode(keyFrames, packet)));
    packet.free();
  }
  const codec = av.avGetCodecName(stream.codecpar.codecId) ?? 'unknown';
  const brand = demuxer.getFormatContext().metadata?.get('major_brand') ?? '';
  return {
    container: containerName(demuxer.formatName, codec, brand),
    codec,
    width: isVideo ? stream.codecpar.width : 0,
    height: isVideo ? stream.codecpar.height : 0,
    frames: isVideo ? count : 0,
    durationMs: Math.round(end * 1000),
    hasAudio: demuxer.streams.some(({ codecpar }) => codecpar.codecType === av.AVMEDIA_TYPE_AUDIO),
    damage,
  };
}

/** Decodes one key frame; returns what is wrong with it. */
async function tryDecode(decoder: Decoder, packet: Packet): Promise<string[]> {
  try {
    for (const frame of await decoder.decodeAll(packet)) frame.free();
    return [];
  } catch (error) {
    return [messageOf(error)];
  }
}

function invalid(path: string, why: string): FlatrenderError {
  return new FlatrenderError('MEDIA_INVALID', `${path} is not a media file that can be read: ${why}`);
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
