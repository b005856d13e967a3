/** An After Effects project as people read it. */
import { basename } from 'node:path';
import type { AepComposition, AepFootage, AepLayer } from '../bundle/aep/aep-project.ts';
import { plural } from './output.ts';
import { paint, type Terminal } from './paint.ts';
import type { ProjectReport } from './project-report.ts';

/** Before the children of a node: those with one after them, the last, and below each. */
export type TreeLines = readonly [next: string, last: string, under: string, underLast: string];

const UNICODE: TreeLines = ['├─ ', '└─ ', '│  ', '   '];
const ASCII: TreeLines = ['|- ', '`- ', '|  ', '   '];
const PLAIN: TreeLines = ['  ', '  ', '  ', '  '];

/** Lines for a terminal, of ASCII where the locale (POSIX: LC_ALL, LC_CTYPE, LANG) is not UTF-8; indentation in a pipe. */
export function treeLines(stream: Terminal, env: NodeJS.ProcessEnv, platform: NodeJS.Platform): TreeLines {
  if (!stream.isTTY) return PLAIN;
  const locale = env.LC_ALL || env.LC_CTYPE || env.LANG || '';
  const isUtf8 = platform === 'win32' || platform === 'darwin' || /utf-?8/i.test(locale);
  return isUtf8 && env.TERM !== 'dumb' && env.TERM !== 'linux' ? UNICODE : ASCII;
}

/** The project as a tree of folders, compositions with their layers, and footage; then fonts, effects and warnings. */
export function projectText(report: ProjectReport, lines: TreeLines): string {
  const counts = [
    plural(report.compositions.length, 'composition'),
    plural(report.footage.length, 'footage item'),
    plural(report.folders.length, 'folder'),
  ];
  const made = report.version === null ? 'unknown version' : `After Effects ${report.version}`;
  const on = report.platform === null ? '' : report.platform === 'macos' ? ' (macOS)' : ' (Windows)';
  const out = [`${paint('bold', clean(basename(report.source)))}  ${made}${on}, ${counts.join(', ')}`];
  for (const [prefix, text] of drawn(itemsIn(report), lines)) out.push(`${prefix}${text}`);
  const used = report.fonts.filter((font) => font.used).map(({ name }) => name);
  if (used.length > 0) out.push(`fonts    ${clean(used.join(', '))}`);
  if (report.effects.length > 0) out.push(`effects  ${clean(report.effects.join(', '))}`);
  for (const { message } of report.warnings) out.push(`${paint('warning', 'warning')} ${clean(message)}`);
  return out.join('\n');
}

interface TreeNode {
  readonly text: string;
  readonly children: readonly TreeNode[];
}

/** What is at the top: folders first, as in the project panel, then the rest as in the file. */
function itemsIn(report: ProjectReport): readonly TreeNode[] {
  const nodes = new Map<number | null, TreeNode[]>([[null, []]]);
  for (const { id } of report.folders) nodes.set(id, []);
  for (const { id, name, folder } of report.folders) {
    nodes.get(folder)?.push({ text: `${paint('bold', clean(name))}/`, children: nodes.get(id) ?? [] });
  }
  for (const composition of report.compositions) {
    const children = composition.layers.map((layer) => ({ text: layerText(layer), children: [] }));
    nodes.get(composition.folder)?.push({ text: compositionText(composition), children });
  }
  for (const footage of report.footage)
    nodes.get(footage.folder)?.push({ text: footageText(footage), children: [] });
  return nodes.get(null) ?? [];
}

function* drawn(nodes: readonly TreeNode[], lines: TreeLines, indent = ''): Generator<[string, string]> {
  const [next, last, under, underLast] = lines;
  for (const [at, node] of nodes.entries()) {
    const isLast = at === nodes.length - 1;
    yield [paint('dim', `${indent}${isLast ? last : next}`), node.text];
    yield* drawn(node.children, lines, `${indent}${isLast ? underLast : under}`);
  }
}

function compositionText({ name, width, height, fps, durationSeconds }: AepComposition): string {
  const seconds = Math.round(durationSeconds * 1000) / 1000;
  return `${paint('bold', clean(name))}  composition, ${width} × ${height}, ${fps} fps, ${seconds} s`;
}

function layerText(layer: AepLayer): string {
  const source =
    layer.sourceName !== null && layer.sourceName !== layer.name ? ` of ${layer.sourceName}` : '';
  const parts = [`${layer.kind}${layer.kind === 'null' ? '' : source}`];
  if (layer.text !== null) parts.push(JSON.stringify(shortened(layer.text)));
  if (layer.fonts.length > 0) parts.push(layer.fonts.join(' + '));
  if (layer.adjustment && layer.kind !== 'adjustment') parts.push('adjustment');
  if (layer.guide) parts.push('guide');
  if (!layer.enabled) parts.push('off');
  if (layer.effects.length > 0) parts.push(`effects: ${layer.effects.map(({ name }) => name).join(' + ')}`);
  return `${layer.index} ${clean(layer.name)}  ${clean(parts.join(', '))}`;
}

function footageText({ name, kind, width, height, path, color, isSequence }: AepFootage): string {
  const size = width > 0 && height > 0 ? `, ${width} × ${height}` : '';
  const more = color ?? path ?? '';
  const what = isSequence ? 'image sequence' : kind;
  return `${clean(name)}  ${what}${size}${more === '' ? '' : `, ${clean(more)}`}`;
}

function shortened(text: string): string {
  return text.length > 60 ? `${text.slice(0, 59)}…` : text;
}

/** One line without control characters: names in a project may be anything, also what a terminal obeys. */
function clean(text: string): string {
  return text.replace(/[\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069]+/g, ' ');
}
