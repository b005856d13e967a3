/**
 * Reads ```console blocks of a Markdown file: lines that start with `$ ` are commands (continued while they end in a
 * backslash), the lines below are what they print. `…` alone on a line stands for any lines.
 */
export interface TourStep {
  readonly command: string;
  readonly expected: readonly string[];
}

/** The steps below the heading `## <title>`, up to the next heading of that level. */
export function readTour(markdown: string, title: string): TourStep[] {
  const section = markdown.split(/^## /m).find((part) => part.startsWith(`${title}\n`));
  if (section === undefined) throw new Error(`no section "${title}"`);
  const steps: { command: string; expected: string[] }[] = [];
  for (const [, block = ''] of section.matchAll(/^```console\n([\s\S]*?)^```$/gm)) {
    for (const line of block.trimEnd().split('\n')) {
      const last = steps.at(-1);
      if (line.startsWith('$ ')) steps.push({ command: line.slice(2), expected: [] });
      else if (last?.expected.length === 0 && last.command.endsWith('\\')) {
        last.command = `${last.command.slice(0, -1).trimEnd()} ${line.trim()}`;
      } else last?.expected.push(line);
    }
  }
  return steps;
}

/**
 * Whether a printed line is the documented one: ids, tokens, numbers, times, sizes and the progress of a bar differ from run to
 * run, and so does the width of the white space around them; words and their order do not.
 */
export function isSameLine(printed: string, documented: string): boolean {
  return generalise(printed) === generalise(documented);
}

function generalise(line: string): string {
  return line
    .replace(/\bfr_[\w-]+/g, '<token>')
    .replace(/\b[jbt][0-9a-hjkmnp-tv-z]{16}(\.\d+)?\b/g, '<id>')
    .replace(/\b[0-9a-f]{12,64}\b/g, '<digest>')
    .replace(/(\/[\w.-]+){2,}/g, (path) => `<path>/${path.slice(path.lastIndexOf('/') + 1)}`)
    .replace(/\b\d{4}-\d\d-\d\d[T ][\d:.]+Z?/g, '<time>')
    .replace(/\d+(\.\d+)?\s?(ms|s|min|h|kB|MB|GB|B|fps|%)(?=\W|$)/g, '<n>')
    .replace(/\d+(\.\d+)*/g, '<n>')
    .replace(/─+/g, '─')
    .replace(/\s+/g, ' ')
    .trim();
}
