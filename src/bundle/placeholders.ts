/** `{…}` in filter graphs and lavfi sources of a manifest. */
import type { Manifest } from './manifest.ts';

export type Placeholder =
  | { readonly kind: 'value'; readonly name: 'width' | 'height' | 'fps' | 'duration' }
  /** The literal of a number, colour, boolean or choice input. */
  | { readonly kind: 'input'; readonly name: string }
  /** The escaped path of a file that holds a text input. */
  | { readonly kind: 'file'; readonly name: string }
  /** The escaped path of a font of the bundle. */
  | { readonly kind: 'font'; readonly path: string }
  | { readonly kind: 'unknown' };

export interface FoundPlaceholder {
  /** The placeholder as written, with its braces. */
  readonly text: string;
  readonly start: number;
  readonly placeholder: Placeholder;
}

/** Every graph and generated source of a manifest, with its place in the FFmpeg section. */
export function graphsOf(
  section: NonNullable<Manifest['engines']['ffmpeg']>,
): { where: (string | number)[]; text: string }[] {
  const sources = section.sources.flatMap((source, index) => {
    if ('generate' in source) return [{ where: ['sources', index, 'generate'], text: source.generate }];
    if ('input' in source && source.otherwise !== undefined) {
      return [{ where: ['sources', index, 'otherwise'], text: source.otherwise }];
    }
    return [];
  });
  return [...sources, { where: ['graph'], text: section.graph }];
}

/** FFmpeg's own expansions, `%{pts}` in drawtext, are none of ours. */
const FORM = /(?<!%)\{([^{}]*)\}/g;

/** Every placeholder of a graph, in order. */
export function findPlaceholders(graph: string): FoundPlaceholder[] {
  return Array.from(graph.matchAll(FORM), (match) => ({
    text: match[0],
    start: match.index,
    placeholder: classify(match[1] ?? ''),
  }));
}

/** The graph with each placeholder replaced by what `fill` says; unknown ones too. */
export function fillPlaceholders(graph: string, fill: (found: FoundPlaceholder) => string): string {
  let filled = '';
  let from = 0;
  for (const found of findPlaceholders(graph)) {
    filled += graph.slice(from, found.start) + fill(found);
    from = found.start + found.text.length;
  }
  return filled + graph.slice(from);
}

function classify(inner: string): Placeholder {
  if (inner === 'width' || inner === 'height' || inner === 'fps' || inner === 'duration') {
    return { kind: 'value', name: inner };
  }
  const named = /^(input|file)\.([A-Za-z][A-Za-z0-9_]*)$/.exec(inner);
  if (named) return { kind: named[1] === 'file' ? 'file' : 'input', name: named[2] ?? '' };
  if (inner.startsWith('font:')) return { kind: 'font', path: inner.slice('font:'.length) };
  return { kind: 'unknown' };
}
