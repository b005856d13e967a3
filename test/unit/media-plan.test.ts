import assert from 'node:assert/strict';
import { test } from 'node:test';
import { encodedSize } from '../../src/media/encoder.ts';
import { ffmpegEncoderArgs } from '../../src/media/encoder-ffmpeg.ts';
import { fpsFraction, planEncoding } from '../../src/media/encoding-plan.ts';
import { MEDIA_FORMATS } from '../../src/media/media-formats.ts';

test('frame rates become the fractions that the field uses', () => {
  const fractions = [25, 30, 29.97, 29.9700012207031, 23.976, 59.94, 12.5, 15.123].map((fps) => {
    const { num, den } = fpsFraction(fps);
    return `${num}/${den}`;
  });
  assert.deepEqual(fractions, [
    '25/1',
    '30/1',
    '30000/1001',
    '30000/1001',
    '24000/1001',
    '60000/1001',
    '12500/1000',
    '15123/1000',
  ]);
});

test('odd sizes are rounded up where the colour format needs it', () => {
  const size = (container: 'mp4' | 'webm' | 'gif' | 'png') =>
    Object.values(encodedSize({ container, width: 161, height: 90 }));
  assert.deepEqual(
    [size('mp4'), size('webm'), size('gif'), size('png')],
    [
      [162, 90],
      [162, 90],
      [161, 90],
      [161, 90],
    ],
  );
});

const options = (container: 'mp4' | 'gif' | 'webm') => ({
  path: '/tmp/a b.part',
  output: { container, fps: 29.97, quality: 18 },
  width: 64,
  height: 32,
  frames: 60,
  settings: { ffmpegPath: '', threads: 2 },
  signal: new AbortController().signal,
});

test('ffmpeg is told everything about an mp4 with sound', () => {
  const given = { ...options('mp4'), audio: { path: '/in/-odd name.mp3' } };
  const yuv =
    'scale=out_color_matrix=bt709:out_range=tv:flags=bicubic+accurate_rnd+full_chroma_int,format=yuv420p,' +
    'setparams=color_primaries=bt709:color_trc=bt709:colorspace=bt709:range=tv';
  const sound =
    'aresample=48000,aformat=channel_layouts=stereo,apad=whole_dur=2.002,atrim=end=2.002,aformat=sample_fmts=fltp';
  assert.deepEqual(ffmpegEncoderArgs(given, planEncoding(given)), [
    ...[
      '-f',
      'rawvideo',
      '-pix_fmt',
      'rgb0',
      '-video_size',
      '64x32',
      '-framerate',
      '30000/1001',
      '-i',
      'pipe:0',
    ],
    ...['-err_detect', 'explode', '-format_whitelist', MEDIA_FORMATS, '-i', 'file:/in/-odd name.mp3'],
    ...['-filter_complex', `[0:v]${yuv}[v];[1:a:0]${sound}[a]`, '-map', '[v]', '-map', '[a]'],
    ...['-c:v', 'libx264', '-preset', 'veryfast', '-crf', '18'],
    ...['-color_primaries', 'bt709', '-color_trc', 'bt709', '-colorspace', 'bt709', '-color_range', 'tv'],
    ...['-c:a', 'aac', '-b:a', '192000', '-threads', '2', '-map_metadata', '-1', '-fps_mode', 'passthrough'],
    ...['-movflags', '+faststart', '-f', 'mp4', 'file:/tmp/a b.part'],
  ]);
});

test('a gif has no sound, and one palette only while its frames fit in memory', () => {
  const small = planEncoding(options('gif'));
  assert.equal(small.audio, null);
  assert.match(small.video.filter, /stats_mode=full/);
  const large = planEncoding({ ...options('gif'), width: 4000, height: 4000 });
  assert.match(large.video.filter, /stats_mode=single.*new=1$/);
});

test('vp9 is told that its quality is no limit of the bit rate', () => {
  const given = options('webm');
  const args = ffmpegEncoderArgs(given, planEncoding(given));
  assert.equal(args[args.indexOf('-b:v') + 1], '0');
});
