/** Which files are media at all. */

/**
 * What counts as media, by FFmpeg's names of its demuxers. Others are refused: a playlist or an edit list makes FFmpeg
 * open whatever it names, and any text is a "tty" video.
 */
export const MEDIA_FORMATS =
  'mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,avi,mpegts,mpeg,gif,png_pipe,jpeg_pipe,webp_pipe,image2,mp3,wav,w64,flac,ogg,aac,ac3,aiff,caf,asf';

/** True for a demuxer (one of the names it goes by) that {@link MEDIA_FORMATS} lists. */
export function isMediaFormat(formatName: string): boolean {
  const allowed = new Set(MEDIA_FORMATS.split(','));
  return formatName.split(',').some((name) => allowed.has(name));
}
