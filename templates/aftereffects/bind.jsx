// Puts the inputs of a job into a copy of an After Effects project; started by flatrender.
// Generated from src/engines/aerender/script by "npm run docs"; do not edit.
(function () {

// src/engines/aerender/script/failure.ts

/** What went wrong, as it gets into result.json. */

/** Ends the script with this error. */
function fail(code               , message        , candidates                    )        {
  throw failure(code, message, candidates);
}

/** The error that {@link fail} throws, for those that add to it. */
function failure(code               , message        , candidates                    )          {
  return {
    isFailure: true,
    code: code,
    message: message,
    candidates: candidates || [],
    file: null,
    line: null,
    missingFootage: [],
    missingFonts: []
  };
}

/** Any thrown value: ours as it is; errors of After Effects and of JavaScript with the place where they say it was. */
function toFailure(error         )          {
  var thrown = error                                                                      ;
  if (thrown !== null && typeof thrown === 'object' && thrown.isFailure === true) return error           ;
  var made = failure('AE_SCRIPT_ERROR', messageOf(error));
  if (thrown !== null && typeof thrown === 'object') {
    if (typeof thrown.line === 'number') made.line = thrown.line;
    if (thrown.fileName) made.file = String(thrown.fileName);
  }
  return made;
}

/** The message of any thrown value, on one line. */
function messageOf(error         )         {
  var thrown = error                                                       ;
  var text = '';
  if (thrown !== null && typeof thrown === 'object') {
    if (thrown.message) text = String(thrown.message);
    else if (thrown.description) text = String(thrown.description);
  }
  if (text === '') text = String(error);
  return text.replace(/\s+/g, ' ');
}

/** A name as it appears in messages. */
function quote(name        )         {
  return '"' + name + '"';
}

// src/engines/aerender/script/names.ts

/** Names that were perhaps meant, for messages. */

/** More do not help anybody, and messages stay readable. */
var MAX_CANDIDATES = 20;
/** Beyond this, names are listed in their order: comparing is slow in ExtendScript. */
var MAX_COMPARED = 300;
var COMPARED_LENGTH = 40;

/** At most 20 different names, those like `wanted` first. */
function candidatesFor(wanted        , names                   )           {
  var listed                                                      = [];
  var seen                          = {};
  for (var index = 0; index < names.length && listed.length < MAX_COMPARED; index++) {
    // The prefix keeps names such as "constructor" apart from what every object has.
    var key = 'name ' + names[index];
    if (seen[key] === true) continue;
    seen[key] = true;
    listed.push({ name: names[index], distance: distance(wanted, names[index]), index: index });
  }
  listed.sort(function (one, other) {
    return one.distance === other.distance ? one.index - other.index : one.distance - other.distance;
  });
  var found           = [];
  for (var at = 0; at < listed.length && at < MAX_CANDIDATES; at++) found.push(listed[at].name);
  return found;
}

/** Single characters to change (Levenshtein), without regard to case; one that contains the other is near. */
function distance(wanted        , name        )         {
  var one = wanted.toLowerCase().substring(0, COMPARED_LENGTH);
  var other = name.toLowerCase().substring(0, COMPARED_LENGTH);
  if (one === other) return 0;
  if (one !== '' && other !== '' && (one.indexOf(other) !== -1 || other.indexOf(one) !== -1)) return 1;
  var row           = [];
  for (var start = 0; start <= other.length; start++) row.push(start);
  for (var i = 1; i <= one.length; i++) {
    var diagonal = row[0];
    row[0] = i;
    for (var j = 1; j <= other.length; j++) {
      var above = row[j];
      var same = one.charAt(i - 1) === other.charAt(j - 1);
      row[j] = Math.min(above + 1, row[j - 1] + 1, diagonal + (same ? 0 : 1));
      diagonal = above;
    }
  }
  return row[other.length] + 1;
}

// src/engines/aerender/script/items.ts

/** Items of the project by name or "Folder/Name". */

/** Folders within folders; more would be a loop. */
var MAX_FOLDERS = 100;

/** All compositions of the project. */
function allCompositions()             {
  var found             = [];
  for (var index = 1; index <= app.project.numItems; index++) {
    var item = app.project.item(index);
    if (item instanceof CompItem) found.push(item);
  }
  return found;
}

/** What layers can show. */
function allSources()           {
  var found           = [];
  for (var index = 1; index <= app.project.numItems; index++) {
    var item = app.project.item(index);
    if (item instanceof CompItem || item instanceof FootageItem) found.push(item);
  }
  return found;
}

/** "Folder/Name" from the top of the project. */
function itemPath(item      )         {
  var path = item.name;
  var folder = item.parentFolder;
  for (var depth = 0; depth < MAX_FOLDERS && folder && folder.id !== app.project.rootFolder.id; depth++) {
    path = folder.name + '/' + path;
    folder = folder.parentFolder;
  }
  return path;
}

/** The one composition of that name. AE_COMP_NOT_FOUND when there is none or more than one. */
function findComposition(address        )           {
  return findItem(address, allCompositions(), 'composition', 'AE_COMP_NOT_FOUND');
}

/**
 * Items match by their name or the end of their path; "/Name" is only the one outside of all folders. Names may hold
 * slashes themselves.
 */
function findItem                (
  address        ,
  items              ,
  kind        ,
  code
)    {
  var matches      = [];
  var paths           = [];
  var matching           = [];
  for (var index = 0; index < items.length; index++) {
    var path = '/' + itemPath(items[index]);
    paths.push(path.substring(1));
    if (path === address || endsWith(path, '/' + address)) {
      matches.push(items[index]);
      matching.push(path.indexOf('/', 1) === -1 ? path : path.substring(1));
    }
  }
  if (matches.length === 1) return matches[0];
  if (matches.length === 0) {
    fail(code, 'there is no ' + kind + ' ' + quote(address), candidatesFor(address, paths));
  }
  return fail(
    code,
    'there are ' + matches.length + ' ' + kind + 's ' + quote(address),
    candidatesFor(address, matching)
  );
}

function endsWith(text        , end        )          {
  return text.length >= end.length && text.substring(text.length - end.length) === end;
}

// src/engines/aerender/script/layers.ts

/** Layers by name, "Precomp/Layer" or number. */

/** Of "Precomp/Precomp/Layer": every split of it is tried. */
var MAX_PARTS = 16;
/** Names in a message. */
var MAX_LISTED = 20;

/**
 * The one layer of that address, unlocked. A name is looked for in the composition that the address names or else in the
 * rendered one, and if it is not there in all compositions within. AE_LAYER_NOT_FOUND when there is none or several.
 */
function findLayer(rendered          , address              )        {
  var composition = address.composition === null ? rendered : findComposition(address.composition);
  var layer =
    typeof address.layer === 'number'
      ? layerByNumber(composition, address.layer)
      : layerByName(composition, address.composition !== null, address.layer);
  if (layer.locked) layer.locked = false;
  return layer;
}

/** The compositions that a composition shows, itself first, each once. */
function compositionTree(composition          )             {
  var tree = [composition];
  var seen                          = {};
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
function compositionOf(layer       )                  {
  var source = sourceOf(layer);
  return source instanceof CompItem ? source : null;
}

/** The item that a layer shows, or null. */
function sourceOf(layer       )                {
  if (!(layer instanceof AVLayer)) return null;
  var source = layer.source                             ;
  return source ? source : null;
}

/**
 * Whether a layer has a source that can be replaced. A null object has one too, a solid, but stays invisible whatever it
 * is given (After Effects Scripting Guide, AVLayer.replaceSource).
 */
function canBeReplaced(layer       )          {
  return sourceOf(layer) !== null && !layer.nullLayer;
}

function layerByNumber(composition          , number        )        {
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
function layerByName(composition          , isNamed         , name        )        {
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

function namedLayers(composition          , name        )          {
  var found          = [];
  for (var index = 1; index <= composition.numLayers; index++) {
    if (composition.layer(index).name === name) found.push(composition.layer(index));
  }
  return found;
}

/** "Precomp/Layer": layers of the compositions that "Precomp", a layer or a composition within, leads to. */
function layersByPath(outer          , path        )          {
  var found          = [];
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
function compositionsCalled(outer          , name        )             {
  var tree = compositionTree(outer);
  var found             = [];
  var seen                          = {};
  function add(composition          )       {
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
function withoutRepeats(layers                  )          {
  var kept          = [];
  var seen                          = {};
  for (var index = 0; index < layers.length; index++) {
    var key = layerKey(layers[index]);
    if (seen[key] !== true) kept.push(layers[index]);
    seen[key] = true;
  }
  return kept;
}

/** Tells layers apart; good until layers are added or removed. */
function layerKey(layer       )         {
  return layer.containingComp.id + ':' + layer.index;
}

/** Two of one name in one composition differ by their number only. */
function describeLayers(layers                  )           {
  var names           = [];
  for (var index = 0; index < layers.length && index < MAX_LISTED; index++) {
    names.push('number ' + layers[index].index + ' of ' + layers[index].containingComp.name);
  }
  return names;
}

function layerNames(compositions                     )           {
  var names           = [];
  for (var next = 0; next < compositions.length; next++) {
    for (var index = 1; index <= compositions[next].numLayers; index++) {
      names.push(compositions[next].layer(index).name);
    }
  }
  return names;
}

function numberedNames(composition          )           {
  var names           = [];
  for (var index = 1; index <= composition.numLayers && index <= MAX_LISTED; index++) {
    names.push(index + ' ' + composition.layer(index).name);
  }
  return names;
}

function append   (list     , more              )       {
  for (var index = 0; index < more.length; index++) list.push(more[index]);
}

// src/engines/aerender/script/property-path.ts

/** Properties by a path of names, match names or numbers: "Effects.Fill.Color". */

/** What a path leads to, or how far it led. */

/** After Effects nests less deeply; paths are written by template authors. */
var MAX_PROPERTY_PARTS = 32;

/**
 * English names of what every After Effects has under the name of its language; of effects those
 * that templates are most often steered by, others have match names, which "template inspect" lists. One name has several where groups of different kinds use it.
 */
var ENGLISH                           = {
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
function findProperty(layer       , path        )           {
  var parts = splitPath(path);
  var search         = { deepest: layer, depth: 0, repeated: [] };
  var found = parts.length > MAX_PROPERTY_PARTS ? null : walk(layer, parts, 0, search);
  if (found !== null && found.propertyType === PropertyType.PROPERTY) return found            ;
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
  group              ,
  parts                   ,
  from        ,
  search
)                      {
  if (from === parts.length) return group;
  if (from > search.depth) {
    search.deepest = group;
    search.depth = from;
  }
  if (group.propertyType === PropertyType.PROPERTY) return null;
  for (var to = parts.length; to > from; to--) {
    var name = parts.slice(from, to).join('.');
    var children = childrenCalled(group                 , name);
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
function childrenCalled(group               , name        )                 {
  var byName                 = [];
  var byMatchName                 = [];
  var byEnglish                 = [];
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
function memberOf(group               , name        )                      {
  try {
    var member = group.property(name)                       ;
    return member ? member : null;
  } catch (_unknown) {
    return null;
  }
}

function isCalledInEnglish(property              , name        )          {
  if (!Object.prototype.hasOwnProperty.call(ENGLISH, name)) return false;
  var matchNames = ENGLISH[name];
  for (var index = 0; index < matchNames.length; index++) {
    if (matchNames[index] === property.matchName) return true;
  }
  return false;
}

/** Members of a group, in order; of a property none. */
function childrenOf(group              )                 {
  var children                 = [];
  if (group.propertyType === PropertyType.PROPERTY) return children;
  var count = (group                 ).numProperties;
  for (var index = 1; index <= count; index++) {
    var child = group.property(index)                       ;
    if (child) children.push(child);
  }
  return children;
}

/** The parts between dots; a dot or backslash after a backslash is one of the name. */
function splitPath(path        )           {
  var parts           = [];
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

function joinPath(parts                   )         {
  return parts.join('.');
}

/** Paths of the members of a group as one would write them, those like `wanted` first. */
function childPaths(group              , prefix        , wanted        )           {
  var children = childrenOf(group);
  var names           = [];
  for (var index = 0; index < children.length; index++) names.push(children[index].name);
  var near = candidatesFor(wanted, names);
  for (var at = 0; at < near.length; at++) near[at] = prefix === '' ? near[at] : prefix + '.' + near[at];
  return near;
}

/** Those of one name have different numbers. `propertyIndex` is one only of what is in an indexed group. */
function numbered(
  group              ,
  repeated                         ,
  name        ,
  prefix
)           {
  var paths           = [];
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

// src/engines/aerender/script/files.ts

/** Files of the disk. */

/**
 * The file at a native path. ExtendScript takes `%41` in a path for an escaped "A" (JavaScript Tools Guide, "Specifying
 * paths"), so that a percent sign has to be escaped itself.
 */
function fileAt(path        )       {
  if (path.indexOf('%') === -1) return new File(path);
  var escaped = new File(path.replace(/%/g, '%25'));
  if (escaped.exists) return escaped;
  var plain = new File(path);
  return plain.exists ? plain : escaped;
}

/** The folder at a native path; see {@link fileAt}. */
function folderAt(path        )         {
  return new Folder(path.replace(/%/g, '%25'));
}

/** The text of an ASCII file. */
function readText(path        )         {
  var file = fileAt(path);
  file.encoding = 'UTF-8';
  if (!file.open('r')) fail('AE_SCRIPT_ERROR', 'cannot read ' + path + ': ' + file.error);
  var text = file.read();
  file.close();
  return text;
}

/** Writes an ASCII file; false when that failed. */
function writeText(path        , text        )          {
  try {
    var file = fileAt(path);
    file.encoding = 'UTF-8';
    file.lineFeed = 'Unix';
    if (!file.open('w')) return false;
    var isWritten = file.write(text);
    return file.close() && isWritten;
  } catch (_refused) {
    return false;
  }
}

/** Writes a file so that it is either there as a whole or not at all. */
function writeTextAtOnce(directory        , name        , text        )          {
  var part = directory + '/' + name + '.part';
  if (!writeText(part, text)) return false;
  try {
    var old = fileAt(directory + '/' + name);
    if (old.exists) old.remove();
    return fileAt(part).rename(name);
  } catch (_refused) {
    return false;
  }
}

// src/engines/aerender/script/session.ts

/** What one run of the script knows. */

/** The operations of one kind. */

/** What is known so far; after a failure as well. */

/** Beyond this nobody reads them. */
var MAX_WARNINGS = 100;

/** Says in the file `started` what comes next, so that one that hangs has said what hung. */
function announce(session         , step        , at               )       {
  session.report.at = at;
  writeText(session.directory + '/started', writableName(step));
}

/** Something that people should know, said once. */
function warn(session         , text        )       {
  var whole = session.report.at === null ? text : session.report.at + ': ' + text;
  var warnings = session.report.warnings;
  for (var index = 0; index < warnings.length; index++) {
    if (warnings[index] === whole) return;
  }
  if (warnings.length < MAX_WARNINGS) warnings.push(whole);
}

function writableName(text        )         {
  return text.replace(/[^\x20-\x7e]/g, '?');
}

// src/engines/aerender/script/text-document.ts

/** Text documents: the values of Source Text. */

/** After Effects ends lines with a carriage return. */
function setText(document              , text        )       {
  document.text = text.replace(/\r\n|\n/g, '\r');
}

/** Changes the text document, or those of all keyframes. */
function changeText(property                      , change                                  )       {
  var keys = property.numKeys;
  for (var key = keys === 0 ? 0 : 1; key <= keys; key++) {
    var document = documentAt(property, key);
    change(document);
    writeDocument(property, key, document);
  }
}

/** The document of a keyframe; of 0, the one of a property without keyframes. */
function documentAt(property                      , key        )               {
  return key === 0 ? property.value : property.keyValue(key);
}

/** The opposite of {@link documentAt}. */
function writeDocument(property                      , key        , document              )       {
  if (key === 0) property.setValue(document);
  else property.setValueAtKey(key, document);
}

/** The Source Text of a layer, or null where there is none. */
function sourceText(layer       )                              {
  var group = layer.property('ADBE Text Properties')                        ;
  if (!group) return null;
  var property = group.property('ADBE Text Document')                                          ;
  return property ? property : null;
}

/** Of After Effects 24.3: what the characters do not have alike is undefined. */

/** Whether the characters differ in font, size or colour; before After Effects 24.3 nobody knows here. */
function hasSeveralStyles(document              )          {
  var ranged = document                             ;
  if (typeof ranged.characterRange !== 'function' || document.text === '') return false;
  try {
    var all = ranged.characterRange(0, document.text.length);
    if (all.font === undefined || all.fontSize === undefined) return true;
    return document.applyFill === true && all.fillColor === undefined;
  } catch (_unknown) {
    return false;
  }
}

/** Fonts of all characters; before After Effects 24.3 that of the first. */
function fontsOf(document              )           {
  var fonts           = [];
  var ranged = document                             ;
  try {
    if (typeof ranged.characterRange === 'function') collectFonts(ranged, 0, document.text.length, fonts);
  } catch (_unknown) {
    fonts = [];
  }
  return fonts.length === 0 ? [document.font] : fonts;
}

/** Halves what has several fonts until each part has one. */
function collectFonts(document                , start        , end        , fonts          )       {
  if (end <= start || !document.characterRange) return;
  var font = document.characterRange(start, end).font;
  if (font !== undefined) {
    fonts.push(font);
  } else if (end - start > 1) {
    var middle = Math.floor((start + end) / 2);
    collectFonts(document, start, middle, fonts);
    collectFonts(document, middle, end, fonts);
  }
}

// src/engines/aerender/script/checks.ts

/** Files and fonts that the rendered composition needs and that are not there. */

/** Names in a message; all of them are in the result. */
var MAX_NAMED = 5;

/** Files of footage that some layer shows. Placeholders that no input replaced are said to be there. */
function missingFootage(session         )                   {
  var missing                   = [];
  var seen                          = {};
  eachLayer(session, function (layer) {
    var source = sourceOf(layer);
    if (!(source instanceof FootageItem) || seen['id ' + source.id] === true) return;
    seen['id ' + source.id] = true;
    if (source.mainSource instanceof PlaceholderSource) {
      warn(session, 'layer ' + quote(layer.name) + ' shows the placeholder ' + quote(source.name));
    } else if (source.footageMissing) {
      missing.push({ name: source.name, path: footagePath(source) });
    }
  });
  return missing;
}

/** PostScript names of all fonts of text layers. */
function usedFonts(session         )           {
  var fonts           = [];
  var seen                          = {};
  eachLayer(session, function (layer) {
    var property = sourceText(layer);
    if (property === null) return;
    var keys = property.numKeys;
    for (var key = keys === 0 ? 0 : 1; key <= keys; key++) {
      var own = fontsOf(documentAt(property, key));
      for (var index = 0; index < own.length; index++) {
        if (seen['font ' + own[index]] !== true) fonts.push(own[index]);
        seen['font ' + own[index]] = true;
      }
    }
  });
  return fonts;
}

/**
 * Fonts that After Effects replaces by others. It says which from version 24.0 on; before, nobody knows here. Before
 * 24.3 a text of several fonts names only the first: others that are not there are a warning, because they may be of
 * another text.
 */
function missingFonts(session         , used                   )           {
  var missing           = [];
  var fonts = app.fonts                           ;
  if (!fonts || !fonts.missingOrSubstitutedFonts) return missing;
  var substituted = fonts.missingOrSubstitutedFonts;
  for (var index = 0; index < substituted.length; index++) {
    var name = substituted[index].postScriptName;
    if (contains(used, name)) missing.push(name);
    else warn(session, 'the project has text in the font ' + quote(name) + ', which is not there');
  }
  return missing;
}

/**
 * Says which effects of the layers this After Effects does not have: it renders without them. Pseudo effects, groups of
 * controls that somebody defined, are in the project itself.
 */
function warnOfMissingEffects(session         )       {
  var installed = app.effects                                       ;
  if (!installed || !(installed.length > 0)) return;
  var known                          = {};
  for (var index = 0; index < installed.length; index++) known['effect ' + installed[index].matchName] = true;
  eachLayer(session, function (layer) {
    var parade = layer.property('ADBE Effect Parade')                                  ;
    var effects = parade ? childrenOf(parade) : [];
    for (var at = 0; at < effects.length; at++) {
      var matchName = effects[at].matchName;
      if (known['effect ' + matchName] === true || matchName.indexOf('Pseudo/') === 0) continue;
      warn(session, 'the effect ' + quote(effects[at].name) + ' (' + matchName + ') is not installed');
    }
  });
}

/** AE_MISSING_FOOTAGE with the names. */
function footageFailure(missing                           )          {
  var names           = [];
  for (var index = 0; index < missing.length; index++)
    names.push(missing[index].name + ' (' + missing[index].path + ')');
  var made = failure('AE_MISSING_FOOTAGE', 'files of the project are not there: ' + listed(names));
  made.missingFootage = missing;
  return made;
}

/** AE_MISSING_FONT with the names. */
function fontFailure(missing                   )          {
  var made = failure('AE_MISSING_FONT', 'After Effects lacks fonts of the project: ' + listed(missing));
  made.missingFonts = missing;
  return made;
}

function eachLayer(session         , visit                        )       {
  var tree = compositionTree(session.composition);
  for (var next = 0; next < tree.length; next++) {
    for (var index = 1; index <= tree[next].numLayers; index++) visit(tree[next].layer(index));
  }
}

/** Where a file is, or was on the machine that saved the project. */
function footagePath(item             )         {
  var source = item.mainSource;
  if (source instanceof FileSource && source.missingFootagePath) return String(source.missingFootagePath);
  return item.file ? item.file.fsName : '';
}

function contains(list                   , text        )          {
  for (var index = 0; index < list.length; index++) {
    if (list[index] === text) return true;
  }
  return false;
}

function listed(names                   )         {
  var rest = names.length - MAX_NAMED;
  return names.slice(0, MAX_NAMED).join(', ') + (rest > 0 ? ' and ' + rest + ' more' : '');
}

// src/engines/aerender/script/describe.ts

/** What the engine has to know of the bound composition and of this After Effects. */

/** Compositions within compositions; more would be a loop. */
var MAX_LEVELS = 100;

/** Size, rate and length of a composition. */
function describeComposition(composition          )                          {
  return {
    name: composition.name,
    width: composition.width,
    height: composition.height,
    fps: composition.frameRate,
    frames: Math.max(1, Math.round(composition.duration / composition.frameDuration)),
    startFrame: startFrame(composition),
    dropFrame: composition.dropFrame === true,
    hasAudio: hasSound(composition, 0),
    background: background(composition)
  };
}

/** Kept within 0 to 1, whatever rounding made of it. */
function background(composition          )                           {
  var color = composition.bgColor                     ;
  return [share(color[0]), share(color[1]), share(color[2])];
}

function share(part        )         {
  return part > 0 ? Math.min(1, part) : 0;
}

/** `displayStartFrame` is of After Effects 17.1. */
function startFrame(composition          )         {
  if (typeof composition.displayStartFrame === 'number') return Math.round(composition.displayStartFrame);
  return Math.round(composition.displayStartTime / composition.frameDuration);
}

/** Whether a layer that is switched on can be heard; of itself every composition claims to have sound. */
function hasSound(composition          , level        )          {
  for (var index = 1; index <= composition.numLayers; index++) {
    var layer = composition.layer(index);
    var source = sourceOf(layer);
    if (source === null || !(layer           ).audioEnabled) continue;
    var inner = compositionOf(layer);
    if (inner === null ? source.hasAudio : level < MAX_LEVELS && hasSound(inner, level + 1)) return true;
  }
  return false;
}

/**
 * Names of the templates for render settings and output modules: only an item of the queue knows them. Names that begin
 * with "_HIDDEN" are those of After Effects itself.
 */
function readTemplates(session         )       {
  try {
    var item = app.project.renderQueue.items.add(session.composition);
    session.report.renderSettings = visibleNames(item.templates);
    session.report.outputModules = visibleNames(item.outputModule(1).templates);
    item.remove();
  } catch (error) {
    warn(session, 'After Effects does not say which templates it has: ' + messageOf(error));
  }
}

function visibleNames(names                   )           {
  var visible           = [];
  for (var index = 0; index < names.length; index++) {
    if (names[index].indexOf('_HIDDEN') !== 0) visible.push(names[index]);
  }
  return visible;
}

// src/engines/aerender/script/footage-time.ts

/** Videos and sounds of another length than what they replace. */

/** When a layer is there, seconds of its composition. */

/** What After Effects takes for `stretch`, percent, and for `loop`. */
var MIN_STRETCH = 1;
var MAX_STRETCH = 9900;
var MAX_LOOPS = 9999;
/** Less than a sample of sound. */
var INSTANT = 0.00001;

/** To be called before the source is replaced. */
function spanOf(layer       )       {
  var source = sourceOf(layer);
  return {
    inPoint: layer.inPoint,
    outPoint: layer.outPoint,
    startTime: layer.startTime,
    isEndless: source === null || isEndless(source)
  };
}

/** To be called after the source is replaced. */
function fitTime(
  session         ,
  layer         ,
  span      ,
  source             ,
  time
)       {
  if (isEndless(source) || time === 'keep') {
    setSpan(layer, span);
    return;
  }
  if (layer.timeRemapEnabled) {
    layer.timeRemapEnabled = false;
    warn(
      session,
      'the time remapping of ' + quote(layer.name) + ' is switched off: the input has a time of its own'
    );
  }
  if (time === 'stretch') {
    stretchOver(layer, source, span.inPoint, span.outPoint);
    session.filling.push({ layer: layer, time: 'stretch' });
    return;
  }
  // What began in the middle of the old source begins there in the new one, if that is so long. A still has no middle,
  // and may be there before its start, where footage that lasts is not.
  var lasts = onceDuration(source) * speedOf(layer);
  var isWithin = !span.isEndless && (span.inPoint - span.startTime < lasts - INSTANT || time === 'loop');
  var start = isWithin ? span.startTime : span.inPoint;
  if (time === 'loop') {
    loopUntil(layer, source, span.outPoint - start);
    session.filling.push({ layer: layer, time: 'loop' });
  }
  var end = time === 'loop' ? span.outPoint : Math.min(span.outPoint, start + lasts);
  setSpan(layer, { inPoint: span.inPoint, outPoint: end, startTime: start, isEndless: false });
}

/** Stills, solids and placeholders of no length last as long as their layer. */
function isEndless(source        )          {
  return !(source.duration > 0) || (source instanceof FootageItem && source.mainSource.isStill === true);
}

/** Lets footage play from `from` to `to`, faster or slower. */
function stretchOver(layer         , source        , from        , to        )       {
  var percent = (100 * (to - from)) / onceDuration(source);
  layer.stretch = Math.min(MAX_STRETCH, Math.max(MIN_STRETCH, percent));
  setSpan(layer, { inPoint: from, outPoint: to, startTime: from, isEndless: false });
}

/** Repeats footage as often as the layer needs; an item may be shown by several, so that it never becomes shorter. */
function loopUntil(layer         , source        , seconds        )       {
  if (!(source instanceof FootageItem)) return;
  var wanted = Math.ceil(seconds / (onceDuration(source) * speedOf(layer)) - INSTANT);
  var loops = Math.min(MAX_LOOPS, Math.max(1, wanted));
  if (loops > source.mainSource.loop) source.mainSource.loop = loops;
}

/** Seconds after the start of the layer at which its source has ended. */
function sourceLasts(layer         , source        )         {
  return source.duration * speedOf(layer);
}

/** After Effects moves the out point with the start, and ends layers where their source ends. */
function setSpan(layer       , span      )       {
  if (layer.startTime !== span.startTime) layer.startTime = span.startTime;
  if (layer.inPoint !== span.inPoint) layer.inPoint = span.inPoint;
  if (layer.outPoint !== span.outPoint) layer.outPoint = span.outPoint;
  // An in point behind the old out point may not have been taken.
  if (layer.inPoint !== span.inPoint) layer.inPoint = span.inPoint;
}

/** Length of the footage played once. */
function onceDuration(source        )         {
  var loops = source instanceof FootageItem ? source.mainSource.loop : 1;
  return loops > 1 ? source.duration / loops : source.duration;
}

function speedOf(layer       )         {
  return Math.abs(layer.stretch) / 100;
}

// src/engines/aerender/script/duration.ts

/** The length of the rendered composition. */

/**
 * Gives a composition another length. Layers that reached its end reach the new one, as far as their source does; so do
 * the compositions behind them, and their layers. All of it is the work area: that is what After Effects renders.
 */
function setDuration(session         , composition          , seconds        )       {
  var frame = composition.frameDuration;
  var duration = Math.max(1, Math.round(seconds / frame)) * frame;
  var old = composition.duration;
  var following          = [];
  for (var index = 1; index <= composition.numLayers; index++) {
    if (composition.layer(index).outPoint >= old - frame / 2) following.push(composition.layer(index));
  }
  composition.duration = duration;
  for (var next = 0; next < following.length; next++) follow(session, following[next], duration);
  wholeWorkArea(composition);
}

/** The work area from the first to the last frame. */
function wholeWorkArea(composition          )       {
  composition.workAreaStart = 0;
  composition.workAreaDuration = composition.duration;
}

function follow(session         , layer       , end        )       {
  if (layer.inPoint >= end) return;
  var isLocked = layer.locked;
  if (isLocked) layer.locked = false;
  layer.outPoint = reachOf(session, layer, end);
  if (isLocked) layer.locked = true;
}

/** Where the layer ends at the latest; loops, stretches and compositions are made longer first. */
function reachOf(session         , layer       , end        )         {
  var source = sourceOf(layer);
  if (source === null || isEndless(source)) return end;
  var shown = layer           ;
  if (shown.timeRemapEnabled) return end;
  var inner = compositionOf(layer);
  if (inner !== null) {
    var needed = ((end - layer.startTime) * 100) / Math.abs(layer.stretch);
    if (needed > inner.duration + inner.frameDuration / 2) setDuration(session, inner, needed);
  }
  for (var index = 0; index < session.filling.length; index++) {
    var filling = session.filling[index];
    if (filling.layer.index !== layer.index || filling.layer.containingComp.id !== layer.containingComp.id)
      continue;
    if (filling.time === 'loop') loopUntil(shown, source, end - layer.startTime);
    else stretchOver(shown, source, layer.inPoint, end);
  }
  return Math.min(end, layer.startTime + sourceLasts(shown, source));
}

// src/engines/aerender/script/property-value.ts

/** Values of properties. */

/** Sets a property for the whole length of its layer; what moved it before does no more, with a warning. */
function setProperty(session         , property          , value       )       {
  if (property.propertyValueType === PropertyValueType.TEXT_DOCUMENT) {
    disableExpression(session, property);
    changeText(property                                   , function (document) {
      setText(document, String(value));
    });
    return;
  }
  var converted = convert(property, value);
  checkRange(property, converted);
  if (property.isSeparationLeader && property.dimensionsSeparated && converted instanceof Array) {
    for (var dimension = 0; dimension < converted.length; dimension++) {
      replaceValue(
        session,
        property.getSeparationFollower(dimension)                       ,
        converted[dimension]
      );
    }
    return;
  }
  replaceValue(session, property, converted);
}

function replaceValue(session         , property          , value         )       {
  disableExpression(session, property);
  if (property.numKeys > 0) {
    for (var key = property.numKeys; key >= 1; key--) property.removeKey(key);
    warn(session, 'the keyframes of ' + quote(property.name) + ' are removed: the input is one value');
  }
  try {
    property.setValue(value);
  } catch (error) {
    fail('TEMPLATE_INVALID', quote(property.name) + ' cannot be set: ' + messageOf(error));
  }
}

/** An expression would overrule what is set. */
function disableExpression(
  session         ,
  property
)       {
  if (!property.expressionEnabled || !property.expression) return;
  property.expressionEnabled = false;
  warn(session, 'the expression of ' + quote(property.name) + ' is disabled: it would overrule the input');
}

/** The value as the property takes it. TEMPLATE_INVALID for a property of another kind. */
function convert(property          , value       )                    {
  var type = property.propertyValueType;
  if (type === PropertyValueType.COLOR) return colorValue(property, value);
  if (
    type === PropertyValueType.OneD ||
    type === PropertyValueType.LAYER_INDEX ||
    type === PropertyValueType.MASK_INDEX
  ) {
    return numberValue(property, value);
  }
  if (type === PropertyValueType.TwoD || type === PropertyValueType.ThreeD)
    return pointValue(property, value, true);
  if (type === PropertyValueType.TwoD_SPATIAL || type === PropertyValueType.ThreeD_SPATIAL) {
    return pointValue(property, value, false);
  }
  return fail('TEMPLATE_INVALID', quote(property.name) + ' is of a kind that no input has');
}

function numberValue(property          , value       )         {
  if (typeof value === 'number') return value;
  if (typeof value === 'boolean') return value ? 1 : 0;
  if (typeof value === 'string') {
    var number = parseNumber(value);
    if (number !== null) return number;
  }
  return unsuitable(property, value, 'a number');
}

function colorValue(property          , value       )           {
  if (value instanceof Array) return [value[0], value[1], value[2], value[3]];
  var match = typeof value === 'string' ? /^#([0-9a-fA-F]{6})([0-9a-fA-F]{2})?$/.exec(value) : null;
  if (match === null) return unsuitable(property, value, 'a colour');
  var color           = [];
  var digits = match[1] + (match[2] ? match[2] : 'ff');
  for (var at = 0; at < 8; at += 2) color.push(parseInt(digits.substr(at, 2), 16) / 255);
  return color;
}

/** "12, 34" or, where that has a sense (a scale), one number for all dimensions. What is not given stays. */
function pointValue(property          , value       , takesOne         )           {
  var current = property.value            ;
  var parts           = [];
  var texts = typeof value === 'string' ? value.split(',') : [];
  for (var at = 0; at < texts.length; at++) {
    var number = parseNumber(texts[at]);
    if (number === null) return unsuitable(property, value, 'numbers with commas between them');
    parts.push(number);
  }
  if (typeof value === 'number') parts = [value];
  if (parts.length === 1 && takesOne) {
    while (parts.length < current.length) parts.push(parts[0]);
  }
  if (parts.length < 2 || parts.length > current.length) {
    return unsuitable(property, value, current.length + ' numbers with commas between them');
  }
  return parts.concat(current.slice(parts.length));
}

/** A decimal number, or null. */
function parseNumber(text        )                {
  return /^\s*[-+]?([0-9]+(\.[0-9]*)?|\.[0-9]+)([eE][-+]?[0-9]+)?\s*$/.test(text) ? Number(text) : null;
}

/** After Effects would refuse it with a message in the language of the machine, or silently take the nearest. */
function checkRange(property          , value                   )       {
  if (property.propertyValueType === PropertyValueType.COLOR) return;
  var numbers = value instanceof Array ? value : [value];
  for (var index = 0; index < numbers.length; index++) {
    if (property.hasMin && numbers[index] < property.minValue) {
      fail(
        'INPUT_INVALID',
        quote(property.name) + ' takes ' + property.minValue + ' or more, not ' + numbers[index]
      );
    }
    if (property.hasMax && numbers[index] > property.maxValue) {
      fail(
        'INPUT_INVALID',
        quote(property.name) + ' takes at most ' + property.maxValue + ', not ' + numbers[index]
      );
    }
  }
}

function unsuitable(property          , value       , wanted        )        {
  return fail(
    'TEMPLATE_INVALID',
    quote(property.name) + ' takes ' + wanted + ', not ' + quote(String(value))
  );
}

// src/engines/aerender/script/color.ts

/** Colours of text, solids and shape layers. */

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
function bindColor(session         , layer       , operation                      )       {
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
    !(layer           ).adjustmentLayer
  ) {
    colorSolid(session, layer           , source, operation.color);
  } else {
    fail(
      'AE_PROPERTY_NOT_FOUND',
      'layer ' + quote(layer.name) + ' has no colour of its own; name a property, such as Effects.Fill.Color',
      colorPaths(layer)
    );
  }
}

function colorText(session         , property                      , color      )       {
  changeText(property, function (document) {
    document.applyFill = true;
    document.fillColor = [color[0], color[1], color[2]];
  });
  warnOfAlpha(session, color, 'text');
}

/** A solid may be shown by several layers, of which only this one changes. */
function colorSolid(session         , layer         , solid             , color      )       {
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
    layer.replaceSource(made.source          , false);
    made.remove();
  } else {
    (solid.mainSource               ).color = [color[0], color[1], color[2]];
  }
  warnOfAlpha(session, color, 'solid');
}

function isShownElsewhere(layer       , solid             )          {
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

function colorShapes(session         , layer       , operation                      )       {
  var contents = layer.property('ADBE Root Vectors Group')                           ;
  var kind = operation.stroke ? STROKE : FILL;
  var painted                 = [];
  var groups           = [];
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
    setProperty(session, painted[index].property(kind.color)            , operation.color);
    // Without transparency in the input, that of the project stays.
    if (operation.color[3] < 1) {
      setProperty(session, painted[index].property(kind.opacity)            , operation.color[3] * 100);
    }
  }
}

/** Fills or strokes of a shape layer, at all depths; those in the group `shape` or of that name. */
function collectPaints(
  group              ,
  matchName        ,
  shape               ,
  isInside         ,
  painted                ,
  groups
)       {
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
function colorPaths(layer       )           {
  var paths           = [];
  var parade = layer.property('ADBE Effect Parade')                                  ;
  var effects = parade ? childrenOf(parade) : [];
  for (var index = 0; index < effects.length; index++) {
    var values = childrenOf(effects[index]);
    for (var at = 0; at < values.length; at++) {
      if ((values[at]            ).propertyValueType === PropertyValueType.COLOR) {
        paths.push('Effects.' + effects[index].name + '.' + values[at].name);
      }
    }
  }
  return paths.slice(0, 20);
}

function warnOfAlpha(session         , color      , kind        )       {
  if (color[3] < 1) warn(session, 'the colour of a ' + kind + ' cannot be transparent');
}

// src/engines/aerender/script/footage-fit.ts

/** Puts a picture of another size where the one before was: same rectangle, whatever moves, turns or scales it. */

/** Where a layer shows its source. */

/** The values of a property: of all keyframes, or the one. */

/** How pixels of the old picture come from those of the new: old = origin + new * factor. */

/** Pixels by which a picture may exceed its place: rounding. */
var PICTURE_TOLERANCE = 0.5;

/** To be called before the source is replaced. */
function placeOf(layer         )               {
  var source = layer.source          ;
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
function fitPicture(session         , layer         , place              , fit     )       {
  var source = layer.source          ;
  if (place.width === 0 || !source.hasVideo || !(layer.width > 0) || !(layer.height > 0)) return;
  var newAspect = source.pixelAspect > 0 ? source.pixelAspect : 1;
  var factor = fitFactors(
    fit,
    [place.width * place.pixelAspect, place.height],
    [layer.width * newAspect, layer.height]
  );
  var mapping          = {
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
function fitFactors(fit     , room       , picture       )        {
  var horizontal = room[0] / picture[0];
  var vertical = room[1] / picture[1];
  if (fit === 'stretch') return [horizontal, vertical];
  var factor = 1;
  if (fit === 'contain') factor = Math.min(horizontal, vertical);
  if (fit === 'cover') factor = Math.max(horizontal, vertical);
  return [factor, factor];
}

/** A point of the old picture in the new one. */
function toNew(mapping         , point                   )        {
  return [
    (point[0] - mapping.origin[0]) / mapping.factor[0],
    (point[1] - mapping.origin[1]) / mapping.factor[1]
  ];
}

/** Third dimension as it was. */
function withRest(point       , value                   )           {
  return ([]            ).concat(point, value.slice(2));
}

function transformProperty(layer       , matchName        )           {
  return (layer.property('ADBE Transform Group')                 ).property(matchName)                       ;
}

/** Values without expressions: what an expression does with them, it does with others. */
function readTrack(layer       , matchName        )        {
  var property = transformProperty(layer, matchName);
  var values             = [];
  for (var key = 1; key <= property.numKeys; key++) values.push(property.keyValue(key)            );
  if (property.numKeys === 0) values.push(property.valueAtTime(layer.inPoint, true)            );
  return { values: values, isKeyed: property.numKeys > 0 };
}

function writeTrack(
  session         ,
  layer       ,
  matchName        ,
  track       ,
  change
)       {
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
function moveMasks(session         , layer       , mapping         )       {
  var masks = masksOf(layer);
  for (var index = 0; index < masks.length; index++) {
    try {
      var path = masks[index].property('ADBE Mask Shape')                            ;
      if (path.numKeys === 0) path.setValue(movedShape(path.value, mapping));
      for (var key = 1; key <= path.numKeys; key++) {
        path.setValueAtKey(key, movedShape(path.keyValue(key), mapping));
      }
    } catch (error) {
      warn(session, 'a mask of ' + quote(layer.name) + ' stays as it was: ' + messageOf(error));
    }
  }
}

function movedShape(shape       , mapping         )        {
  var moved = new Shape();
  moved.closed = shape.closed;
  moved.vertices = movedPoints(shape.vertices           , mapping, true);
  moved.inTangents = movedPoints(shape.inTangents           , mapping, false);
  moved.outTangents = movedPoints(shape.outTangents           , mapping, false);
  return moved;
}

/** Tangents are relative to their points: only their length changes. */
function movedPoints(points                  , mapping         , isPlace         )          {
  var moved          = [];
  for (var index = 0; index < points.length; index++) {
    var relative        = [points[index][0] / mapping.factor[0], points[index][1] / mapping.factor[1]];
    moved.push(isPlace ? toNew(mapping, points[index]) : relative);
  }
  return moved;
}

/** What a covering picture exceeds its place by is masked out. */
function cropTo(session         , layer         , mapping         , place              )       {
  var corner = toNew(mapping, [0, 0]);
  var opposite = toNew(mapping, [place.width, place.height]);
  if (corner[0] < PICTURE_TOLERANCE && corner[1] < PICTURE_TOLERANCE) return;
  try {
    var parade = layer.property('ADBE Mask Parade')                        ;
    if (!parade) return;
    var others = masksOf(layer).length;
    var mask = parade.addProperty('ADBE Mask Atom')                                ;
    var shape = new Shape();
    shape.vertices = [corner, [opposite[0], corner[1]], opposite, [corner[0], opposite[1]]];
    shape.closed = true;
    (mask.property('ADBE Mask Shape')                            ).setValue(shape);
    if (others > 0) mask.maskMode = MaskMode.INTERSECT;
  } catch (error) {
    warn(session, quote(layer.name) + ' covers more than its place: ' + messageOf(error));
  }
}

function masksOf(layer       )                 {
  var parade = layer.property('ADBE Mask Parade')                                  ;
  return parade ? childrenOf(parade) : [];
}

// src/engines/aerender/script/footage.ts

/** Pictures, videos and sounds in the place of others. */

/** Replaces the source of a layer, or an item of the project in all layers that show it. */
function bindFootage(session         , operation                        )       {
  var layers          = [];
  if (operation.layer !== null) {
    layers.push(findLayer(session.composition, operation.layer));
    if (!canBeReplaced(layers[0])) {
      fail('AE_LAYER_NOT_FOUND', quote(layers[0].name) + ' shows no footage that could be replaced');
    }
  }
  var old =
    operation.layer === null
      ? findItem(String(operation.item), allSources(), 'item', 'AE_LAYER_NOT_FOUND')
      : null;
  if (old !== null) layers = layersShowing(old);
  var before                                                      = [];
  var index = 0;
  for (; index < layers.length; index++) {
    before.push({
      name: layers[index].name,
      place: placeOf(layers[index]           ),
      span: spanOf(layers[index])
    });
  }
  var source = old instanceof FootageItem ? replaceItem(old, operation.file) : importFile(session, operation);
  for (index = 0; index < layers.length; index++) {
    var layer = layers[index]           ;
    if (!(old instanceof FootageItem)) layer.replaceSource(source, false);
    // A layer without a name of its own is called like its source; other bindings and expressions know the old name.
    if (layer.name !== before[index].name) layer.name = before[index].name;
    fitPicture(session, layer, before[index].place, operation.fit);
    fitTime(session, layer, before[index].span, source, operation.time);
  }
}

/** Layers of all compositions that show the item, unlocked. */
function layersShowing(item        )          {
  var found          = [];
  var compositions = allCompositions();
  for (var next = 0; next < compositions.length; next++) {
    for (var index = 1; index <= compositions[next].numLayers; index++) {
      var layer = compositions[next].layer(index);
      var source = sourceOf(layer);
      if (source === null || source.id !== item.id) continue;
      if (layer.locked) layer.locked = false;
      found.push(layer);
    }
  }
  return found;
}

function replaceItem(item             , path        )              {
  var name = item.name;
  try {
    item.replace(existing(path));
  } catch (error) {
    fail('MEDIA_INVALID', 'After Effects cannot read ' + path + ': ' + messageOf(error));
  }
  if (item.name !== name) item.name = name;
  return item;
}

/** The file as footage; once for all bindings that treat its time alike, because loops are set for the item. */
function importFile(session         , operation                        )              {
  var path = operation.file;
  var key = (operation.time === 'loop' ? 'loop ' : 'once ') + path;
  if (session.imported[key]) return session.imported[key];
  var file = existing(path);
  var item          = null;
  try {
    var options = new ImportOptions(file);
    // A picture with layers could become a composition, and one with a number in its name a sequence.
    options.sequence = false;
    if (options.canImportAs(ImportAsType.FOOTAGE)) options.importAs = ImportAsType.FOOTAGE;
    item = app.project.importFile(options);
  } catch (error) {
    fail('MEDIA_INVALID', 'After Effects cannot import ' + path + ': ' + messageOf(error));
  }
  if (!(item instanceof FootageItem))
    return fail('MEDIA_INVALID', 'After Effects takes ' + path + ' for no footage');
  session.imported[key] = item;
  return item;
}

function existing(path        )       {
  var file = fileAt(path);
  if (!file.exists) fail('MEDIA_INVALID', 'there is no file ' + path);
  return file;
}

// src/engines/aerender/script/layer-switches.ts

/** Layers on and off, other compositions in them, and expressions of the template. */

/** Shows or hides a layer, with its sound. What is shown gets no sound that the project does not give it. */
function bindVisible(layer       , isVisible         )       {
  var sounding = layer instanceof AVLayer && layer.hasAudio ? layer : null;
  if (layer.hasVideo || sounding === null) layer.enabled = isVisible;
  if (sounding !== null && (!isVisible || !layer.hasVideo)) sounding.audioEnabled = isVisible;
}

/** Lets a layer show a composition. */
function bindSource(layer       , address        )       {
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
  (layer           ).replaceSource(composition, false);
  // A layer without a name of its own is called like its source; other bindings and expressions know the old name.
  if (layer.name !== name) layer.name = name;
}

/** Sets an expression that the author of the template wrote. */
function bindExpression(layer       , path        , expression        )       {
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

// src/engines/aerender/script/text-shrink.ts

/** Reduces the size of texts until they fit. */

/** Of the size it has; a text that is smaller still could not be read. */
var SMALLEST = 0.1;
/** What After Effects takes, in pixels (After Effects Scripting Guide, TextDocument.fontSize). */
var SMALLEST_SIZE = 0.1;
/** Halvings of the range of sizes: 0.9 / 2^9 is less than 0.2 % of the size. */
var STEPS = 9;
/** Pixels by which a rectangle may exceed its room: rounding. */
var TEXT_TOLERANCE = 0.5;

/** Width of the text as designed, in pixels of the composition: there is room for it, whatever the frame says. */
function originalWidth(layer       , property                      )         {
  var width = 0;
  var times = textTimes(layer, property);
  for (var index = 0; index < times.length; index++) {
    var rectangle = (layer           ).sourceRectAtTime(times[index], false);
    width = Math.max(width, rectangle.width * scaleAt(layer, 0, times[index]));
  }
  return width;
}

/** False when even the smallest size does not fit; the text has it then. `original`: see {@link originalWidth}. */
function shrinkText(layer       , property                      , original        )          {
  if (property.numKeys === 0) return shrinkOne(layer, property, 0, original);
  var fits = true;
  for (var key = 1; key <= property.numKeys; key++) {
    fits = shrinkOne(layer, property, key, original) && fits;
  }
  return fits;
}

/** `key` 0: the property has no keyframes. */
function shrinkOne(layer       , property                      , key        , original        )          {
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
  layer       ,
  property                      ,
  key        ,
  time        ,
  factor        ,
  designed              ,
  room
)          {
  var document = scaled(documentAt(property, key), designed, factor);
  var isBox = document.boxText;
  // After Effects leaves out lines that begin below a box, and measures what is left: the box is made taller for that.
  // It takes whole pixels (After Effects Scripting Guide, TextDocument.boxTextSize).
  if (isBox) document.boxTextSize = [room.width, Math.ceil(room.height * 2 + designed.fontSize * 4)];
  writeDocument(property, key, document);
  var rectangle = (layer           ).sourceRectAtTime(time, false);
  if (isBox) {
    document = documentAt(property, key);
    document.boxTextSize = [room.width, room.height];
    restorePosition(document, designed);
    writeDocument(property, key, document);
  }
  return rectangle.width <= room.width + TEXT_TOLERANCE && rectangle.height <= room.height + TEXT_TOLERANCE;
}

/** Whether a box stays where it is when its size changes is not documented, nor from which version its place can be set. */
function restorePosition(document              , designed              )       {
  var place = designed.boxTextPos;
  if (!place || (document.boxTextPos[0] === place[0] && document.boxTextPos[1] === place[1])) return;
  try {
    (document                                    ).boxTextPos = place;
  } catch (_readOnly) {}
}

/** The document with the factor applied to the designed size, and to a line spacing that does not follow the size. */
function scaled(document              , designed              , factor        )               {
  document.fontSize = Math.max(SMALLEST_SIZE, designed.fontSize * factor);
  // "autoLeading" is of After Effects 24; "leading", of 14.2, is 0 where it is automatic (After Effects Scripting Guide).
  if (designed.autoLeading !== true && designed.leading > 0) document.leading = designed.leading * factor;
  return document;
}

/**
 * Room of point text, in pixels of the layer: from its anchor to the edges of the frame, where it stands still;
 * else the width of the frame. Never less than what it had as designed.
 */
function frameRoom(layer       , time        , align                        , original        )       {
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
function resting(layer       , time        )                {
  var transform = layer.property('ADBE Transform Group')                 ;
  var position = transform.property('ADBE Position')                           ;
  var anchor = transform.property('ADBE Anchor Point')                           ;
  var rotation = transform.property('ADBE Rotate Z')                           ;
  if (layer.parent || (layer           ).threeDLayer || position.dimensionsSeparated) return null;
  if (position.isTimeVarying || anchor.isTimeVarying || rotation.isTimeVarying) return null;
  if (rotation.valueAtTime(time, false) % 360 !== 0) return null;
  return position.valueAtTime(time, false)[0] - anchor.valueAtTime(time, false)[0] * scaleAt(layer, 0, time);
}

/** Scale of the layer, 1 as it is; of its parents nothing is known here. */
function scaleAt(layer       , dimension       , time        )         {
  var transform = layer.property('ADBE Transform Group')                 ;
  var scale = transform.property('ADBE Scale')                           ;
  var factor = Math.abs(scale.valueAtTime(time, false)[dimension]) / 100;
  // Text that grows out of nothing has its size later.
  return factor < 0.01 ? 1 : factor;
}

function textTimes(layer       , property                      )           {
  var times           = [];
  for (var key = 1; key <= property.numKeys; key++) times.push(property.keyTime(key));
  return times.length === 0 ? [layer.inPoint] : times;
}

// src/engines/aerender/script/text.ts

/** Texts of layers. */

/** Sets text, font, size, colour and alignment, at all keyframes; then the size is reduced until it fits. */
function bindText(session         , layer       , operation                     )       {
  var property = textProperty(layer);
  var room = operation.shrink ? originalWidth(layer, property) : 0;
  disableExpression(session, property);
  warnOfStyles(session, layer, property);
  changeText(property, function (document) {
    setText(document, operation.text);
    if (operation.font !== null) document.font = operation.font;
    if (operation.size !== null) document.fontSize = operation.size;
    if (operation.align !== null) document.justification = justification(operation.align);
    if (operation.color !== null) {
      document.applyFill = true;
      document.fillColor = [operation.color[0], operation.color[1], operation.color[2]];
    }
  });
  if (operation.color !== null && operation.color[3] < 1) {
    warn(session, 'the colour of a text cannot be transparent');
  }
  if (operation.shrink && !shrinkText(layer, property, room)) {
    warn(session, 'the text of ' + quote(layer.name) + ' does not fit, however small');
  }
}

/** A text that is set has the style of the first character (After Effects Scripting Guide, TextDocument). */
function warnOfStyles(session         , layer       , property                      )       {
  var keys = property.numKeys;
  for (var key = keys === 0 ? 0 : 1; key <= keys; key++) {
    if (!hasSeveralStyles(documentAt(property, key))) continue;
    warn(
      session,
      'the text of ' + quote(layer.name) + ' has several styles: the input gets that of its first character'
    );
  }
}

/** The Source Text of a text layer. AE_LAYER_NOT_FOUND, with the text layers beside it, for any other layer. */
function textProperty(layer       )                       {
  var property = sourceText(layer);
  if (property !== null) return property;
  var names           = [];
  var composition = layer.containingComp;
  for (var index = 1; index <= composition.numLayers; index++) {
    if (sourceText(composition.layer(index)) !== null) names.push(composition.layer(index).name);
  }
  return fail(
    'AE_LAYER_NOT_FOUND',
    quote(layer.name) + ' is no text layer',
    candidatesFor(layer.name, names)
  );
}

function justification(align                                         )                         {
  if (align === 'left') return ParagraphJustification.LEFT_JUSTIFY;
  if (align === 'center') return ParagraphJustification.CENTER_JUSTIFY;
  if (align === 'right') return ParagraphJustification.RIGHT_JUSTIFY;
  return ParagraphJustification.FULL_JUSTIFY_LASTLINE_LEFT;
}

// src/engines/aerender/script/operations.ts

/** The changes that the bindings of a template ask for. */

/** Carries out one operation. */
function runOperation(session         , operation               )       {
  if (operation.op === 'footage') {
    bindFootage(session, operation);
    return;
  }
  var layer = findLayer(session.composition, operation.layer);
  if (operation.op === 'text') bindText(session, layer, operation);
  else if (operation.op === 'color') bindColor(session, layer, operation);
  else if (operation.op === 'property') {
    setProperty(session, findProperty(layer, operation.property), operation.value);
  } else if (operation.op === 'visible') bindVisible(layer, operation.visible);
  else if (operation.op === 'source') bindSource(layer, operation.composition);
  else if (operation.op === 'expression') bindExpression(layer, operation.property, operation.expression);
  else fail('AE_SCRIPT_ERROR', 'the data file has an operation that this script does not know');
}

// src/engines/aerender/script/relink.ts

/**
 * Footage whose path is one of another machine. After Effects looks for it relative to the project itself; which files
 * that finds was not verified against a real one. What is still missing then is looked for in the bundle here, in the
 * places that `template validate` takes for right (src/bundle/aep/footage-places.ts).
 */

/** Parts of a path that are compared. The check compares 8, and more only of what it knows to be beside the project. */
var MAX_ENDS = 32;
/** Files that get a warning of their own. */
var MAX_SAID = 20;
/** Files whose layers may each be an item: `replace` takes a file, and would show all layers of it. */
var LAYERED = /\.(psd|psb|ai|pdf|eps)$/i;
/** Pictures, which are an image sequence where they last. */
var PICTURE = /\.(png|jpe?g|tiff?|tga|exr|dpx|cin|bmp|gif|psd|hdr|sgi|iff)$/i;
/** `frame_[0001-0100].png` is what After Effects calls a sequence; its first file is `frame_0001.png`. */
var SEQUENCE = /\[(\d+)-\d+\](?=[^\/]*$)/;

/** Links missing files of the project to those of the bundle, and says which. */
function relinkFootage(session         )       {
  var linked = 0;
  for (var index = 1; index <= app.project.numItems; index++) {
    var item = app.project.item(index);
    if (!(item instanceof FootageItem) || !(item.mainSource instanceof FileSource)) continue;
    if (!item.footageMissing) continue;
    var stored = footagePath(item);
    var found = findInBundle(session, item, stored);
    if (found === null || !relink(session, item, stored, found)) continue;
    linked++;
    if (linked <= MAX_SAID)
      warn(session, 'footage ' + quote(item.name) + ' is not at ' + stored + ': taken from ' + found.fsName);
  }
  if (linked > MAX_SAID)
    warn(session, linked - MAX_SAID + ' more files of footage are taken from the bundle');
}

/** The file at the longest end of the stored path that is in one of the folders, then of "Collect Files". */
function findInBundle(session         , item             , stored        )              {
  var parts = namesIn(stored);
  var folders = session.data.footageFolders;
  var longest = Math.min(parts.length, MAX_ENDS);
  for (var pass = 0; pass < 2; pass++) {
    for (var step = 0; step < longest; step++) {
      // The names of "Collect Files" are short, so that these ends are tried from the shortest on.
      var length = pass === 0 ? longest - step : step + 1;
      var end = parts.slice(parts.length - length).join('/');
      for (var index = 0; index < folders.length; index++) {
        var found = fileOf(item, folders[index] + (pass === 0 ? '/' : '/(Footage)/') + end);
        if (found !== null) return found;
      }
    }
  }
  return null;
}

/** Names of folders and of the file, of any system. "C:" is no folder, and ".." is in no path of After Effects. */
function namesIn(stored        )           {
  var parts = stored.split(/[\\\/]/);
  var usable           = [];
  for (var index = 0; index < parts.length; index++) {
    var part = parts[index];
    if (part === '.' || part === '..' || part.charAt(part.length - 1) === ':') usable = [];
    else if (part !== '') usable.push(part);
  }
  return usable;
}

/** The file at that path; of a folder of pictures the one that begins the sequence. */
function fileOf(item             , path        )              {
  var file = fileAt(path);
  if (!file.exists && SEQUENCE.test(path)) file = fileAt(path.replace(SEQUENCE, '$1'));
  if (file instanceof File && file.exists) return file;
  var folder = folderAt(path);
  if (!(folder instanceof Folder) || !folder.exists) return null;
  var name = item.name.replace(SEQUENCE, '$1');
  var entries = folder.getFiles();
  var first              = null;
  for (var index = 0; index < entries.length; index++) {
    var entry = entries[index];
    if (!(entry instanceof File) || !PICTURE.test(entry.fsName)) continue;
    if (fileNameOf(entry) === name) return entry;
    if (first === null || fileNameOf(entry) < fileNameOf(first)) first = entry;
  }
  return first;
}

function relink(session         , item             , stored        , file      )          {
  if (isLayerOf(item, file)) {
    warn(
      session,
      'footage ' +
        quote(item.name) +
        ' is one layer of a file that is not at ' +
        stored +
        ': a script cannot link it to ' +
        file.fsName +
        '; link it in After Effects, beside the project, and save the project'
    );
    return false;
  }
  var name = item.name;
  try {
    // Both keep how the footage is interpreted (After Effects Scripting Guide, FootageItem.replace).
    if (PICTURE.test(file.fsName) && !item.mainSource.isStill) item.replaceWithSequence(file, false);
    else item.replace(file);
  } catch (error) {
    warn(
      session,
      'footage ' + quote(name) + ': After Effects cannot read ' + file.fsName + ': ' + messageOf(error)
    );
    return false;
  }
  // Bindings and expressions know it by that name.
  if (item.name !== name) item.name = name;
  return true;
}

/** An item that shows one layer is called "Layer/file.psd" (not verified: its user may have renamed it). */
function isLayerOf(item             , file      )          {
  if (!LAYERED.test(file.fsName)) return false;
  var name = '/' + fileNameOf(file);
  var at = item.name.length - name.length;
  return at > 0 && item.name.substring(at).toLowerCase() === name.toLowerCase();
}

function fileNameOf(file      )         {
  return namesIn(file.fsName).slice(-1)[0];
}

// src/engines/aerender/script/template-scripts.ts

/** The template's own scripts. */

/** Runs them in order; they see `flatrender`. Their errors end the run, with file and line. */
function runScripts(session         )       {
  var scripts = session.data.scripts;
  if (scripts.length === 0) return;
  $.global.flatrender = {
    inputs: session.data.inputs,
    composition: session.composition,
    project: app.project
  };
  for (var index = 0; index < scripts.length; index++) {
    announce(session, 'scripts[' + index + ']', 'scripts[' + index + ']');
    runScript(scripts[index]);
  }
}

function runScript(path        )       {
  var file = fileAt(path);
  if (!file.exists) throw failure('AE_SCRIPT_ERROR', 'there is no script ' + path);
  try {
    $.evalFile(file);
  } catch (error) {
    var thrown = toFailure(error);
    var made = failure('AE_SCRIPT_ERROR', 'the script of the template failed: ' + messageOf(error));
    // Where it says no file it is the script itself: what it includes says its own.
    made.file = thrown.file === null ? path : thrown.file;
    made.line = thrown.line;
    throw made;
  }
}

// src/engines/aerender/script/unique-name.ts

/** The name by which aerender finds the composition. */

/** What every command line carries unchanged. */
var PLAIN = /^[A-Za-z0-9][A-Za-z0-9 _.-]*$/;
/** Tries; a project with so many names of ours is not one. */
var MAX_TRIES = 1000;

/**
 * aerender knows compositions by their name alone. One that another item or a layer has as well may be the wrong one
 * (https://github.com/inlife/nexrender/issues/896), and one that is not plain ASCII may not arrive. The composition is
 * then rendered under another name: as a copy, because expressions may ask for the old one.
 */
function makeNameUnique(session         )       {
  var composition = session.composition;
  if (PLAIN.test(composition.name) && countNames(composition.name) === 1) return;
  var name = 'flatrender';
  for (var next = 2; next < MAX_TRIES && countNames(name) > 0; next++) name = 'flatrender ' + next;
  try {
    session.composition = composition.duplicate();
  } catch (error) {
    warn(session, 'the composition could not be copied and is renamed: ' + messageOf(error));
  }
  session.composition.name = name;
}

/** Items and layers of that name. */
function countNames(name        )         {
  var count = 0;
  var index = 1;
  for (; index <= app.project.numItems; index++) {
    if (app.project.item(index).name === name) count++;
  }
  var compositions = allCompositions();
  for (var next = 0; next < compositions.length; next++) {
    for (index = 1; index <= compositions[next].numLayers; index++) {
      if (compositions[next].layer(index).name === name) count++;
    }
  }
  return count;
}

// src/engines/aerender/script/bind-project.ts

/** The steps, from the project of the bundle to the saved copy. */

/** Leaves the copy saved and open, and what there is to say in `report`. Throws what goes wrong. */
function bindProject(directory        , data          , report        )       {
  var session          = {
    data: data,
    directory: directory,
    report: report,
    composition: null                       ,
    imported: {},
    filling: []
  };
  announce(session, 'open', null);
  openProject(data.project);
  // Before anything else: from here on nothing can reach the project of the bundle.
  saveProject(data.saveTo);
  relinkFootage(session);
  session.composition = findComposition(data.composition);
  emptyRenderQueue();
  for (var index = 0; index < data.operations.length; index++) {
    announce(session, data.operations[index].at, data.operations[index].at);
    runOperation(session, data.operations[index]);
  }
  runScripts(session);
  announce(session, 'check', null);
  if (data.durationSeconds === null) wholeWorkArea(session.composition);
  else setDuration(session, session.composition, data.durationSeconds);
  var files = missingFootage(session);
  if (files.length > 0 && data.missingFootage === 'refuse') throw footageFailure(files);
  var fonts = usedFonts(session);
  var lacking = missingFonts(session, fonts);
  if (lacking.length > 0 && data.missingFonts === 'refuse') throw fontFailure(lacking);
  warnOfMissingEffects(session);
  makeNameUnique(session);
  announce(session, 'save', null);
  saveProject(data.saveTo);
  // The queue is empty again in the file: what is added to it here is not saved.
  announce(session, 'describe', null);
  readTemplates(session);
  report.done = {
    ok: true,
    composition: describeComposition(session.composition),
    missingFootage: files,
    missingFonts: lacking,
    fonts: fonts
  };
}

function openProject(path        )       {
  var file = fileAt(path);
  if (!file.exists) fail('AE_PROJECT_INVALID', 'there is no project ' + path);
  var project                 = null;
  try {
    project = app.open(file);
  } catch (error) {
    fail('AE_PROJECT_INVALID', 'After Effects cannot open ' + path + ': ' + messageOf(error));
  }
  if (!project) fail('AE_PROJECT_INVALID', 'After Effects did not open ' + path);
}

function saveProject(path        )       {
  app.project.save(fileAt(path));
}

/**
 * aerender takes the first item of the queue that has the composition it is asked for, with the settings of that item
 * (After Effects manual, "Automated rendering and network rendering", -comp).
 */
function emptyRenderQueue()       {
  var queue = app.project.renderQueue;
  for (var index = queue.numItems; index >= 1; index--) queue.item(index).remove();
}

// src/engines/aerender/script/json-read.ts

/** Reads the data file. Strict, and never by `eval`: what it holds comes from customers. */

/** Deeper than any data file; ExtendScript's stack is small. */
var MAX_DEPTH = 32;

var SHORT_ESCAPES                         = {
  '"': '"',
  '\\': '\\',
  '/': '/',
  b: '\b',
  f: '\f',
  n: '\n',
  r: '\r',
  t: '\t'
};

/** The value of a JSON text of ASCII characters. Fails on anything else, and on a name that comes twice. */
function readJson(text        )          {
  var reader         = { text: text, at: 0, nextQuote: -1, nextBackslash: -1 };
  var value = readValue(reader, 0);
  skipSpace(reader);
  if (reader.at < text.length) refuse(reader, 'something after the end');
  return value;
}

function readValue(reader        , depth        )          {
  if (depth > MAX_DEPTH) refuse(reader, 'too many levels');
  skipSpace(reader);
  var first = reader.text.charAt(reader.at);
  if (first === '{') return readObject(reader, depth);
  if (first === '[') return readArray(reader, depth);
  if (first === '"') return readString(reader);
  if (first === 't') return readWord(reader, 'true', true);
  if (first === 'f') return readWord(reader, 'false', false);
  if (first === 'n') return readWord(reader, 'null', null);
  return readNumber(reader);
}

function readObject(reader        , depth        )                          {
  var object                          = {};
  reader.at++;
  if (closes(reader, '}')) return object;
  do {
    skipSpace(reader);
    if (reader.text.charAt(reader.at) !== '"') refuse(reader, 'a name should be here');
    var name = readString(reader);
    // It would set the prototype instead of a member.
    if (name === '__proto__') refuse(reader, 'a name that is not allowed');
    if (hasOwn(object, name)) refuse(reader, 'a name for the second time');
    expectMark(reader, ':');
    object[name] = readValue(reader, depth + 1);
  } while (continues(reader, '}'));
  return object;
}

function readArray(reader        , depth        )            {
  var array            = [];
  reader.at++;
  if (closes(reader, ']')) return array;
  do {
    array.push(readValue(reader, depth + 1));
  } while (continues(reader, ']'));
  return array;
}

function readString(reader        )         {
  var parts           = [];
  reader.at++;
  while (true) {
    var end = nextEnd(reader);
    var plain = reader.text.substring(reader.at, end);
    if (/[^\x20-\x7e]/.test(plain)) refuse(reader, 'a character that is not ASCII');
    if (plain !== '') parts.push(plain);
    reader.at = end + 1;
    if (reader.text.charAt(end) === '"') return parts.join('');
    parts.push(readEscape(reader));
  }
}

/** Position of the next quotation mark or backslash. */
function nextEnd(reader        )         {
  if (reader.nextQuote < reader.at) {
    reader.nextQuote = reader.text.indexOf('"', reader.at);
    if (reader.nextQuote === -1) refuse(reader, 'a string without an end');
  }
  if (reader.nextBackslash < reader.at) {
    reader.nextBackslash = reader.text.indexOf('\\', reader.at);
    if (reader.nextBackslash === -1) reader.nextBackslash = reader.text.length;
  }
  return Math.min(reader.nextQuote, reader.nextBackslash);
}

function readEscape(reader        )         {
  var letter = reader.text.charAt(reader.at);
  reader.at++;
  if (letter === 'u') {
    var digits = reader.text.substr(reader.at, 4);
    if (!/^[0-9a-fA-F]{4}$/.test(digits)) refuse(reader, 'a \\u without four digits');
    reader.at += 4;
    return String.fromCharCode(parseInt(digits, 16));
  }
  if (letter === '' || !hasOwn(SHORT_ESCAPES, letter)) refuse(reader, 'an escape that JSON does not have');
  return SHORT_ESCAPES[letter];
}

function readNumber(reader        )         {
  // No number that JSON.stringify writes is longer than 25 characters.
  var match = /^-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][-+]?[0-9]+)?/.exec(reader.text.substr(reader.at, 40));
  if (match === null || match[0].length === 40) return refuse(reader, 'no value');
  var value = Number(match[0]);
  if (!isFinite(value)) refuse(reader, 'a number that is too large');
  reader.at += match[0].length;
  return value;
}

function readWord   (reader        , word        , value   )    {
  if (reader.text.substr(reader.at, word.length) !== word) refuse(reader, 'no value');
  reader.at += word.length;
  return value;
}

function closes(reader        , mark        )          {
  skipSpace(reader);
  if (reader.text.charAt(reader.at) !== mark) return false;
  reader.at++;
  return true;
}

/** After a member: true at a comma, false at the end. */
function continues(reader        , end        )          {
  if (closes(reader, end)) return false;
  expectMark(reader, ',');
  return true;
}

function expectMark(reader        , mark        )       {
  if (!closes(reader, mark)) refuse(reader, '"' + mark + '" should be here');
}

function skipSpace(reader        )       {
  while (true) {
    var character = reader.text.charAt(reader.at);
    if (character !== ' ' && character !== '\n' && character !== '\r' && character !== '\t') return;
    reader.at++;
  }
}

/** `Object.prototype.hasOwnProperty`, also where a member has that name. */
function hasOwn(object        , name        )          {
  return Object.prototype.hasOwnProperty.call(object, name);
}

function refuse(reader        , what        )        {
  return fail('AE_SCRIPT_ERROR', 'the data file is damaged at character ' + reader.at + ': ' + what);
}

// src/engines/aerender/script/json-write.ts

/** JSON of ASCII characters; ExtendScript has no JSON object that one could rely on. */

/** Strings, finite numbers, booleans, null, arrays and plain objects of them. */
function writeJson(value         )         {
  if (value === null || value === undefined) return 'null';
  if (typeof value === 'string') return writeString(value);
  if (typeof value === 'number') return isFinite(value) ? String(value) : 'null';
  if (typeof value === 'boolean') return value ? 'true' : 'false';
  var parts           = [];
  if (value instanceof Array) {
    for (var index = 0; index < value.length; index++) parts.push(writeJson(value[index]));
    return '[' + parts.join(',') + ']';
  }
  var object = value                           ;
  for (var name in object) {
    if (Object.prototype.hasOwnProperty.call(object, name)) {
      parts.push(writeString(name) + ':' + writeJson(object[name]));
    }
  }
  return '{' + parts.join(',') + '}';
}

function writeString(text        )         {
  var escaped = '';
  var from = 0;
  for (var at = 0; at < text.length; at++) {
    var unit = text.charCodeAt(at);
    if (unit >= 0x20 && unit < 0x7f && unit !== 0x22 && unit !== 0x5c) continue;
    var digits = unit.toString(16);
    escaped += text.substring(from, at) + '\\u' + '0000'.substring(digits.length) + digits;
    from = at + 1;
  }
  return '"' + escaped + text.substring(from) + '"';
}

// src/engines/aerender/script/main.ts

/**
 * The script that puts the inputs into a copy of the project. Runs inside After Effects (`AfterFX -r bind.jsx`), beside
 * its `data.json`; says how it went in `result.json`. What it reads is data and is never evaluated.
 */

/** Exit codes: see BIND_EXIT_CODES. */
var EXIT_DONE = 0;
var EXIT_FAILED = 1;
var EXIT_CANNOT_WRITE = 13;

/** Binds, says how it went, and ends After Effects. */
function main()       {
  var directory = new File($.fileName).parent.fsName;
  var report         = { at: null, warnings: [], renderSettings: [], outputModules: [], done: null };
  var error                 = null;
  var canWrite = writeText(directory + '/started', 'start');
  // A second `AfterFX -r` hands its script to the After Effects that runs already: whose project that is, is not ours.
  var isFree = isNothingOpen();
  try {
    app.beginSuppressDialogs();
    if (!isFree) fail('AE_OTHER_INSTANCE', 'a project is open in this After Effects: somebody works there');
    // Nobody would learn of the result.
    if (!canWrite) fail('AE_SCRIPT_ERROR', 'After Effects does not let scripts write files');
    bindProject(directory, readData(directory), report);
  } catch (thrown) {
    error = toFailure(thrown);
  }
  var isWritten = writeTextAtOnce(directory, 'result.json', writeJson(resultOf(report, error)));
  // Set before quitting: After Effects hands it to whoever started it.
  app.exitCode = error === null ? EXIT_DONE : EXIT_FAILED;
  if (!isWritten) app.exitCode = EXIT_CANNOT_WRITE;
  try {
    app.endSuppressDialogs(false);
  } catch (_ended) {}
  if (isFree) quit();
}

function readData(directory        )           {
  var data = readJson(readText(directory + '/data.json'))            ;
  if (data === null || typeof data !== 'object' || data.format !== 1) {
    fail('AE_SCRIPT_ERROR', 'the data file is of another format');
  }
  return data;
}

/** After Effects always has a project; a new one has neither a file nor items. */
function isNothingOpen()          {
  var project = app.project;
  return !project || (!project.file && project.numItems === 0);
}

function resultOf(report        , error                )          {
  var result                          = {
    format: 1,
    version: String(app.version),
    language: String(app.isoLanguage),
    warnings: report.warnings,
    renderSettings: report.renderSettings,
    outputModules: report.outputModules,
    ok: error === null
  };
  if (error !== null) {
    result.error = {
      code: error.code,
      message: error.message,
      at: report.at,
      file: error.file,
      line: error.line,
      candidates: error.candidates,
      missingFootage: error.missingFootage,
      missingFonts: error.missingFonts
    };
  } else if (report.done !== null) {
    result.composition = report.done.composition;
    result.missingFootage = report.done.missingFootage;
    result.missingFonts = report.done.missingFonts;
    result.fonts = report.done.fonts;
  }
  return result;
}

function quit()       {
  try {
    app.project.close(CloseOptions.DO_NOT_SAVE_CHANGES);
  } catch (_closed) {}
  app.quit();
}

main();
})();
