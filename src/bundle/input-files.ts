/** What can be told of a file by its name, its size and its first bytes. */
import type { AssetRef } from '../protocol/jobs.ts';
import type { InputDefinition } from './manifest.ts';

type FileType = 'image' | 'audio' | 'video' | 'font';
type FileInput = Extract<InputDefinition, { type: FileType }>;

/** Extensions whose kind nobody disputes. mp4, webm, ogg and others may carry sound only and are left to the probe. */
const EXTENSIONS: Readonly<Record<string, readonly FileType[]>> = {
  ...kind(['image'], 'png jpg jpeg webp gif bmp tif tiff svg avif heic ico'),
  ...kind(['audio'], 'mp3 wav flac m4a aac opus aif aiff wma oga'),
  ...kind(['audio', 'video'], 'mp4 m4v mov webm mkv ogg avi mpg mpeg ts 3gp wmv'),
  ...kind(['font'], 'ttf otf ttc woff woff2'),
  ...kind([], 'zip exe dll js json txt md pdf doc docx html css yaml yml csv aep psd'),
};

function kind(types: readonly FileType[], names: string): Record<string, readonly FileType[]> {
  return Object.fromEntries(names.split(' ').map((name) => [name, types]));
}

/** Why this file cannot be the input's value as far as name and size tell; null when nothing speaks against it. */
export function fileProblem(definition: FileInput, file: AssetRef): string | null {
  if (file.sizeBytes === 0) return `the file ${JSON.stringify(file.name)} is empty`;
  if (file.sizeBytes > definition.maxBytes) {
    return `the file ${JSON.stringify(file.name)} has ${file.sizeBytes} bytes; at most ${definition.maxBytes} are allowed`;
  }
  const extension = /\.([A-Za-z0-9]+)$/.exec(file.name)?.[1]?.toLowerCase();
  const types = extension === undefined ? undefined : EXTENSIONS[extension];
  if (types && !types.includes(definition.type)) {
    return `must be ${noun(definition.type)}, not the file ${JSON.stringify(file.name)}`;
  }
  return null;
}

/** `an image`, `an audio file`, … */
export function noun(type: FileType): string {
  return { image: 'an image', audio: 'an audio file', video: 'a video file', font: 'a font file' }[type];
}

/** First bytes that say for certain what a file is: offset and text (latin1). */
const MAGIC: readonly (readonly [number, string, readonly FileType[]])[] = [
  [0, '\x89PNG\r\n\x1a\n', ['image']],
  [0, '\xff\xd8\xff', ['image']],
  [0, 'GIF8', ['image']],
  [8, 'WEBP', ['image']],
  [0, 'BM', ['image']],
  [0, 'II*\0', ['image']],
  [0, 'MM\0*', ['image']],
  [0, 'ID3', ['audio']],
  [8, 'WAVE', ['audio']],
  [0, 'fLaC', ['audio']],
  [0, 'OggS', ['audio', 'video']],
  [8, 'AVI ', ['video']],
  [0, '\x1aE\xdf\xa3', ['audio', 'video']],
  [0, '\0\x01\0\0', ['font']],
  [0, 'OTTO', ['font']],
  [0, 'true', ['font']],
  [0, 'ttcf', ['font']],
  [0, 'wOFF', ['font']],
  [0, 'wOF2', ['font']],
  [0, 'PK\x03\x04', []],
  [0, '%PDF', []],
  [0, 'MZ', []],
  [0, '<!DOCTYPE', []],
  [0, '<html', []],
  [0, 'version https://git-lfs', []],
];

/** How many bytes {@link sniff} looks at. */
export const SNIFF_BYTES = 32;

/** What a file's first bytes say it is: its possible kinds, none when it is something else, undefined when unknown. */
export function sniff(head: Uint8Array): readonly FileType[] | undefined {
  const text = Buffer.from(head.buffer, head.byteOffset, Math.min(head.length, SNIFF_BYTES)).toString(
    'latin1',
  );
  // ISO media: mp4, m4a, mov and the image formats built on it.
  if (text.startsWith('ftyp', 4))
    return /^ftyp(avif|heic|mif1|heix)/.test(text.slice(4)) ? ['image'] : ['audio', 'video'];
  return MAGIC.find(([offset, magic]) => text.startsWith(magic, offset))?.[2];
}
