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

/** How a manifest addresses a layer; `composition` undefined: the rendered one, then those in it. */
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
  readonly #trees = new Map<number, CompositionTree>();
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
    return this.#tree(composition).compositions;
  }

  /** A layer as seen from the composition that is rendered. */
  findLayer(main: AepComposition, address: LayerAddress): Lookup<PlacedLayer> {
    if (address.composition !== undefined) {
      const where = this.findComposition(address.composition);
      if ('problem' in where) return where;
      return this.#findIn([where.found], this.#tree(where.found), address.layer);
    }
    const tree = this.#tree(main);
    if (typeof address.layer === 'number') return this.#findIn([main], tree, address.layer);
    return this.#findIn(tree.compositions, tree, address.layer);
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

  /** The layer in the first of `scope`, or in the others, or "Precomp/Layer". */
  #findIn(
    scope: readonly AepComposition[],
    tree: CompositionTree,
    layer: string | number,
  ): Lookup<PlacedLayer> {
    const [outer] = scope;
    const code = 'AE_LAYER_NOT_FOUND';
    if (!outer) return { code, problem: 'the project has no composition' };
    const where = `composition ${quoted(outer.name)}`;
    if (typeof layer === 'number') {
      const found = outer.layers[layer - 1];
      if (found) return { found: { composition: outer, layer: found } };
      const count = outer.layers.length;
      return { code, problem: `${where} has no layer ${layer}; it has ${count === 0 ? 'none' : count}` };
    }
    const everywhere = tree.byName.get(layer) ?? [];
    const named =
      scope.length > 1 ? everywhere : everywhere.filter(({ composition }) => composition === outer);
    const inOuter = named.filter((placed) => placed.composition === outer);
    const matches = inOuter.length > 0 ? inOuter : named.length > 0 ? named : this.#byPath(outer, layer);
    const [found] = matches;
    if (found && matches.length === 1) return { found };
    if (found) return { code, problem: ambiguous(layer, matches) };
    const names = scope.length > 1 ? [...tree.byName.keys()] : outer.layers.map(({ name }) => name);
    const deeper = scope.length > 1 ? ' and those in it have' : ' has';
    return { code, problem: `${where}${deeper} no layer ${quoted(layer)}${meant(layer, names)}` };
  }

  /** "Precomp/Layer": a layer of the composition that another layer shows, by that layer's or the composition's name. */
  #byPath(outer: AepComposition, path: string): readonly PlacedLayer[] {
    if (path.split('/').length > MOST_PARTS) return [];
    const matches: PlacedLayer[] = [];
    for (let slash = path.indexOf('/'); slash >= 0; slash = path.indexOf('/', slash + 1)) {
      const [head, rest] = [path.slice(0, slash), path.slice(slash + 1)];
      const inner = new Set<AepComposition>();
      for (const composition of this.within(outer)) {
        if (composition.name === head) inner.add(composition);
        for (const layer of composition.layers) {
          const shown = layer.name === head ? this.compositionOf(layer) : undefined;
          if (shown) inner.add(shown);
        }
      }
      for (const composition of inner) {
        const found = composition.layers.filter(({ name }) => name === rest);
        if (found.length > 0) matches.push(...found.map((layer) => ({ composition, layer })));
        else if (composition !== outer) matches.push(...this.#byPath(composition, rest));
      }
    }
    return [...new Map(matches.map((match) => [match.layer, match])).values()];
  }

  #tree(composition: AepComposition): CompositionTree {
    let tree = this.#trees.get(composition.id);
    if (!tree) {
      tree = this.#treeOf(composition);
      this.#trees.set(composition.id, tree);
    }
    return tree;
  }

  #treeOf(main: AepComposition): CompositionTree {
    const compositions = new Set([main]);
    const byName = new Map<string, PlacedLayer[]>();
    // A set may grow while it is walked.
    for (const composition of compositions) {
      for (const layer of composition.layers) {
        const same = byName.get(layer.name);
        if (same) same.push({ composition, layer });
        else byName.set(layer.name, [{ composition, layer }]);
        const inner = this.compositionOf(layer);
        if (inner) compositions.add(inner);
      }
    }
    return { compositions: [...compositions], byName };
  }
}

interface CompositionTree {
  readonly compositions: readonly AepComposition[];
  readonly byName: ReadonlyMap<string, readonly PlacedLayer[]>;
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
