/**
 * What a template's filter graph may do. Templates come from people who may push them, yet a graph has no business
 * outside its bundle: a copied one-liner with `movie=/home/me/…` fails here, by name, and not on the third node.
 */
import { BundlePath } from '../../bundle/manifest.ts';
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
  vidstabdetect: 'it writes files',
  signature: 'it writes files',
};

/** Options that name a file to read. */
const READ_OPTIONS = new Set([
  'fontfile',
  'textfile',
  'file',
  'filename',
  'fontsdir',
  'fontsdir',
  'model',
  'input',
]);
/** Options that name a file to write. */
const WRITE_OPTIONS = new Set(['stats_file', 'log_path', 'bands_file']);
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
  const reads = (name === 'sendcmd' || name === 'asendcmd') && options.some(({ key }) => key === 'f');
  for (const [index, { key, value }] of options.entries()) {
    if (key !== null && WRITE_OPTIONS.has(key)) return `the option "${key}" of "${name}" writes a file`;
    if ((name === 'metadata' || name === 'ametadata') && key === 'file')
      return `the option "file" of "${name}" writes a file`;
    const isFile =
      key === null ? index === 0 && FILE_FIRST.has(name) : READ_OPTIONS.has(key) || (reads && key === 'f');
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
