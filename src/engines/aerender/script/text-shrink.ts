/** Reduces the size of texts until they fit. */

import { documentAt, writeDocument } from './text-document.ts';

/** Of the size it has; a text that is smaller still could not be read. */
var SMALLEST = 0.1;
/** What After Effects takes, in pixels (After Effects Scripting Guide, TextDocument.fontSize). */
var SMALLEST_SIZE = 0.1;
/** Halvings of the range of sizes: 0.9 / 2^9 is less than 0.2 % of the size. */
var STEPS = 9;
/** Pixels by which a rectangle may exceed its room: rounding. */
var TEXT_TOLERANCE = 0.5;
interface Room {
  readonly width: number;
  readonly height: number;
}

/** Width of the text as designed, in pixels of the composition: there is room for it, whatever the frame says. */
export function originalWidth(layer: Layer, property: TextDocumentProperty): number {
  var width = 0;
  var times = textTimes(layer, property);
  for (var index = 0; index < times.length; index++) {
    var rectangle = (layer as AVLayer).sourceRectAtTime(times[index], false);
    width = Math.max(width, rectangle.width * scaleAt(layer, 0, times[index]));
  }
  return width;
}

/** False when even the smallest size does not fit; the text has it then. `original`: see {@link originalWidth}. */
export function shrinkText(layer: Layer, property: TextDocumentProperty, original: number): boolean {
  if (property.numKeys === 0) return shrinkOne(layer, property, 0, original);
  var fits = true;
  for (var key = 1; key <= property.numKeys; key++) {
    fits = shrinkOne(layer, property, key, original) && fits;
  }
  return fits;
}

/** `key` 0: the property has no keyframes. */
function shrinkOne(layer: Layer, property: TextDocumentProperty, key: number, original: number): boolean {
  var time = key === 0 ? layer.inPoint : property.keyTime(key);
  var designed = documentAt(property, key);
  var room = designed.boxText
    ? { width: designed.boxTextSize[0], height: designed.boxTextSize[1] }
    : frameRoom(layer, time, designed.justification, original);
  if (fitsAt(layer, property, key, time, 1, designed, room)) return true;
  var small = SMALLEST;
  var large = 1;
  var fits = fitsAt(layer, property, key, time, small, designed, room);
  for (var step = 0; fits && step < STEPS; step++) {
    var middle = (small + large) / 2;
    if (fitsAt(layer, property, key, time, middle, designed, room)) small = middle;
    else large = middle;
  }
  writeDocument(property, key, scaled(documentAt(property, key), designed, small));
  return fits;
}

/** Measures with this factor; the document of the layer has the factor afterwards. */
function fitsAt(
  layer: Layer,
  property: TextDocumentProperty,
  key: number,
  time: number,
  factor: number,
  designed: TextDocument,
  room: Room
): boolean {
  var document = scaled(documentAt(property, key), designed, factor);
  var isBox = document.boxText;
  // After Effects leaves out lines that begin below a box, and measures what is left: the box is made taller for that.
  // It takes whole pixels (After Effects Scripting Guide, TextDocument.boxTextSize).
  if (isBox) document.boxTextSize = [room.width, Math.ceil(room.height * 2 + designed.fontSize * 4)];
  writeDocument(property, key, document);
  var rectangle = (layer as AVLayer).sourceRectAtTime(time, false);
  if (isBox) {
    document = documentAt(property, key);
    document.boxTextSize = [room.width, room.height];
    restorePosition(document, designed);
    writeDocument(property, key, document);
  }
  return rectangle.width <= room.width + TEXT_TOLERANCE && rectangle.height <= room.height + TEXT_TOLERANCE;
}

/** Whether a box stays where it is when its size changes is not documented, nor from which version its place can be set. */
function restorePosition(document: TextDocument, designed: TextDocument): void {
  var place = designed.boxTextPos;
  if (!place || (document.boxTextPos[0] === place[0] && document.boxTextPos[1] === place[1])) return;
  try {
    (document as { boxTextPos: [number, number] }).boxTextPos = place;
  } catch (_readOnly) {}
}

/** The document with the factor applied to the designed size, and to a line spacing that does not follow the size. */
function scaled(document: TextDocument, designed: TextDocument, factor: number): TextDocument {
  document.fontSize = Math.max(SMALLEST_SIZE, designed.fontSize * factor);
  // "autoLeading" is of After Effects 24; "leading", of 14.2, is 0 where it is automatic (After Effects Scripting Guide).
  if (designed.autoLeading !== true && designed.leading > 0) document.leading = designed.leading * factor;
  return document;
}

/**
 * Room of point text, in pixels of the layer: from its anchor to the edges of the frame, where it stands still;
 * else the width of the frame. Never less than what it had as designed.
 */
function frameRoom(layer: Layer, time: number, align: ParagraphJustification, original: number): Room {
  var composition = layer.containingComp;
  var width = composition.width;
  var x = resting(layer, time);
  if (x !== null) {
    var left = x;
    var right = width - x;
    var free = right;
    if (align === ParagraphJustification.RIGHT_JUSTIFY) free = left;
    if (align === ParagraphJustification.CENTER_JUSTIFY) free = 2 * Math.min(left, right);
    width = Math.min(width, Math.max(free, original));
  }
  return { width: width / scaleAt(layer, 0, time), height: composition.height / scaleAt(layer, 1, time) };
}

/** Where in the frame the origin of the text is, if it neither moves nor turns nor depends on other layers; else null. */
function resting(layer: Layer, time: number): number | null {
  var transform = layer.property('ADBE Transform Group') as PropertyGroup;
  var position = transform.property('ADBE Position') as unknown as TwoDProperty;
  var anchor = transform.property('ADBE Anchor Point') as unknown as TwoDProperty;
  var rotation = transform.property('ADBE Rotate Z') as unknown as OneDProperty;
  if (layer.parent || (layer as AVLayer).threeDLayer || position.dimensionsSeparated) return null;
  if (position.isTimeVarying || anchor.isTimeVarying || rotation.isTimeVarying) return null;
  if (rotation.valueAtTime(time, false) % 360 !== 0) return null;
  return position.valueAtTime(time, false)[0] - anchor.valueAtTime(time, false)[0] * scaleAt(layer, 0, time);
}

/** Scale of the layer, 1 as it is; of its parents nothing is known here. */
function scaleAt(layer: Layer, dimension: 0 | 1, time: number): number {
  var transform = layer.property('ADBE Transform Group') as PropertyGroup;
  var scale = transform.property('ADBE Scale') as unknown as TwoDProperty;
  var factor = Math.abs(scale.valueAtTime(time, false)[dimension]) / 100;
  // Text that grows out of nothing has its size later.
  return factor < 0.01 ? 1 : factor;
}

function textTimes(layer: Layer, property: TextDocumentProperty): number[] {
  var times: number[] = [];
  for (var key = 1; key <= property.numKeys; key++) times.push(property.keyTime(key));
  return times.length === 0 ? [layer.inPoint] : times;
}
