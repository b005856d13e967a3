/** Layers by name, "Precomp/Layer" or number. */
import type { LayerAddress } from '../bind-data.ts';
import { fail, quote } from './failure.ts';
import { findComposition } from './items.ts';
import { candidatesFor } from './names.ts';

/** A layer and how messages call it: the layers that lead to it from the rendered composition, then its own name. */
interface Place {
  readonly layer: Layer;
  readonly path: string;
}

/**
 * The one layer of that address, unlocked. A name is looked for in the composition that the address names or else in the
 * rendered one, and if it is not there in all compositions within. AE_LAYER_NOT_FOUND when there is none or several.
 */
export function findLayer(rendered: CompItem, address: LayerAddress): Layer {
  var composition = address.composition === null ? rendered : findComposition(address.composition);
  var layer =
    typeof address.layer === 'number'
      ? layerByNumber(composition, address.layer)
      : layerByName(composition, address.layer);
  if (layer.locked) layer.locked = false;
  return layer;
}

/** The compositions that a composition shows, itself first, each once. */
export function compositionTree(composition: CompItem): CompItem[] {
  var tree = [composition];
  var seen: Record<string, boolean> = {};
  seen['id ' + composition.id] = true;
  for (var next = 0; next < tree.length; next++) {
    for (var index = 1; index <= tree[next].numLayers; index++) {
      var source = compositionOf(tree[next].layer(index));
      if (source !== null && seen['id ' + source.id] !== true) {
        seen['id ' + source.id] = true;
        tree.push(source);
      }
    }
  }
  return tree;
}

/** The composition that a layer shows, or null. */
export function compositionOf(layer: Layer): CompItem | null {
  var source = sourceOf(layer);
  return source instanceof CompItem ? source : null;
}

/** The item that a layer shows, or null. */
export function sourceOf(layer: Layer): AVItem | null {
  if (!(layer instanceof AVLayer)) return null;
  var source = layer.source as AVItem | null | undefined;
  return source ? source : null;
}

function layerByNumber(composition: CompItem, number: number): Layer {
  if (number >= 1 && number <= composition.numLayers) return composition.layer(number);
  return fail(
    'AE_LAYER_NOT_FOUND',
    quote(composition.name) + ' has ' + composition.numLayers + ' layers, no number ' + number,
    numberedNames(composition)
  );
}

function layerByName(composition: CompItem, name: string): Layer {
  var found = placesIn(composition, '', name);
  if (found.length === 0) {
    var tree = compositionTree(composition);
    // The paths of layers in these go through layers of the composition, but a name need not spell them out.
    for (var index = 1; index < tree.length; index++) {
      append(found, placesIn(tree[index], tree[index].name + '/', name));
    }
  }
  found = withoutRepeats(found);
  if (found.length === 1) return found[0].layer;
  if (found.length === 0) {
    fail(
      'AE_LAYER_NOT_FOUND',
      'there is no layer ' + quote(name) + ' in ' + quote(composition.name),
      candidatesFor(name, layerNames(composition))
    );
  }
  return fail(
    'AE_LAYER_NOT_FOUND',
    'there are ' + found.length + ' layers ' + quote(name) + ' in ' + quote(composition.name),
    candidatesFor(name, describePlaces(found))
  );
}

/** Layers of that name; if there is none, those that "Precomp/Layer" leads to. */
function placesIn(composition: CompItem, prefix: string, name: string): Place[] {
  var found: Place[] = [];
  for (var index = 1; index <= composition.numLayers; index++) {
    var layer = composition.layer(index);
    if (layer.name === name) found.push({ layer: layer, path: prefix + name });
  }
  if (found.length > 0) return found;
  for (var slash = name.indexOf('/'); slash !== -1; slash = name.indexOf('/', slash + 1)) {
    append(found, placesBehind(composition, prefix, name.substring(0, slash), name.substring(slash + 1)));
  }
  return found;
}

/** What `rest` leads to in the compositions behind the layers called `first`, or that show a composition called so. */
function placesBehind(composition: CompItem, prefix: string, first: string, rest: string): Place[] {
  var found: Place[] = [];
  if (rest === '') return found;
  for (var index = 1; index <= composition.numLayers; index++) {
    var layer = composition.layer(index);
    var source = compositionOf(layer);
    if (source !== null && (layer.name === first || source.name === first)) {
      append(found, placesIn(source, prefix + first + '/', rest));
    }
  }
  return found;
}

/** One layer may be reached in several ways: its composition shown twice. */
function withoutRepeats(places: readonly Place[]): Place[] {
  var kept: Place[] = [];
  var seen: Record<string, boolean> = {};
  for (var index = 0; index < places.length; index++) {
    var key = layerKey(places[index].layer);
    if (seen[key] !== true) kept.push(places[index]);
    seen[key] = true;
  }
  return kept;
}

/** Tells layers apart; good until layers are added or removed. */
export function layerKey(layer: Layer): string {
  return layer.containingComp.id + ':' + layer.index;
}

/** Two of one name in one composition differ by their number only. */
function describePlaces(places: readonly Place[]): string[] {
  var names: string[] = [];
  for (var index = 0; index < places.length; index++) {
    names.push(
      places[index].path +
        ' (number ' +
        places[index].layer.index +
        ' in ' +
        places[index].layer.containingComp.name +
        ')'
    );
  }
  return names;
}

/** All names that an address from this composition may have. */
function layerNames(composition: CompItem): string[] {
  var names: string[] = [];
  var tree = compositionTree(composition);
  for (var next = 0; next < tree.length; next++) {
    var prefix = next === 0 ? '' : tree[next].name + '/';
    for (var index = 1; index <= tree[next].numLayers; index++)
      names.push(prefix + tree[next].layer(index).name);
  }
  return names;
}

function numberedNames(composition: CompItem): string[] {
  var names: string[] = [];
  for (var index = 1; index <= composition.numLayers && index <= 20; index++) {
    names.push(index + ' ' + composition.layer(index).name);
  }
  return names;
}

function append<T>(list: T[], more: readonly T[]): void {
  for (var index = 0; index < more.length; index++) list.push(more[index]);
}
