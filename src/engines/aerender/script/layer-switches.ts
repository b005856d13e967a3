/** Layers on and off, other compositions in them, and expressions of the template. */
import { fail, messageOf, quote } from './failure.ts';
import { findComposition } from './items.ts';
import { canBeReplaced, compositionTree } from './layers.ts';
import { findProperty } from './property-path.ts';

/** Shows or hides a layer, with its sound. What is shown gets no sound that the project does not give it. */
export function bindVisible(layer: Layer, isVisible: boolean): void {
  var sounding = layer instanceof AVLayer && layer.hasAudio ? layer : null;
  if (layer.hasVideo || sounding === null) layer.enabled = isVisible;
  if (sounding !== null && (!isVisible || !layer.hasVideo)) sounding.audioEnabled = isVisible;
}

/** Lets a layer show a composition. */
export function bindSource(layer: Layer, address: string): void {
  var composition = findComposition(address);
  if (!canBeReplaced(layer)) {
    fail('AE_LAYER_NOT_FOUND', quote(layer.name) + ' shows no composition that could be replaced');
  }
  var inside = compositionTree(composition);
  for (var index = 0; index < inside.length; index++) {
    if (inside[index].id === layer.containingComp.id) {
      fail('TEMPLATE_INVALID', quote(composition.name) + ' contains the layer that should show it');
    }
  }
  var name = layer.name;
  (layer as AVLayer).replaceSource(composition, false);
  // A layer without a name of its own is called like its source; other bindings and expressions know the old name.
  if (layer.name !== name) layer.name = name;
}

/** Sets an expression that the author of the template wrote. */
export function bindExpression(layer: Layer, path: string, expression: string): void {
  var property = findProperty(layer, path);
  if (!property.canSetExpression) fail('TEMPLATE_INVALID', quote(property.name) + ' takes no expression');
  try {
    property.expression = expression;
    if (expression !== '') property.expressionEnabled = true;
  } catch (error) {
    fail('AE_SCRIPT_ERROR', 'the expression of ' + quote(property.name) + ' is wrong: ' + messageOf(error));
  }
  if (property.expressionError) {
    fail(
      'AE_SCRIPT_ERROR',
      'the expression of ' + quote(property.name) + ' is wrong: ' + property.expressionError
    );
  }
}
