/** What a picture file is, as far as that shows without decoding it. */

/** What a whole picture file says of itself. */
export interface Picture {
  readonly kind: PictureKind;
  readonly width: number;
  readonly height: number;
  /** Whether it can have transparent places. */
  readonly hasAlpha: boolean;
}

export type PictureKind = 'png' | 'jpeg' | 'tiff' | 'psd';

/** FFmpeg's decoders of the kinds. */
export const PICTURE_DECODERS: Readonly<Record<PictureKind, string>> = {
  png: 'png',
  jpeg: 'mjpeg',
  tiff: 'tiff',
  psd: 'psd',
};

/** What stands in a file, or a sentence's end on what is wrong with it: `is cut off …`. */
export type PictureReading = Picture | { readonly fault: string };

/** The fault of a file whose end is missing. */
export function cutOff(bytes: Buffer): { readonly fault: string } {
  return { fault: `is cut off after ${bytes.length} bytes` };
}
