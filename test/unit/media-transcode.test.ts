import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test } from 'node:test';
import { MEDIA_FORMATS } from '../../src/media/media-formats.ts';
import { planPicture, type SourcePicture } from '../../src/media/picture-plan.ts';
import { framePath, type SequenceSource, type TranscodeOptions } from '../../src/media/transcode.ts';
import { transcodeArgs } from '../../src/media/transcode-ffmpeg.ts';

const picture: SourcePicture = {
  ...{ kind: 'png', width: 64, height: 36, hasAlpha: false, isUntagged: false, hasAudio: false },
};
const sequence: SequenceSource = {
  ...{ kind: 'sequence', directory: join('/work', '50%'), prefix: 'f_', digits: 5, start: 7, count: 60 },
  ...{ extension: 'png', fps: 30 },
};
const options: TranscodeOptions = {
  ...{ source: sequence, audio: '/in/a.wav', frames: 50, path: '/out/a.part' },
  output: {
    ...{ container: 'mp4', width: 64, height: 36, fps: 25, quality: 18, fit: 'contain' },
    background: '#102030',
  },
  settings: { ffmpegPath: '', threads: 2 },
  signal: new AbortController().signal,
};

test('ffmpeg is told everything about a sequence with sound', () => {
  const args = transcodeArgs(options, picture, planPicture(options, picture));
  const video =
    '[0:v:0]trim=end_frame=60,fps=fps=25/1:start_time=0,tpad=stop=-1:stop_mode=clone,trim=end_frame=50,setsar=1,' +
    'scale=out_color_matrix=bt709:out_range=tv:flags=bicubic+accurate_rnd+full_chroma_int,format=yuv420p,' +
    'setparams=color_primaries=bt709:color_trc=bt709:colorspace=bt709:range=tv[v]';
  const sound =
    '[1:a:0]aresample=48000,aformat=channel_layouts=stereo,apad=whole_dur=2,atrim=end=2,aformat=sample_fmts=fltp[a]';
  const pattern = `file:${join('/work', '50%%', 'f_')}%05d.png`;
  assert.deepEqual(args, [
    ...['-f', 'image2', '-pattern_type', 'sequence', '-framerate', '30/1', '-start_number', '7'],
    ...['-start_number_range', '1', '-c:v', 'png', '-err_detect', 'explode', '-i', pattern],
    ...['-err_detect', 'explode', '-format_whitelist', MEDIA_FORMATS, '-i', 'file:/in/a.wav'],
    ...[
      '-filter_complex',
      `${video};${sound}`,
      '-map',
      '[v]',
      '-map',
      '[a]',
      '-map_chapters',
      '-1',
      '-dn',
      '-sn',
    ],
    ...['-c:v', 'libx264', '-preset', 'veryfast', '-crf', '18'],
    ...['-color_primaries', 'bt709', '-color_trc', 'bt709', '-colorspace', 'bt709', '-color_range', 'tv'],
    ...['-c:a', 'aac', '-b:a', '192000', '-threads', '2', '-map_metadata', '-1', '-fps_mode', 'passthrough'],
    ...['-movflags', '+faststart', '-f', 'mp4', 'file:/out/a.part'],
  ]);
});

test('frames of the right rate and size go through untouched', () => {
  const output = { ...options.output, fps: 30 };
  const { filter } = planPicture({ ...options, output }, picture);
  assert.equal(filter, 'trim=end_frame=60,tpad=stop=-1:stop_mode=clone,trim=end_frame=50,setsar=1');
});

test('what is transparent is laid over the background before it is scaled', () => {
  const source = { kind: 'movie', path: '/in/a.mov' } as const;
  const { filter } = planPicture({ ...options, source }, { ...picture, width: 40, hasAlpha: true });
  const places = [
    'fps=',
    'lutrgb=r=16:g=32:b=48',
    'overlay',
    'scale=64:36',
    'pad=64:36:-1:-1:color=0x102030',
  ];
  const found = places.map((place) => filter.indexOf(place));
  assert.ok(!found.includes(-1), filter);
  assert.deepEqual(
    found,
    found.toSorted((a, b) => a - b),
  );
});

test('frames are named by their numbers', () => {
  assert.equal(framePath(sequence, 12), join('/work', '50%', 'f_00012.png'));
  assert.equal(framePath({ ...sequence, digits: 1 }, 123_456), join('/work', '50%', 'f_123456.png'));
});
