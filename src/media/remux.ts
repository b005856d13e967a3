/** A movie that is already right, in the container that was asked for: copied, not encoded. */

import { FlatrenderError } from '../lib/errors.ts';
import type { OutputSpec } from '../protocol/jobs.ts';
import { type EncoderName, removePart } from './encoder.ts';
import { type MediaSettings, requireFfmpeg, runFfmpeg } from './ffmpeg.ts';
import { MEDIA_FORMATS } from './media-formats.ts';
import { closeMuxer, loadNodeAv, openMedia, requireNodeAv } from './node-av.ts';
import { throwIfAborted } from './transcode.ts';

/**
 * Copies the picture and, if there is one, the sound of a movie into `to`, an mp4 or mov that begins with its index;
 * time codes, chapters and metadata stay behind. Removes `to` when it fails. With node-av, else the machine's
 * ffmpeg: nothing is decoded, and starting a process would take most of the time.
 * Throws MEDIA_INVALID, FFMPEG_FAILED (e.g. a codec that the container does not take), FFMPEG_MISSING, ABORTED.
 */
export async function remux(
  path: string,
  to: string,
  container: Extract<OutputSpec['container'], 'mp4' | 'mov'>,
  settings: MediaSettings,
  signal: AbortSignal,
  name?: EncoderName,
): Promise<void> {
  throwIfAborted(signal);
  try {
    const chosen = name ?? ((await loadNodeAv()) ? 'node-av' : 'ffmpeg');
    if (chosen === 'ffmpeg') await copyWithFfmpeg(path, to, container, settings, signal);
    else await copyWithNodeAv(path, to, container, signal);
  } catch (error) {
    await removePart(to);
    throwIfAborted(signal);
    throw error;
  }
}

async function copyWithFfmpeg(
  path: string,
  to: string,
  container: string,
  settings: MediaSettings,
  signal: AbortSignal,
): Promise<void> {
  const { ffmpeg } = await requireFfmpeg(settings);
  const args = [
    ...[
      '-format_whitelist',
      MEDIA_FORMATS,
      '-i',
      `file:${path}`,
      '-map',
      '0:v:0',
      '-map',
      '0:a:0?',
      '-c',
      'copy',
    ],
    // Without the time code track (tmcd), which the mov muxer would write anew from the metadata.
    ...['-map_metadata', '-1', '-map_chapters', '-1', '-dn', '-write_tmcd', '0'],
    ...['-movflags', '+faststart', '-f', container, `file:${to}`],
  ];
  await runFfmpeg(args, { ffmpeg, signal });
}

async function copyWithNodeAv(
  path: string,
  to: string,
  container: string,
  signal: AbortSignal,
): Promise<void> {
  const av = await requireNodeAv();
  const demuxer = await openMedia(av, path);
  try {
    const [video, audio] = [demuxer.video(), demuxer.audio()];
    if (!video) throw new FlatrenderError('MEDIA_INVALID', `${path} holds no picture`);
    const muxer = await av.Muxer.open(to, {
      format: container,
      options: { movflags: '+faststart', write_tmcd: '0' },
    });
    try {
      const streams = new Map(
        [video, ...(audio ? [audio] : [])].map((one) => [one.index, muxer.addStream(one)]),
      );
      for await (const packet of demuxer.packets()) {
        throwIfAborted(signal);
        if (packet === null) break;
        const stream = streams.get(packet.streamIndex);
        if (stream !== undefined) await muxer.writePacket(packet, stream);
        packet.free();
      }
    } finally {
      await closeMuxer(av, muxer);
    }
  } catch (cause) {
    if (cause instanceof FlatrenderError) throw cause;
    const why = cause instanceof Error ? cause.message : String(cause);
    throw new FlatrenderError('FFMPEG_FAILED', `node-av cannot copy ${path}: ${why}`, { cause });
  } finally {
    await demuxer.close();
  }
}
