/** Literals in FFmpeg filter graphs. */

/**
 * A value as it must stand in a filter graph, so that the filter gets exactly it. The graph is read twice: once for
 * `[],;` and once, per filter, for `:`; each reading takes quotes, backslashes and outer blanks away (ffmpeg-filters,
 * "Notes on filtergraph escaping"; libavutil/avstring.c, av_get_token). Backslashes before everything that is not
 * plain survive both.
 */
export function escapeFilterValue(value: string): string {
  return escapeOnce(escapeOnce(value));
}

/** A file's path for a filter's option. On Windows with forward slashes, which its file functions take as well. */
export function escapeFilterPath(path: string, platform: NodeJS.Platform = process.platform): string {
  return escapeFilterValue(platform === 'win32' ? path.replaceAll('\\', '/') : path);
}

function escapeOnce(text: string): string {
  // Letters and digits of any script need none, and bytes of other characters mean nothing to the parser.
  return text.replace(/[\u0000-\u007f]/g, (char) => (/[A-Za-z0-9_./-]/.test(char) ? char : `\\${char}`));
}

/** A number without an exponent: not every option of every filter reads `1e-7`. */
export function filterNumber(value: number): string {
  const text = String(value);
  return text.includes('e') ? value.toFixed(12).replace(/\.?0+$/, '') : text;
}

/** `#rrggbb` or `#rrggbbaa` as FFmpeg writes a colour. */
export function filterColor(color: string): string {
  return `0x${color.replace(/^#/, '').toUpperCase()}`;
}
