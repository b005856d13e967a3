/** Looking up compositions, layers and items of a project by what a manifest calls them. */
import { didYouMean } from '../../lib/did-you-mean.ts';
import type { AepComposition, AepFootage, AepItem, AepLayer, AepProject } from './aep-project.ts';

/** A layer and the composition it is in. */
export interface PlacedLayer {
  readonly composition: AepComposition;
  readonly layer: AepLayer;
}

/** What was looked for, or a sentence that says why it is not there and what is. */
export type Lookup<T> =
  | { readonly found: T }
  | { readonly problem: string; readonly code: 'AE_COMP_NOT_FOUND' | 'AE_LAYER_NOT_FOUND' };

/** How a manifest addresses a layer; `composition` undefined: the rendered one. */
export interface LayerAddress {
  readonly composition?: string | undefined;
  readonly layer: string | number;
}

/** Guessing what was meant among more names takes longer than anybody waits. */
const MOST_GUESSES = 2000;
/** Listed in a message. */
const MOST_LISTED = 10;
/** Of "Precomp/Precomp/Layer": every split of it is tried. */
const MOST_PARTS = 16;
/** Folders in folders that a path names. */
const MOST_FOLDERS = 256;

/**
 * A project by names. The script that binds inputs in After Effects looks up in the same order, so what is found here is
 * what it changes.
 */
export class ProjectIndex {
  readonly project: AepProject;
  readonly #compositions = new Map<number, AepComposition>();
  readonly #footage = new Map<number, AepFootage>();
  readonly #folders = new Map<number, AepItem>();
  readonly #trees = new Map<number, readonly AepComposition[]>();
  readonly #names = new Map<number, ReadonlyMap<string, readonly AepLayer[]>>();
  readonly #paths = new Map<number, string>();

  constructor(project: AepProject) {
    this.project = project;
    for (const item of project.compositions) this.#compositions.set(item.id, item);
    for (const item of project.footage) this.#footage.set(item.id, item);
    for (const item of project.folders) this.#folders.set(item.id, item);
  }

  /** The footage that a layer shows; undefined: it shows none. */
  footageOf(layer: AepLayer): AepFootage | undefined {
    return layer.sourceId === null ? undefined : this.#footage.get(layer.sourceId);
  }

  /** The composition that a layer shows; undefined: it shows none. */
  compositionOf(layer: AepLayer): AepComposition | undefined {
    return layer.sourceId === null ? undefined : this.#compositions.get(layer.sourceId);
  }

  /** "Folder/Name". */
  pathOf(item: AepItem): string {
    let path = this.#paths.get(item.id);
    if (path !== undefined) return path;
    const parts = [item.name];
    let folder = item.folder;
    while (folder !== null && parts.length <= MOST_FOLDERS) {
      const found = this.#folders.get(folder);
      parts.unshift(found?.name ?? '?');
      folder = found?.folder ?? null;
    }
    path = parts.join('/');
    this.#paths.set(item.id, path);
    return path;
  }

  /** Compositions that no layer shows: one of them is what the project was made for. */
  get roots(): readonly AepComposition[] {
    const shown = new Set(
      this.project.compositions.flatMap(({ layers }) => layers.map(({ sourceId }) => sourceId)),
    );
    return this.project.compositions.filter(({ id }) => !shown.has(id));
  }

  /** A composition by its name, "Folder/Name", or "/Name" for the one outside of all folders. */
  findComposition(name: string): Lookup<AepComposition> {
    return this.#findItem(name, this.project.compositions, 'composition');
  }

  /** A footage item or composition, by the same. */
  findItem(name: string): Lookup<AepFootage | AepComposition> {
    return this.#findItem(name, [...this.project.footage, ...this.project.compositions], 'project item');
  }

  /** The composition and all in it, each once, the outer ones first. */
  within(composition: AepComposition): readonly AepComposition[] {
    let tree = this.#trees.get(composition.id);
    if (tree) return tree;
    const found = new Set([composition]);
    // A set may grow while it is walked.
    for (const outer of found) {
      for (const layer of outer.layers) {
        const inner = this.compositionOf(layer);
        if (inner) found.add(inner);
      }
    }
    tree = [...found];
    this.#trees.set(composition.id, tree);
    return tree;
  }

  /**
   * A layer of the composition that the address names, or else of the rendered one: by number; by name, which of the rendered one
   * is looked for in the compositions within as well; by "Precomp/Layer".
   */
  findLayer(main: AepComposition, { composition, layer }: LayerAddress): Lookup<PlacedLayer> {
    const where = composition === undefined ? { found: main } : this.findComposition(composition);
    if ('problem' in where) return where;
    if (typeof layer === 'number') return layerAt(where.found, layer);
    const within = this.within(where.found);
    return this.#layerNamed(where.found, composition === undefined ? within : within.slice(0, 1), layer);
  }

  #findItem<T extends AepItem>(name: string, items: readonly T[], what: string): Lookup<T> {
    const matches = items.filter((item) => isMeant(`/${this.pathOf(item)}`, name));
    const [first] = matches;
    if (first && matches.length === 1) return { found: first };
    const code = what === 'composition' ? 'AE_COMP_NOT_FOUND' : 'AE_LAYER_NOT_FOUND';
    if (first) {
      const paths = matches.map((item) => (item.folder === null ? '/' : '') + this.pathOf(item));
      const same = new Set(paths).size === 1;
      const advice = same ? 'rename one in After Effects' : `give the folder: ${listed(paths)}`;
      return { code, problem: `the project has ${matches.length} ${what}s ${quoted(name)}; ${advice}` };
    }
    const names = items.map((item) => item.name);
    return { code, problem: `the project has no ${what} ${quoted(name)}${meant(name, names)}` };
  }

  #layerNamed(outer: AepComposition, scope: readonly AepComposition[], name: string): Lookup<PlacedLayer> {
    let matches = this.#layersCalled(outer, name);
    if (matches.length === 0) matches = scope.slice(1).flatMap((inner) => this.#layersCalled(inner, name));
    if (matches.length === 0 && name.split('/').length <= MOST_PARTS)
      matches = this.#layersByPath(outer, name);
    // A composition that is shown twice is reached twice.
    const different = [...new Map(matches.map((match) => [match.layer, match])).values()];
    const [found] = different;
    if (found && different.length === 1) return { found };
    const code = 'AE_LAYER_NOT_FOUND';
    if (found) return { code, problem: ambiguous(name, different) };
    const have = scope.length > 1 ? 'and those in it have' : 'has';
    const names = scope.flatMap((composition) => [...this.#namesIn(composition).keys()]);
    const problem = `composition ${quoted(outer.name)} ${have} no layer ${quoted(name)}${meant(name, names)}`;
    return { code, problem };
  }

  #layersCalled(composition: AepComposition, name: string): PlacedLayer[] {
    return (this.#namesIn(composition).get(name) ?? []).map((layer) => ({ composition, layer }));
  }

  /** "Precomp/Layer": layers of the compositions that a layer or a composition within leads to. */
  #layersByPath(outer: AepComposition, path: string): PlacedLayer[] {
    const matches: PlacedLayer[] = [];
    for (let slash = path.indexOf('/'); slash >= 0; slash = path.indexOf('/', slash + 1)) {
      const [first, rest] = [path.slice(0, slash), path.slice(slash + 1)];
      for (const inner of this.#compositionsCalled(outer, first)) {
        const named = this.#layersCalled(inner, rest);
        matches.push(...(named.length > 0 || inner === outer ? named : this.#layersByPath(inner, rest)));
      }
    }
    return matches;
  }

  /** Compositions within, by their own name or by that of a layer that shows them. */
  #compositionsCalled(outer: AepComposition, name: string): ReadonlySet<AepComposition> {
    const found = new Set<AepComposition>();
    for (const composition of this.within(outer)) {
      if (composition.name === name) found.add(composition);
      for (const layer of this.#namesIn(composition).get(name) ?? []) {
        const shown = this.compositionOf(layer);
        if (shown) found.add(shown);
      }
    }
    return found;
  }

  #namesIn(composition: AepComposition): ReadonlyMap<string, readonly AepLayer[]> {
    let names = this.#names.get(composition.id);
    if (!names) {
      names = Map.groupBy(composition.layers, ({ name }) => name);
      this.#names.set(composition.id, names);
    }
    return names;
  }
}

function layerAt(composition: AepComposition, number: number): Lookup<PlacedLayer> {
  const layer = composition.layers[number - 1];
  if (layer) return { found: { composition, layer } };
  const count = composition.layers.length;
  const problem = `composition ${quoted(composition.name)} has no layer ${number}; it has ${count === 0 ? 'none' : count}`;
  return { code: 'AE_LAYER_NOT_FOUND', problem };
}

function ambiguous(name: string, matches: readonly PlacedLayer[]): string {
  const places = matches.map(
    ({ composition, layer }) => `layer ${layer.index} of ${quoted(composition.name)}`,
  );
  const inOne = new Set(matches.map(({ composition }) => composition)).size === 1;
  const advice = inOne ? 'give the number of the layer' : 'add "composition"';
  return `there are ${matches.length} layers ${quoted(name)}: ${shortened(places)}; ${advice}, or rename one`;
}

/** By the end of its path; "/Name" is outside of all folders. Names may hold slashes themselves. */
function isMeant(path: string, name: string): boolean {
  return path.endsWith(`/${name}`) || (name.startsWith('/') && path === name);
}

/** "; did you mean …", or what there is. */
function meant(name: string, names: readonly string[]): string {
  const known = [...new Set(names)].slice(0, MOST_GUESSES);
  const guess = didYouMean(name, known);
  if (guess !== '') return guess;
  return known.length === 0 ? '; there is none' : `; there are ${listed(known)}`;
}

function listed(names: readonly string[]): string {
  return shortened(names.map(quoted));
}

function shortened(parts: readonly string[]): string {
  const more = parts.length - MOST_LISTED;
  return `${parts.slice(0, MOST_LISTED).join(', ')}${more > 0 ? ` and ${more} more` : ''}`;
}

/** Names in a project may be anything, also what a terminal obeys. */
export function quoted(name: string): string {
  const text = name.length > 80 ? `${name.slice(0, 79)}…` : name;
  return JSON.stringify(text).replace(
    /[\x7f-\x9f\u2028-\u202e\u2066-\u2069]/g,
    (char) => `\\u${char.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
}
