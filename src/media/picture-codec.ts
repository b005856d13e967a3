/** Single pictures, decoded and encoded with node-av. */
import type { Frame } from 'node-av';
import { FlatrenderError } from '../lib/errors.ts';
import type { NodeAv } from './node-av.ts';
import { PICTURE_DECODERS, type PictureKind } from './picture.ts';

/**
 * Decodes one picture; null: it is damaged. The caller frees it. With a decoder of its own: that of FFmpeg 8 for PNG
 * adds the first row to the last one of the picture before (seen with node-av 6.1.1).
 */
export function decodePicture(av: NodeAv, kind: PictureKind, bytes: Buffer): Frame | null {
  const codec = av.Codec.findDecoderByName(PICTURE_DECODERS[kind] as never);
  const decoder = new av.CodecContext();
  const packet = new av.Packet();
  const frame = new av.Frame();
  try {
    decoder.allocContext3(codec);
    // Frame threads would give the picture with a later one.
    decoder.threadCount = 1;
    if (kind !== 'tiff') decoder.setOption('err_detect', 'explode');
    if (codec === null || decoder.open2Sync(codec, null) < 0)
      throw new FlatrenderError('FFMPEG_FAILED', `node-av cannot open its decoder for ${kind}`);
    packet.alloc();
    frame.alloc();
    packet.data = bytes;
    if (decoder.sendPacketSync(packet) === 0 && decoder.receiveFrameSync(frame) === 0) return frame;
  } finally {
    packet.free();
    decoder.freeContext();
  }
  frame.free();
  return null;
}

/** Encodes one picture, in a pixel format that the codec takes. `quality`: of JPEG, 2 (best) to 31. */
export function encodePicture(av: NodeAv, frame: Frame, codec: 'png' | 'mjpeg', quality = 2): Buffer {
  const encoder = new av.CodecContext();
  try {
    const found = av.Codec.findEncoderByName(codec as never);
    if (!found) throw new FlatrenderError('FFMPEG_FAILED', `node-av has no encoder ${codec}`);
    encoder.allocContext3(found);
    encoder.width = frame.width;
    encoder.height = frame.height;
    encoder.pixelFormat = frame.format as never;
    encoder.timeBase = new av.Rational(1, 25);
    encoder.threadCount = 1;
    if (codec === 'mjpeg') {
      // The libraries take the quality from the frame, in units of FF_QP2LAMBDA (118), with the flag QSCALE.
      encoder.setFlags(av.AV_CODEC_FLAG_QSCALE);
      encoder.globalQuality = quality * 118;
      frame.quality = quality * 118;
    }
    frame.pts = 0n;
    const packet = new av.Packet();
    packet.alloc();
    try {
      const result =
        encoder.open2Sync(found, null) || encoder.sendFrameSync(frame) || encoder.receivePacketSync(packet);
      if (result < 0 || !packet.data)
        throw new FlatrenderError('FFMPEG_FAILED', `node-av cannot encode a picture (${result})`);
      return Buffer.from(packet.data);
    } finally {
      packet.free();
    }
  } finally {
    encoder.freeContext();
  }
}
