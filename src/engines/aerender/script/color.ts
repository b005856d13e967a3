/** Colours of text, solids and shape layers. */
import type { Rgba } from '../bind/bind-data.ts';
import { fail, quote } from './failure.ts';
import { allCompositions } from './items.ts';
import { sourceOf } from './layers.ts';
import { candidatesFor } from './names.ts';
import { childrenOf, findProperty } from './property-path.ts';
import { setProperty } from './property-value.ts';
import { type OperationOf, type Session, warn } from './session.ts';
import { changeText, sourceText } from './text-document.ts';

/** What has a colour in a shape layer: match names of the group, of its colour and of its opacity. */
var FILL = {
  group: 'ADBE Vector Graphic - Fill',
  color: 'ADBE Vector Fill Color',
  opacity: 'ADBE Vector Fill Opacity'
};
var STROKE = {
  group: 'ADBE Vector Graphic - Stroke',
  color: 'ADBE Vector Stroke Color',
  opacity: 'ADBE Vector Stroke Opacity'
};

/** Sets the property that the template names, or what has a colour by the kind of the layer. */
export function bindColor(session: Session, layer: Layer, operation: OperationOf<'color'>): void {
  var text = sourceText(layer);
  var source = sourceOf(layer);
  if (operation.property !== null) {
    setProperty(session, findProperty(layer, operation.property), operation.color);
  } else if (layer.property('ADBE Root Vectors Group')) {
    colorShapes(session, layer, operation);
  } else if (operation.shape !== null || operation.stroke) {
    fail('AE_PROPERTY_NOT_FOUND', quote(layer.name) + ' is no shape layer');
  } else if (text !== null) {
    colorText(session, text, operation.color);
  } else if (
    source instanceof FootageItem &&
    source.mainSource instanceof SolidSource &&
    // Both have a solid as their source that is never seen.
    !layer.nullLayer &&
    !(layer as AVLayer).adjustmentLayer
  ) {
    colorSolid(session, layer as AVLayer, source, operation.color);
  } else {
    fail(
      'AE_PROPERTY_NOT_FOUND',
      'layer ' + quote(layer.name) + ' has no colour of its own; name a property, such as Effects.Fill.Color',
      colorPaths(layer)
    );
  }
}

function colorText(session: Session, property: TextDocumentProperty, color: Rgba): void {
  changeText(property, function (document) {
    document.applyFill = true;
    document.fillColor = [color[0], color[1], color[2]];
  });
  warnOfAlpha(session, color, 'text');
}

/** A solid may be shown by several layers, of which only this one changes. */
function colorSolid(session: Session, layer: AVLayer, solid: FootageItem, color: Rgba): void {
  if (isShownElsewhere(layer, solid)) {
    // There is no other way to make a solid than with a layer of its own.
    var made = layer.containingComp.layers.addSolid(
      [color[0], color[1], color[2]],
      solid.name,
      solid.width,
      solid.height,
      solid.pixelAspect,
      layer.containingComp.duration
    );
    layer.replaceSource(made.source as AVItem, false);
    made.remove();
  } else {
    (solid.mainSource as SolidSource).color = [color[0], color[1], color[2]];
  }
  warnOfAlpha(session, color, 'solid');
}

function isShownElsewhere(layer: Layer, solid: FootageItem): boolean {
  var compositions = allCompositions();
  for (var next = 0; next < compositions.length; next++) {
    for (var index = 1; index <= compositions[next].numLayers; index++) {
      var other = compositions[next].layer(index);
      var source = sourceOf(other);
      var isSame = other.index === layer.index && compositions[next].id === layer.containingComp.id;
      if (source !== null && source.id === solid.id && !isSame) return true;
    }
  }
  return false;
}

function colorShapes(session: Session, layer: Layer, operation: OperationOf<'color'>): void {
  var contents = layer.property('ADBE Root Vectors Group') as unknown as PropertyBase;
  var kind = operation.stroke ? STROKE : FILL;
  var painted: PropertyBase[] = [];
  var groups: string[] = [];
  collectPaints(contents, kind.group, operation.shape, operation.shape === null, painted, groups);
  if (painted.length === 0) {
    fail(
      'AE_PROPERTY_NOT_FOUND',
      'layer ' +
        quote(layer.name) +
        (operation.stroke ? ' has no stroke' : ' has no fill') +
        ' of one colour' +
        (operation.shape === null ? '' : ' in a group ' + quote(operation.shape)),
      candidatesFor(operation.shape === null ? '' : operation.shape, groups)
    );
  }
  for (var index = 0; index < painted.length; index++) {
    setProperty(session, painted[index].property(kind.color) as Property, operation.color);
    // Without transparency in the input, that of the project stays.
    if (operation.color[3] < 1) {
      setProperty(session, painted[index].property(kind.opacity) as Property, operation.color[3] * 100);
    }
  }
}

/** Fills or strokes of a shape layer, at all depths; those in the group `shape` or of that name. */
function collectPaints(
  group: PropertyBase,
  matchName: string,
  shape: string | null,
  isInside: boolean,
  painted: PropertyBase[],
  groups: string[]
): void {
  var children = childrenOf(group);
  for (var index = 0; index < children.length; index++) {
    var child = children[index];
    var isMeant = isInside || child.name === shape;
    if (child.matchName === matchName) {
      if (isMeant) painted.push(child);
    } else if (child.propertyType !== PropertyType.PROPERTY) {
      if (child.matchName === 'ADBE Vector Group') groups.push(child.name);
      collectPaints(child, matchName, shape, isMeant, painted, groups);
    }
  }
}

/** Paths of the colours among the effects of a layer, for messages. */
function colorPaths(layer: Layer): string[] {
  var paths: string[] = [];
  var parade = layer.property('ADBE Effect Parade') as unknown as PropertyBase | null;
  var effects = parade ? childrenOf(parade) : [];
  for (var index = 0; index < effects.length; index++) {
    var values = childrenOf(effects[index]);
    for (var at = 0; at < values.length; at++) {
      if ((values[at] as Property).propertyValueType === PropertyValueType.COLOR) {
        paths.push('Effects.' + effects[index].name + '.' + values[at].name);
      }
    }
  }
  return paths.slice(0, 20);
}

function warnOfAlpha(session: Session, color: Rgba, kind: string): void {
  if (color[3] < 1) warn(session, 'the colour of a ' + kind + ' cannot be transparent');
}
