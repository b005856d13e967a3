import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { buildArgs, buildGraph, type RenderPlan } from '../../src/engines/ffmpeg/build-args.ts';
import { isTooOld } from '../../src/engines/ffmpeg/ffmpeg-engine.ts';
import { fillGraph, type GraphValues } from '../../src/engines/ffmpeg/fill-graph.ts';
import { escapeFilterPath, escapeFilterValue, filterNumber } from '../../src/engines/ffmpeg/filter-escape.ts';
import { parseFilterGraph } from '../../src/engines/ffmpeg/filter-syntax.ts';
import { checkGraph } from '../../src/engines/ffmpeg/graph-policy.ts';
import { FlatrenderError } from '../../src/lib/errors.ts';
import { run } from '../../src/lib/exec.ts';
import { planEncoding } from '../../src/media/encoding-plan.ts';
import { findFfmpeg } from '../../src/media/ffmpeg.ts';

const tools = await findFfmpeg('');
const skip = tools ? false : 'needs ffmpeg and ffprobe: apt-get install ffmpeg';

const output: RenderPlan['output'] = {
  name: 'original',
  container: 'mp4',
  width: 320,
  height: 180,
  fps: 25,
  durationSeconds: 2,
  durationFrom: null,
  atSeconds: null,
  fit: 'contain',
  background: '#102030',
  quality: 18,
};

const plan: RenderPlan = {
  sources: [
    { kind: 'media', path: '/w/a b.mp3', loop: false },
    { kind: 'image', path: '/w/100%.jpg', codec: 'png', loop: true },
    { kind: 'lavfi', graph: 'color=red:s=320x180' },
  ],
  graph: '[1:v][2:v]overlay[video]',
  video: '[video]',
  audio: '0:a',
  output,
  width: 320,
  height: 180,
  frames: 50,
  threads: 2,
  path: '/w/output.mp4.part',
  previewPath: '/w/preview.jpg',
};

test('the whole command of a video', () => {
  const encoding = planEncoding(plan);
  assert.deepEqual(buildArgs(plan), [
    '-filter_complex_threads',
    '2',
    '-protocol_whitelist',
    'file',
    '-format_whitelist',
    'mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,avi,mpegts,mpeg,flv,asf,gif,mp3,wav,w64,flac,ogg,aac,aiff,caf,amr,ac3,eac3,wv,tta',
    '-err_detect',
    'explode',
    '-i',
    'file:/w/a b.mp3',
    ...['-f', 'image2', '-pattern_type', 'none', '-framerate', '25', '-loop', '1', '-c:v', 'png'],
    ...['-err_detect', 'explode', '-i', 'file:/w/100%.jpg'],
    ...['-f', 'lavfi', '-i', 'color=red:s=320x180'],
    '-filter_complex',
    [
      '[1:v][2:v]overlay[video]',
      '[video]scale=320:180:flags=bicubic:force_original_aspect_ratio=decrease,pad=320:180:-1:-1:color=0x102030,' +
        'setsar=1,fps=fps=25/1:start_time=0,tpad=stop=2:stop_mode=clone,trim=end_frame=50,split=2[fr_v][fr_p]',
      `[fr_v]${encoding.video.filter}[fr_out]`,
      '[fr_p]fps=2,scale=640:640:force_original_aspect_ratio=decrease:force_divisible_by=2,format=yuvj420p[fr_preview]',
      `[0:a]${encoding.audio?.filter}[fr_sound]`,
    ].join(';\n'),
    ...['-map', '[fr_out]', '-c:v', 'libx264'],
    ...Object.entries(encoding.video.options).flatMap(([key, value]) => [`-${key}`, value]),
    ...['-color_primaries', 'bt709', '-color_trc', 'bt709', '-colorspace', 'bt709', '-color_range', 'tv'],
    ...['-map', '[fr_sound]', '-c:a', 'aac', '-b:a', '192000', '-threads', '2'],
    ...['-map_metadata', '-1', '-map_chapters', '-1', '-fps_mode', 'passthrough'],
    ...['-movflags', '+faststart', '-f', 'mp4', 'file:/w/output.mp4.part'],
    ...['-map', '[fr_preview]', '-c:v', 'mjpeg', '-q:v', '6', '-f', 'image2', '-update', '1'],
    ...['-atomic_writing', '1', 'file:/w/preview.jpg'],
  ]);
});

test('the whole command of a still: the frames before it count as progress and are thrown away', () => {
  const still = {
    ...plan,
    sources: [],
    threads: 0,
    frames: 26,
    output: { ...output, container: 'png' as const, fit: 'cover' as const },
  };
  assert.deepEqual(buildArgs(still), [
    '-filter_complex',
    [
      '[1:v][2:v]overlay[video]',
      '[video]scale=320:180:flags=bicubic:force_original_aspect_ratio=increase,crop=320:180,' +
        'setsar=1,fps=fps=25/1:start_time=0,tpad=stop=2:stop_mode=clone,trim=end_frame=26,split=3[fr_n][fr_v][fr_p]',
      '[fr_v]trim=start_frame=25,setpts=PTS-STARTPTS,format=rgb24[fr_out]',
      '[fr_p]fps=2,scale=640:640:force_original_aspect_ratio=decrease:force_divisible_by=2,format=yuvj420p[fr_preview]',
    ].join(';\n'),
    ...['-map', '[fr_n]', '-f', 'null', '-'],
    ...['-map', '[fr_out]', '-frames:v', '1', '-c:v', 'png', '-map_metadata', '-1'],
    ...['-f', 'image2', '-update', '1', 'file:/w/output.mp4.part'],
    ...['-map', '[fr_preview]', '-c:v', 'mjpeg', '-q:v', '6', '-f', 'image2', '-update', '1'],
    ...['-atomic_writing', '1', 'file:/w/preview.jpg'],
  ]);
});

test('a GIF has no sound, a silent render no sound branch', () => {
  const gif = { ...plan, output: { ...output, container: 'gif' as const } };
  assert.doesNotMatch(buildArgs(gif).join(' '), /fr_sound/);
  assert.doesNotMatch(buildGraph({ ...plan, audio: null }, planEncoding(plan)), /fr_sound/);
  assert.match(buildGraph({ ...plan, audio: '[mix]' }, planEncoding(plan)), /\n\[mix\]aresample/);
});

test('whatever characters a path has, the filter gets exactly it', () => {
  // FFmpeg reads the graph by [],; and then the filter's options by `:`. This is its reader, written from
  // libavutil/avstring.c independently of src.
  const readToken = (text: string, end: string): string => {
    const bytes = [...text.replace(/^[ \n\t\r]+/, '')];
    let out = '';
    let keep = 0;
    for (let i = 0; i < bytes.length && !end.includes(bytes[i] ?? ''); i += 1) {
      if (bytes[i] === '\\' && i + 1 < bytes.length) {
        i += 1;
        out += bytes[i];
        keep = out.length;
      } else if (bytes[i] === "'") {
        for (i += 1; i < bytes.length && bytes[i] !== "'"; i += 1) out += bytes[i];
        keep = out.length;
      } else out += bytes[i];
    }
    while (out.length > keep && /[ \n\t\r]$/.test(out)) out = out.slice(0, -1);
    return out;
  };
  const hostile = fc.string({
    unit: fc.constantFrom(...`\\':;,[]=%{} \n\t\r"$*?@#|&<>()!~^aZ0./-_é漢😀`),
    minLength: 1,
    maxLength: 40,
  });
  fc.assert(
    fc.property(fc.oneof(hostile, fc.string({ unit: 'grapheme', minLength: 1 })), (path) => {
      const clean = path.replaceAll('\0', '');
      const graph = `${escapeFilterPath(clean, 'linux')},next`;
      assert.equal(readToken(readToken(graph, '[],;'), ':'), clean);
      const parsed = parseFilterGraph(`drawtext=textfile=${escapeFilterValue(clean)}:x=1,scale=1:2`);
      assert.deepEqual(
        parsed.map(({ name }) => name),
        ['drawtext', 'scale'],
      );
      assert.equal(parsed[0]?.options[0]?.value, clean.trim() === clean ? clean : clean.trim());
    }),
    { numRuns: 2000 },
  );
});

test('Windows paths get forward slashes and an escaped colon', () => {
  assert.equal(escapeFilterPath('C:\\a b\\t.txt', 'win32'), 'C\\\\\\:/a\\\\\\ b/t.txt');
});

const values: GraphValues = {
  width: 320,
  height: 180,
  fps: 29.97,
  duration: 12.5,
  inputs: {
    size: { type: 'number', value: 1e-7 },
    accent: { type: 'color', value: '#ff7a45' },
    on: { type: 'boolean', value: true },
    mode: { type: 'choice', value: 'a:b' },
    title: { type: 'text', value: 'x' },
  },
  textFiles: { title: "/w/it's/t.txt" },
};

test('placeholders become literals', () => {
  const text =
    'drawtext=fontfile={font:fonts/A b.otf}:textfile={file.title}:expansion=none:fontcolor={input.accent}';
  assert.equal(
    fillGraph(text, 'graph', values),
    "drawtext=fontfile=fonts/A\\\\\\ b.otf:textfile=/w/it\\\\\\'s/t.txt:expansion=none:fontcolor=0xFF7A45",
  );
  assert.equal(
    fillGraph('x={width}:{height}:{fps}:{duration}:{input.size}:{input.on}:{input.mode}', 'graph', values),
    'x=320:180:29.97:12.5:0.0000001:1:a\\\\\\:b',
  );
  assert.equal(filterNumber(1e21).includes('e'), true, 'beyond what any filter takes');
});

test('a text, an unknown placeholder or a missing input in a graph is refused by name', () => {
  const cases = [
    ['scale={input.title}', /input\.title\} is a text/],
    ['scale={input.nobody}', /input "nobody" has no value/],
    ['scale={widht}', /\{widht\} means nothing/],
    ['drawtext=text={file.title}', /textfile=\{file\.NAME\} only/],
    ['drawtext=textfile={file.title}', /needs expansion=none/],
    ['drawtext=textfile={file.title}:expansion=normal', /needs expansion=none/],
  ] as const;
  for (const [graph, message] of cases) assert.throws(() => fillGraph(graph, 'graph', values), { message });
});

test('a graph does not reach outside its bundle', () => {
  const refused = [
    'movie=/etc/passwd[a]',
    "[0:v]null[a];  movie@x='a.mp4' [b]",
    '[in] amovie=f.mp3',
    'drawtext=fontfile=/usr/share/x.ttf:text=a',
    'drawtext=/usr/share/x.ttf',
    "drawtext=fontfile='../x.ttf':text=a",
    "lut3d='/a.cube'",
    'lut3d=file=\\/a.cube',
    'lut3d=C\\\\:/a.cube',
    'subtitles=filename=http\\\\://x/a.srt',
    'metadata=print:file=out.txt',
    'psnr=stats_file=x.log',
    'psnr=f=x.log',
    'ssim=x.log',
    "psnr='stats_file=x.log'",
    'xpsnr=stats_file=x.log',
    'firequalizer=dumpfile=x',
    'deshake=filename=x.log',
    'curves=vintage:plot=x.plt',
    'curves=all=0/0 1/1:psfile=/home/a.acv',
    'paletteuse=debug_kdtree=x.dot',
    'metadata=print:a:b:same_str:1:x.log',
    'arnndn=m=/etc/passwd',
    'arnndn=/etc/passwd',
    'cellauto=f=/etc/passwd',
    'life=filename=../../x',
    'flite=textfile=/etc/passwd',
    'showcqt=axisfile=C\\\\:/a.png',
    'subtitles=f=/a.srt',
    'removelogo=f=/a.png',
    'sofalizer=sofa=http\\\\://x/a.sofa',
    'drawtext=/text=/etc/passwd:fontfile=a.ttf',
    'sendcmd=f=x.cmd',
    'asendcmd=c=1 drawtext reinit textfile=/etc/passwd',
    'ddagrab',
    'zmq',
    'frei0r=glow',
    'ladspa=file=x',
  ];
  for (const graph of refused) {
    assert.throws(
      () => checkGraph(graph, 'graph'),
      (error) => error instanceof FlatrenderError && error.code === 'TEMPLATE_INVALID',
      graph,
    );
  }
  for (const graph of [
    'lut3d=luts/warm.cube',
    "drawtext=fontfile=fonts/a.ttf:text='movie=/etc/passwd'",
    "[0:v]scale=w='min(iw,ih)':h=-1[movie];[movie]null",
    'drawtext=fontfile=a.ttf:text=/.. https\\\\://x.y',
    "crop=iw-2*abs(10)/4:ih/2,setpts='PTS-STARTPTS',colorchannelmixer=.3:.4:.3",
    'curves=preset=vintage,metadata=print:key=a',
    'geq=r=r(X\\,Y)/2:g=g(X\\,Y):b=if(gt(X\\,2)\\,1\\,0)',
    'showwaves=s=320x180:colors=red|blue:mode=p2p,aformat=sample_fmts=fltp',
    'arnndn=m=models/a.rnnn',
  ])
    checkGraph(graph, 'graph');
});

test('every option by which the ffmpeg of this machine writes a file is known', { skip }, async () => {
  const { stdout } = await run(tools?.ffmpeg ?? '', ['-hide_banner', '-h', 'full']);
  const written = /\b(print|save|dump|store|write|log file|log messages|output files|used to write)\b.*/;
  let filter = '';
  const found: string[] = [];
  for (const line of stdout.split('\n')) {
    filter = /^(\w+) AVOptions:/.exec(line)?.[1] ?? filter;
    const [, option, help = ''] = /^ +(\w+) +<string> +\.\.F[.\w]+ (.*)/.exec(line) ?? [];
    if (option && written.test(help) && /file|log/i.test(help)) found.push(`${filter}=${option}=x.log`);
  }
  assert.ok(found.includes('psnr=f=x.log'), 'the help is read');
  for (const graph of found) assert.throws(() => checkGraph(graph, 'graph'), FlatrenderError, graph);
});

test('ffmpeg before 5.1 is too old; development builds are not', () => {
  const old = ['4.4.2-0ubuntu0.22.04.1', '5.0', 'n4.4'];
  const good = ['5.1.9-0+deb12u1', '7.1', 'n6.0', '8.0', 'N-118000-gabc', '2025-03-31-git-35c091f4b7'];
  assert.deepEqual([old.filter(isTooOld), good.filter(isTooOld)], [old, []]);
});
