/** Layers by name, "Precomp/Layer" or number. */
import type { LayerAddress } from '../bind/bind-data.ts';
import { fail, quote } from './failure.ts';
import { findComposition } from './items.ts';
import { candidatesFor } from './names.ts';

/** Of "Precomp/Precomp/Layer": every split of it is tried. */
var MAX_PARTS = 16;
/** Names in a message. */
var MAX_LISTED = 20;

/**
 * The one layer of that address, unlocked. A name is looked for in the composition that the address names or else in the
 * rendered one, and if it is not there in all compositions within. AE_LAYER_NOT_FOUND when there is none or several.
 */
export function findLayer(rendered: CompItem, address: LayerAddress): Layer {
  var composition = address.composition === null ? rendered : findComposition(address.composition);
  var layer =
    typeof address.layer === 'number'
      ? layerByNumber(composition, address.layer)
      : layerByName(composition, address.composition !== null, address.layer);
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

/**
 * Whether a layer has a source that can be replaced. A null object has one too, a solid, but stays invisible whatever it
 * is given (After Effects Scripting Guide, AVLayer.replaceSource).
 */
export function canBeReplaced(layer: Layer): boolean {
  return sourceOf(layer) !== null && !layer.nullLayer;
}

function layerByNumber(composition: CompItem, number: number): Layer {
  if (number >= 1 && number <= composition.numLayers) return composition.layer(number);
  return fail(
    'AE_LAYER_NOT_FOUND',
    quote(composition.name) + ' has ' + composition.numLayers + ' layers, no number ' + number,
    numberedNames(composition)
  );
}

/**
 * In the order in which `template validate` looks: the composition itself, those within (unless the template names the
 * composition), "Precomp/Layer".
 */
function layerByName(composition: CompItem, isNamed: boolean, name: string): Layer {
  var tree = compositionTree(composition);
  var found = namedLayers(composition, name);
  var isDeeper = found.length === 0 && !isNamed;
  for (var index = 1; isDeeper && index < tree.length; index++) append(found, namedLayers(tree[index], name));
  if (found.length === 0) found = withoutRepeats(layersByPath(composition, name));
  if (found.length === 1) return found[0];
  if (found.length === 0) {
    fail(
      'AE_LAYER_NOT_FOUND',
      'there is no layer ' + quote(name) + ' in ' + quote(composition.name),
      candidatesFor(name, layerNames(isNamed ? [composition] : tree))
    );
  }
  return fail(
    'AE_LAYER_NOT_FOUND',
    'there are ' + found.length + ' layers ' + quote(name) + ' in ' + quote(composition.name),
    describeLayers(found)
  );
}

function namedLayers(composition: CompItem, name: string): Layer[] {
  var found: Layer[] = [];
  for (var index = 1; index <= composition.numLayers; index++) {
    if (composition.layer(index).name === name) found.push(composition.layer(index));
  }
  return found;
}

/** "Precomp/Layer": layers of the compositions that "Precomp", a layer or a composition within, leads to. */
function layersByPath(outer: CompItem, path: string): Layer[] {
  var found: Layer[] = [];
  if (path.split('/').length > MAX_PARTS) return found;
  for (var slash = path.indexOf('/'); slash !== -1; slash = path.indexOf('/', slash + 1)) {
    var inner = compositionsCalled(outer, path.substring(0, slash));
    var rest = path.substring(slash + 1);
    for (var index = 0; index < inner.length; index++) {
      var named = namedLayers(inner[index], rest);
      if (named.length === 0 && inner[index].id !== outer.id) named = layersByPath(inner[index], rest);
      append(found, named);
    }
  }
  return found;
}

/** Compositions within, by their own name or by that of a layer that shows them. */
function compositionsCalled(outer: CompItem, name: string): CompItem[] {
  var tree = compositionTree(outer);
  var found: CompItem[] = [];
  var seen: Record<string, boolean> = {};
  function add(composition: CompItem): void {
    if (seen['id ' + composition.id] !== true) found.push(composition);
    seen['id ' + composition.id] = true;
  }
  for (var next = 0; next < tree.length; next++) {
    if (tree[next].name === name) add(tree[next]);
    for (var index = 1; index <= tree[next].numLayers; index++) {
      var layer = tree[next].layer(index);
      var shown = layer.name === name ? compositionOf(layer) : null;
      if (shown !== null) add(shown);
    }
  }
  return found;
}

/** One layer may be reached in several ways: its composition shown twice. */
function withoutRepeats(layers: readonly Layer[]): Layer[] {
  var kept: Layer[] = [];
  var seen: Record<string, boolean> = {};
  for (var index = 0; index < layers.length; index++) {
    var key = layerKey(layers[index]);
    if (seen[key] !== true) kept.push(layers[index]);
    seen[key] = true;
  }
  return kept;
}

/** Tells layers apart; good until layers are added or removed. */
function layerKey(layer: Layer): string {
  return layer.containingComp.id + ':' + layer.index;
}

/** Two of one name in one composition differ by their number only. */
function describeLayers(layers: readonly Layer[]): string[] {
  var names: string[] = [];
  for (var index = 0; index < layers.length && index < MAX_LISTED; index++) {
    names.push('number ' + layers[index].index + ' of ' + layers[index].containingComp.name);
  }
  return names;
}

function layerNames(compositions: readonly CompItem[]): string[] {
  var names: string[] = [];
  for (var next = 0; next < compositions.length; next++) {
    for (var index = 1; index <= compositions[next].numLayers; index++) {
      names.push(compositions[next].layer(index).name);
    }
  }
  return names;
}

function numberedNames(composition: CompItem): string[] {
  var names: string[] = [];
  for (var index = 1; index <= composition.numLayers && index <= MAX_LISTED; index++) {
    names.push(index + ' ' + composition.layer(index).name);
  }
  return names;
}

function append<T>(list: T[], more: readonly T[]): void {
  for (var index = 0; index < more.length; index++) list.push(more[index]);
}
