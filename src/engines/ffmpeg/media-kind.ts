import { open } from 'node:fs/promises';

/** FFmpeg's decoder for a still image. */
export type ImageCodec = 'png' | 'mjpeg' | 'webp' | 'gif' | 'bmp' | 'tiff';

/**
 * What image a file holds by its first bytes; null for no image. FFmpeg itself goes by the file's name, so that a PNG
 * called .jpg, which people do send, would be an error.
 */
export async function imageCodecOf(path: string): Promise<ImageCodec | null> {
  await using file = await open(path);
  const { buffer, bytesRead } = await file.read(Buffer.alloc(16), 0, 16, 0);
  const head = buffer.subarray(0, bytesRead).toString('latin1');
  if (head.startsWith('\x89PNG\r\n\x1a\n')) return 'png';
  if (head.startsWith('\xff\xd8\xff')) return 'mjpeg';
  if (head.startsWith('RIFF') && head.slice(8, 12) === 'WEBP') return 'webp';
  if (head.startsWith('GIF87a') || head.startsWith('GIF89a')) return 'gif';
  if (head.startsWith('BM')) return 'bmp';
  if (head.startsWith('II*\0') || head.startsWith('MM\0*')) return 'tiff';
  return null;
}
