/**
 * What a template's filter graph may do. Templates come from people who may push them, yet a graph has no business
 * outside its bundle: a copied one-liner with `movie=/home/me/…` fails here, by name, and not on the third node.
 */
import { BundlePath } from '../../bundle/bundle-path.ts';
import { FlatrenderError } from '../../lib/errors.ts';
import { type ParsedFilter, parseFilterGraph } from './filter-syntax.ts';

/** Filters that open files, sockets or code of their own choice. */
const REFUSED: Readonly<Record<string, string>> = {
  movie: 'list the file under "sources" instead',
  amovie: 'list the file under "sources" instead',
  zmq: 'it listens on the network',
  azmq: 'it listens on the network',
  ladspa: 'it loads programs of the machine',
  lv2: 'it loads programs of the machine',
  frei0r: 'it loads programs of the machine',
  frei0r_src: 'it loads programs of the machine',
  program_opencl: 'it runs a program of its own',
  openclsrc: 'it runs a program of its own',
  xfade_opencl: 'it runs a program of its own',
  sendcmd: 'its commands change other filters after they were checked',
  asendcmd: 'its commands change other filters after they were checked',
  ddagrab: 'it films the screen',
  gfxcapture: 'it films the screen',
  vidstabdetect: 'it writes files',
  signature: 'it writes files',
};

/** Options that name a file to read; every option may not have a value that leads out of the bundle. */
const READ_OPTIONS = new Set(['fontfile', 'textfile', 'file', 'filename', 'fontsdir', 'model', 'input']);
/**
 * Options that write a file, by filter, and the place from which a value without a name may be one (ffmpeg 5.1,
 * `ffmpeg -h full`; the order of the options differs between versions only behind these places).
 */
const WRITES: Readonly<Record<string, { readonly options: readonly string[]; readonly from: number }>> = {
  ametadata: { options: ['file'], from: 5 },
  asr: { options: ['logfn'], from: 5 },
  curves: { options: ['plot'], from: 7 },
  deshake: { options: ['filename'], from: 10 },
  firequalizer: { options: ['dumpfile'], from: 9 },
  libvmaf: { options: ['log_path'], from: 0 },
  loudnorm: { options: ['stats_file'], from: 10 },
  metadata: { options: ['file'], from: 5 },
  paletteuse: { options: ['debug_kdtree'], from: 5 },
  psnr: { options: ['stats_file', 'f'], from: 0 },
  ssim: { options: ['stats_file', 'f'], from: 0 },
  vmafmotion: { options: ['stats_file'], from: 0 },
  whisper: { options: ['destination'], from: 4 },
  xpsnr: { options: ['stats_file', 'f'], from: 0 },
};
/** Options whose value is shown or computed and never opened. */
const SHOWN = new Set(['text']);
/** An absolute path, a drive, a URL, or a way up; ffmpeg 7 reads an option from a file when its name starts with `/`. */
const LEADS_OUT = /^\s*[/\\~]|^\s*[a-z]:[/\\]|^\s*[a-z][a-z0-9+.-]+:|(^|[/\\])\.\.([/\\]|$)/i;
/** Filters whose first value by position is a file to read. */
const FILE_FIRST = new Set([
  'lut3d',
  'lut1d',
  'subtitles',
  'ass',
  'removelogo',
  'drawtext',
  'vidstabtransform',
]);
/** Stand-ins for `{font:…}` and `{file.…}` while the graph is checked. */
export const CHECKED_FONT = 'checked-font';
export const CHECKED_TEXT = 'checked-text';

/**
 * Checks a graph whose `{font:…}` and `{file.…}` are replaced by {@link CHECKED_FONT} and {@link CHECKED_TEXT}.
 * Throws TEMPLATE_INVALID naming the filter.
 */
export function checkGraph(graph: string, where: string): void {
  for (const filter of parseFilterGraph(graph)) {
    const problem = problemOf(filter);
    if (problem === null) continue;
    throw new FlatrenderError('TEMPLATE_INVALID', `engines.ffmpeg.${where}: ${problem}`, {
      hint: 'files of the bundle are named by their relative path, texts by {file.NAME}',
    });
  }
}

function problemOf({ name, options }: ParsedFilter): string | null {
  const refused = Object.hasOwn(REFUSED, name) ? REFUSED[name] : undefined;
  if (refused !== undefined) return `the filter "${name}" may not be used: ${refused}`;
  const writes = Object.hasOwn(WRITES, name) ? WRITES[name] : undefined;
  for (const [index, { key, value }] of options.entries()) {
    if (key !== null && writes?.options.includes(key))
      return `the option "${key}" of "${name}" writes a file`;
    if (key === null && writes && index >= writes.from)
      return `"${name}" may write the file ${JSON.stringify(value)}: give its options by name`;
    if (LEADS_OUT.test(value) && !SHOWN.has(key ?? ''))
      return `"${name}" must not open ${JSON.stringify(value)}`;
    const isFile = key === null ? index === 0 && FILE_FIRST.has(name) : READ_OPTIONS.has(key);
    if (isFile && !BundlePath.safeParse(value).success)
      return `"${name}" must not open ${JSON.stringify(value)}`;
    if (
      value.includes(CHECKED_TEXT) &&
      !(name === 'drawtext' && key === 'textfile' && value === CHECKED_TEXT)
    ) {
      return `a text is for drawtext=textfile={file.NAME} only, not for "${name}"`;
    }
  }
  // Otherwise %{…} in what a customer typed would be expanded, metadata and expressions included.
  const draws = name === 'drawtext' && options.some(({ key }) => key === 'textfile');
  if (draws && !options.some(({ key, value }) => key === 'expansion' && value === 'none')) {
    return 'drawtext with a textfile needs expansion=none';
  }
  return null;
}
