/** Probing with the machine's ffprobe. */
import { FlatrenderError } from '../lib/errors.ts';
import { run } from '../lib/exec.ts';
import { MEDIA_FORMATS } from './media-formats.ts';
import { containerName, type MediaInfo } from './probe.ts';

type Fields = ReadonlyMap<string, string>;

/** Key frames decoded, all packets listed, one `key=value` line for each thing. */
const ARGS = [
  ...[
    '-v',
    'level+error',
    '-skip_frame',
    'nokey',
    '-count_frames',
    '-show_packets',
    '-show_streams',
    '-show_format',
  ],
  '-show_entries',
  'packet=stream_index,pts_time,duration_time,flags:stream=index,codec_type,codec_name,width,height,nb_read_frames,duration:stream_disposition=attached_pic:format=format_name:format_tags=major_brand',
  ...['-of', 'compact=p=1:nk=0', '-format_whitelist', MEDIA_FORMATS],
];

/** Probes a file. Throws MEDIA_INVALID with ffprobe's reason. */
export async function probeWithFfprobe(
  ffprobe: string,
  path: string,
  signal?: AbortSignal,
): Promise<Omit<MediaInfo, 'sizeBytes'>> {
  const tally = new Tally();
  const damage: string[] = [];
  const { exitCode, stderr } = await run(ffprobe, [...ARGS, `file:${path}`], {
    anyExitCode: true,
    // A packet is a line: a day of video would not be kept.
    maxOutput: 65_536,
    signal,
    onLine(line, stream) {
      if (stream === 'stdout') tally.take(line);
      else if (line.trim() !== '' && damage.length < 20)
        damage.push(line.replace(/^\[[^\]]*@ [^\]]*\] /, '').replace(/^\[error\] /, ''));
    },
  });
  if (exitCode !== 0 || !tally.stream()) {
    const why =
      stderr
        .trim()
        .split('\n')
        .at(-1)
        ?.replace(/^\[error\] /, '') || 'it holds neither picture nor sound';
    throw new FlatrenderError('MEDIA_INVALID', `${path} is not a media file that can be read: ${why}`);
  }
  return { ...tally.result(), damage };
}

/** Counts packets per stream as ffprobe lists them. */
class Tally {
  readonly #packets = new Map<string, { count: number; end: number; corrupt: number }>();
  readonly #streams: Fields[] = [];
  #format: Fields = new Map();

  take(line: string): void {
    const [kind, ...pairs] = line.split('|');
    const fields = new Map(
      pairs.map((pair) => [pair.slice(0, pair.indexOf('=')), pair.slice(pair.indexOf('=') + 1)]),
    );
    if (kind === 'stream') this.#streams.push(fields);
    else if (kind === 'format') this.#format = fields;
    else if (kind === 'packet') this.#count(fields);
  }

  #count(packet: Fields): void {
    const index = packet.get('stream_index') ?? '';
    const known = this.#packets.get(index) ?? { count: 0, end: 0, corrupt: 0 };
    const end = Number(packet.get('pts_time')) + (Number(packet.get('duration_time')) || 0);
    this.#packets.set(index, {
      count: known.count + 1,
      end: Number.isFinite(end) ? Math.max(known.end, end) : known.end,
      corrupt: known.corrupt + (packet.get('flags')?.includes('C') ? 1 : 0),
    });
  }

  /** The picture, if there is one that is not the cover of a record; else the sound. */
  stream(): Fields | undefined {
    const of = (type: string) =>
      this.#streams.find(
        (fields) => fields.get('codec_type') === type && fields.get('disposition:attached_pic') !== '1',
      );
    return of('video') ?? of('audio');
  }

  result(): Omit<MediaInfo, 'sizeBytes' | 'damage'> {
    const stream = this.stream();
    const packets = this.#packets.get(stream?.get('index') ?? '');
    const isVideo = stream?.get('codec_type') === 'video';
    const codec = stream?.get('codec_name') ?? 'unknown';
    return {
      container: containerName(
        this.#format.get('format_name') ?? '',
        codec,
        this.#format.get('tag:major_brand') ?? '',
      ),
      codec,
      width: isVideo ? Number(stream?.get('width')) || 0 : 0,
      height: isVideo ? Number(stream?.get('height')) || 0 : 0,
      frames: isVideo ? (packets?.count ?? 0) - (packets?.corrupt ?? 0) : 0,
      durationMs: Math.round((packets?.end ?? 0) * 1000),
      hasAudio: this.#streams.some((fields) => fields.get('codec_type') === 'audio'),
    };
  }
}
