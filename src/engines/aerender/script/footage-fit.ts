/** Puts a picture of another size where the one before was: same rectangle, whatever moves, turns or scales it. */
import { messageOf, quote } from './failure.ts';
import { childrenOf } from './property-path.ts';
import { type Session, warn } from './session.ts';

type Fit = 'contain' | 'cover' | 'stretch' | 'none';
type Point = [number, number];

/** Where a layer shows its source. */
export interface PicturePlace {
  /** Pixels of the source; 0: it has no picture. */
  readonly width: number;
  readonly height: number;
  readonly pixelAspect: number;
  readonly scale: Track;
  readonly anchor: Track;
}

/** The values of a property: of all keyframes, or the one. */
interface Track {
  readonly values: number[][];
  readonly isKeyed: boolean;
}

/** How pixels of the old picture come from those of the new: old = origin + new * factor. */
interface Mapping {
  readonly origin: Point;
  readonly factor: Point;
}

/** Pixels by which a picture may exceed its place: rounding. */
var PICTURE_TOLERANCE = 0.5;

/** To be called before the source is replaced. */
export function placeOf(layer: AVLayer): PicturePlace {
  var source = layer.source as AVItem;
  var hasPicture = source.hasVideo && layer.width > 0 && layer.height > 0;
  return {
    width: hasPicture ? layer.width : 0,
    height: hasPicture ? layer.height : 0,
    pixelAspect: hasPicture && source.pixelAspect > 0 ? source.pixelAspect : 1,
    scale: readTrack(layer, 'ADBE Scale'),
    anchor: readTrack(layer, 'ADBE Anchor Point')
  };
}

/** To be called after the source is replaced: sets anchor point, scale and masks. Sounds have none. */
export function fitPicture(session: Session, layer: AVLayer, place: PicturePlace, fit: Fit): void {
  var source = layer.source as AVItem;
  if (place.width === 0 || !source.hasVideo || !(layer.width > 0) || !(layer.height > 0)) return;
  var newAspect = source.pixelAspect > 0 ? source.pixelAspect : 1;
  var factor = fitFactors(
    fit,
    [place.width * place.pixelAspect, place.height],
    [layer.width * newAspect, layer.height]
  );
  var mapping: Mapping = {
    origin: [0, 0],
    factor: [(factor[0] * newAspect) / place.pixelAspect, factor[1]]
  };
  mapping.origin[0] = (place.width - layer.width * mapping.factor[0]) / 2;
  mapping.origin[1] = (place.height - layer.height * mapping.factor[1]) / 2;
  writeTrack(session, layer, 'ADBE Anchor Point', place.anchor, function (value) {
    return withRest(toNew(mapping, value), value);
  });
  writeTrack(session, layer, 'ADBE Scale', place.scale, function (value) {
    return withRest([value[0] * factor[0], value[1] * factor[1]], value);
  });
  moveMasks(session, layer, mapping);
  if (fit === 'cover') cropTo(session, layer, mapping, place);
}

/** How much larger than its pixels (which are square here) the picture is shown. */
function fitFactors(fit: Fit, room: Point, picture: Point): Point {
  var horizontal = room[0] / picture[0];
  var vertical = room[1] / picture[1];
  if (fit === 'stretch') return [horizontal, vertical];
  var factor = 1;
  if (fit === 'contain') factor = Math.min(horizontal, vertical);
  if (fit === 'cover') factor = Math.max(horizontal, vertical);
  return [factor, factor];
}

/** A point of the old picture in the new one. */
function toNew(mapping: Mapping, point: readonly number[]): Point {
  return [
    (point[0] - mapping.origin[0]) / mapping.factor[0],
    (point[1] - mapping.origin[1]) / mapping.factor[1]
  ];
}

/** Third dimension as it was. */
function withRest(point: Point, value: readonly number[]): number[] {
  return ([] as number[]).concat(point, value.slice(2));
}

function transformProperty(layer: Layer, matchName: string): Property {
  return (layer.property('ADBE Transform Group') as PropertyGroup).property(matchName) as unknown as Property;
}

/** Values without expressions: what an expression does with them, it does with others. */
function readTrack(layer: Layer, matchName: string): Track {
  var property = transformProperty(layer, matchName);
  var values: number[][] = [];
  for (var key = 1; key <= property.numKeys; key++) values.push(property.keyValue(key) as number[]);
  if (property.numKeys === 0) values.push(property.valueAtTime(layer.inPoint, true) as number[]);
  return { values: values, isKeyed: property.numKeys > 0 };
}

function writeTrack(
  session: Session,
  layer: Layer,
  matchName: string,
  track: Track,
  change: (value: readonly number[]) => number[]
): void {
  var property = transformProperty(layer, matchName);
  if (property.expressionEnabled && property.expression) {
    warn(
      session,
      quote(layer.name) +
        ': an expression sets ' +
        quote(property.name) +
        '; a picture of another size may be misplaced'
    );
  }
  if (!track.isKeyed) {
    property.setValue(change(track.values[0]));
    return;
  }
  for (var key = 1; key <= track.values.length; key++)
    property.setValueAtKey(key, change(track.values[key - 1]));
}

/** Masks are in pixels of the picture: they stay where they were in the composition. */
function moveMasks(session: Session, layer: Layer, mapping: Mapping): void {
  var masks = masksOf(layer);
  for (var index = 0; index < masks.length; index++) {
    try {
      var path = masks[index].property('ADBE Mask Shape') as unknown as ShapeProperty;
      if (path.numKeys === 0) path.setValue(movedShape(path.value, mapping));
      for (var key = 1; key <= path.numKeys; key++) {
        path.setValueAtKey(key, movedShape(path.keyValue(key), mapping));
      }
    } catch (error) {
      warn(session, 'a mask of ' + quote(layer.name) + ' stays as it was: ' + messageOf(error));
    }
  }
}

function movedShape(shape: Shape, mapping: Mapping): Shape {
  var moved = new Shape();
  moved.closed = shape.closed;
  moved.vertices = movedPoints(shape.vertices as Point[], mapping, true);
  moved.inTangents = movedPoints(shape.inTangents as Point[], mapping, false);
  moved.outTangents = movedPoints(shape.outTangents as Point[], mapping, false);
  return moved;
}

/** Tangents are relative to their points: only their length changes. */
function movedPoints(points: readonly Point[], mapping: Mapping, isPlace: boolean): Point[] {
  var moved: Point[] = [];
  for (var index = 0; index < points.length; index++) {
    var relative: Point = [points[index][0] / mapping.factor[0], points[index][1] / mapping.factor[1]];
    moved.push(isPlace ? toNew(mapping, points[index]) : relative);
  }
  return moved;
}

/** What a covering picture exceeds its place by is masked out. */
function cropTo(session: Session, layer: AVLayer, mapping: Mapping, place: PicturePlace): void {
  var corner = toNew(mapping, [0, 0]);
  var opposite = toNew(mapping, [place.width, place.height]);
  if (corner[0] < PICTURE_TOLERANCE && corner[1] < PICTURE_TOLERANCE) return;
  try {
    var parade = layer.property('ADBE Mask Parade') as PropertyGroup | null;
    if (!parade) return;
    var others = masksOf(layer).length;
    var mask = parade.addProperty('ADBE Mask Atom') as unknown as MaskPropertyGroup;
    var shape = new Shape();
    shape.vertices = [corner, [opposite[0], corner[1]], opposite, [corner[0], opposite[1]]];
    shape.closed = true;
    (mask.property('ADBE Mask Shape') as unknown as ShapeProperty).setValue(shape);
    if (others > 0) mask.maskMode = MaskMode.INTERSECT;
  } catch (error) {
    warn(session, quote(layer.name) + ' covers more than its place: ' + messageOf(error));
  }
}

function masksOf(layer: Layer): PropertyBase[] {
  var parade = layer.property('ADBE Mask Parade') as unknown as PropertyBase | null;
  return parade ? childrenOf(parade) : [];
}
