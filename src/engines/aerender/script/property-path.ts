/** Properties by a path of names, match names or numbers: "Effects.Fill.Color". */
import { fail, quote } from './failure.ts';
import { candidatesFor } from './names.ts';

/** What a path leads to, or how far it led. */
interface Search {
  /** The last group that was found, for the names that it has. */
  deepest: PropertyBase;
  /** How many parts of the path that took. */
  depth: number;
  /** Those of one name, where a part of the path has several. */
  repeated: string[];
}

/** After Effects nests less deeply; paths are written by template authors. */
var MAX_PROPERTY_PARTS = 32;

/**
 * English names of what every After Effects has under the name of its language; of effects those
 * that templates are most often steered by, others have match names, which "template inspect" lists. One name has several where groups of different kinds use it.
 */
var ENGLISH: Record<string, string[]> = {
  'Effects': ['ADBE Effect Parade'],
  'Transform': ['ADBE Transform Group', 'ADBE Vector Transform Group'],
  'Anchor Point': ['ADBE Anchor Point', 'ADBE Vector Anchor'],
  'Position': ['ADBE Position', 'ADBE Vector Position'],
  'Scale': ['ADBE Scale', 'ADBE Vector Scale'],
  'Rotation': ['ADBE Rotate Z', 'ADBE Vector Rotation'],
  'X Rotation': ['ADBE Rotate X'],
  'Y Rotation': ['ADBE Rotate Y'],
  'Z Rotation': ['ADBE Rotate Z'],
  'Orientation': ['ADBE Orientation'],
  'X Position': ['ADBE Position_0'],
  'Y Position': ['ADBE Position_1'],
  'Z Position': ['ADBE Position_2'],
  'Opacity': [
    'ADBE Opacity',
    'ADBE Vector Fill Opacity',
    'ADBE Vector Stroke Opacity',
    'ADBE Vector Group Opacity',
    'ADBE Fill-0005'
  ],
  'Text': ['ADBE Text Properties'],
  'Source Text': ['ADBE Text Document'],
  'Masks': ['ADBE Mask Parade'],
  'Contents': ['ADBE Root Vectors Group', 'ADBE Vectors Group'],
  'Color': [
    'ADBE Vector Fill Color',
    'ADBE Vector Stroke Color',
    'ADBE Fill-0002',
    'ADBE Color Control-0001'
  ],
  // What templates are steered by: effects are called in the language of the machine too, unless somebody named them.
  'Fill': ['ADBE Fill'],
  'Tint': ['ADBE Tint'],
  'Map Black To': ['ADBE Tint-0001'],
  'Map White To': ['ADBE Tint-0002'],
  'Amount to Tint': ['ADBE Tint-0003'],
  'Slider Control': ['ADBE Slider Control'],
  'Slider': ['ADBE Slider Control-0001'],
  'Checkbox Control': ['ADBE Checkbox Control'],
  'Checkbox': ['ADBE Checkbox Control-0001'],
  'Color Control': ['ADBE Color Control'],
  'Point Control': ['ADBE Point Control'],
  'Point': ['ADBE Point Control-0001'],
  'Angle Control': ['ADBE Angle Control'],
  'Angle': ['ADBE Angle Control-0001'],
  'Stroke Width': ['ADBE Vector Stroke Width'],
  'Size': ['ADBE Vector Rect Size', 'ADBE Vector Ellipse Size'],
  'Audio': ['ADBE Audio Group'],
  'Audio Levels': ['ADBE Audio Levels'],
  'Material Options': ['ADBE Material Options Group'],
  'Geometry Options': ['ADBE Extrsn Options Group'],
  'Layer Styles': ['ADBE Layer Styles'],
  'Time Remap': ['ADBE Time Remapping'],
  'Essential Properties': ['ADBE Layer Overrides'],
  'Camera Options': ['ADBE Camera Options Group'],
  'Light Options': ['ADBE Light Options Group']
};

/** The one property at the path. AE_PROPERTY_NOT_FOUND when there is none, several, or a group of properties. */
export function findProperty(layer: Layer, path: string): Property {
  var parts = splitPath(path);
  var search: Search = { deepest: layer, depth: 0, repeated: [] };
  var found = parts.length > MAX_PROPERTY_PARTS ? null : walk(layer, parts, 0, search);
  if (found !== null && found.propertyType === PropertyType.PROPERTY) return found as Property;
  var where = quote(path) + ' of layer ' + quote(layer.name);
  if (found !== null) {
    return fail('AE_PROPERTY_NOT_FOUND', where + ' is a group of properties', childPaths(found, path, ''));
  }
  if (search.repeated.length > 0) {
    fail('AE_PROPERTY_NOT_FOUND', 'several properties are called ' + where, search.repeated);
  }
  var prefix = joinPath(parts.slice(0, search.depth));
  return fail(
    'AE_PROPERTY_NOT_FOUND',
    'there is no property ' + where,
    childPaths(search.deepest, prefix, parts[search.depth])
  );
}

/** Names may hold dots: of the parts from `from` on, the longest that are one name are tried first. */
function walk(
  group: PropertyBase,
  parts: readonly string[],
  from: number,
  search: Search
): PropertyBase | null {
  if (from === parts.length) return group;
  if (from > search.depth) {
    search.deepest = group;
    search.depth = from;
  }
  if (group.propertyType === PropertyType.PROPERTY) return null;
  for (var to = parts.length; to > from; to--) {
    var name = parts.slice(from, to).join('.');
    var children = childrenCalled(group as PropertyGroup, name);
    if (children.length > 1) {
      search.repeated = numbered(group, children, name, joinPath(parts.slice(0, from)));
    } else if (children.length === 1) {
      var found = walk(children[0], parts, to, search);
      if (found !== null) return found;
    }
  }
  return null;
}

/** By name, else match name, else its English name, else number; else what After Effects itself takes the name for. */
function childrenCalled(group: PropertyGroup, name: string): PropertyBase[] {
  var byName: PropertyBase[] = [];
  var byMatchName: PropertyBase[] = [];
  var byEnglish: PropertyBase[] = [];
  var children = childrenOf(group);
  for (var index = 0; index < children.length; index++) {
    if (children[index].name === name) byName.push(children[index]);
    if (children[index].matchName === name) byMatchName.push(children[index]);
    if (isCalledInEnglish(children[index], name)) byEnglish.push(children[index]);
  }
  if (byName.length > 0) return byName;
  if (byMatchName.length > 0) return byMatchName;
  if (byEnglish.length > 0) return byEnglish;
  if (/^[0-9]{1,4}$/.test(name)) {
    var number = Number(name);
    return number >= 1 && number <= children.length ? [children[number - 1]] : [];
  }
  var other = memberOf(group, name);
  return other === null ? [] : [other];
}

/** Shortcuts such as "Opacity" of a layer. A name that it does not know is null or, in some groups, an error. */
function memberOf(group: PropertyGroup, name: string): PropertyBase | null {
  try {
    var member = group.property(name) as PropertyBase | null;
    return member ? member : null;
  } catch (_unknown) {
    return null;
  }
}

function isCalledInEnglish(property: PropertyBase, name: string): boolean {
  if (!Object.prototype.hasOwnProperty.call(ENGLISH, name)) return false;
  var matchNames = ENGLISH[name];
  for (var index = 0; index < matchNames.length; index++) {
    if (matchNames[index] === property.matchName) return true;
  }
  return false;
}

/** Members of a group, in order; of a property none. */
export function childrenOf(group: PropertyBase): PropertyBase[] {
  var children: PropertyBase[] = [];
  if (group.propertyType === PropertyType.PROPERTY) return children;
  var count = (group as PropertyGroup).numProperties;
  for (var index = 1; index <= count; index++) {
    var child = group.property(index) as PropertyBase | null;
    if (child) children.push(child);
  }
  return children;
}

/** The parts between dots; a dot or backslash after a backslash is one of the name. */
function splitPath(path: string): string[] {
  var parts: string[] = [];
  var part = '';
  for (var at = 0; at < path.length; at++) {
    var character = path.charAt(at);
    var next = path.charAt(at + 1);
    if (character === '\\' && (next === '.' || next === '\\')) {
      part += next;
      at++;
    } else if (character === '.') {
      parts.push(part);
      part = '';
    } else {
      part += character;
    }
  }
  parts.push(part);
  return parts;
}

function joinPath(parts: readonly string[]): string {
  return parts.join('.');
}

/** Paths of the members of a group as one would write them, those like `wanted` first. */
function childPaths(group: PropertyBase, prefix: string, wanted: string): string[] {
  var children = childrenOf(group);
  var names: string[] = [];
  for (var index = 0; index < children.length; index++) names.push(children[index].name);
  var near = candidatesFor(wanted, names);
  for (var at = 0; at < near.length; at++) near[at] = prefix === '' ? near[at] : prefix + '.' + near[at];
  return near;
}

/** Those of one name have different numbers. `propertyIndex` is one only of what is in an indexed group. */
function numbered(
  group: PropertyBase,
  repeated: readonly PropertyBase[],
  name: string,
  prefix: string
): string[] {
  var paths: string[] = [];
  var isByName = repeated[0].name === name;
  var children = childrenOf(group);
  for (var index = 0; index < children.length; index++) {
    var isMeant = isByName
      ? children[index].name === name
      : children[index].matchName === repeated[0].matchName;
    if (isMeant) paths.push((prefix === '' ? '' : prefix + '.') + (index + 1));
  }
  return paths;
}
