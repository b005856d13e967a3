/** What After Effects would know of a file that it imports. */
import { spawnSync } from 'node:child_process';
import { closeSync, openSync, readSync } from 'node:fs';

export interface Media {
  /** 0: sound alone. */
  readonly width: number;
  readonly height: number;
  /** Seconds; 0: a still. */
  readonly duration: number;
  readonly hasAudio: boolean;
}

/** Reads the head of a PNG, and asks ffprobe about the rest. null: nothing that can be imported. */
export function probeMedia(path: string): Media | null {
  return probePng(path) ?? probeOther(path);
}

function probePng(path: string): Media | null {
  const head = Buffer.alloc(24);
  const file = openSync(path, 'r');
  try {
    if (readSync(file, head) < 24 || head.toString('latin1', 1, 4) !== 'PNG') return null;
  } finally {
    closeSync(file);
  }
  return { width: head.readUInt32BE(16), height: head.readUInt32BE(20), duration: 0, hasAudio: false };
}

/** Containers of one picture. */
const STILLS = /image2|_pipe|^gif$|^tiff/;

function probeOther(path: string): Media | null {
  const entries = 'format=format_name,duration:stream=codec_type,width,height';
  const { stdout } = spawnSync('ffprobe', ['-v', 'quiet', '-of', 'json', '-show_entries', entries, path], {
    encoding: 'utf8',
  });
  const { format, streams = [] } = JSON.parse(stdout || '{}') as {
    format?: { format_name?: string; duration?: string };
    streams?: { codec_type?: string; width?: number; height?: number }[];
  };
  const video = streams.find(({ codec_type }) => codec_type === 'video');
  const hasAudio = streams.some(({ codec_type }) => codec_type === 'audio');
  // Of what has only the name of a picture, ffprobe knows no size.
  if (!format || (video && !video.width) || (!video && !hasAudio)) return null;
  const isStill = STILLS.test(format.format_name ?? '');
  return {
    width: video?.width ?? 0,
    height: video?.height ?? 0,
    duration: isStill ? 0 : Number(format.duration ?? 0),
    hasAudio,
  };
}
