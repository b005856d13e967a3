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
  var line = null;
  var file = null;
  if (thrown !== null && typeof thrown === 'object') {
    if (typeof thrown.line === 'number') line = thrown.line;
    if (thrown.fileName) file = String(thrown.fileName);
  }
  return {
    isFailure: true,
    code: made.code,
    message: made.message,
    candidates: made.candidates,
    file: file,
    line: line,
    missingFootage: made.missingFootage,
    missingFonts: made.missingFonts
  };
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

/** All footage of the project: files, solids and placeholders. */
function allFootage()                {
  var found                = [];
  for (var index = 1; index <= app.project.numItems; index++) {
    var item = app.project.item(index);
    if (item instanceof FootageItem) found.push(item);
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

/** A layer and how messages call it: the layers that lead to it from the rendered composition, then its own name. */

/**
 * The one layer of that address, unlocked. A name is looked for in the composition that the address names or else in the
 * rendered one, and if it is not there in all compositions within. AE_LAYER_NOT_FOUND when there is none or several.
 */
function findLayer(rendered          , address              )        {
  var composition = address.composition === null ? rendered : findComposition(address.composition);
  var layer =
    typeof address.layer === 'number'
      ? layerByNumber(composition, address.layer)
      : layerByName(composition, address.layer);
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

function layerByNumber(composition          , number        )        {
  if (number >= 1 && number <= composition.numLayers) return composition.layer(number);
  return fail(
    'AE_LAYER_NOT_FOUND',
    quote(composition.name) + ' has ' + composition.numLayers + ' layers, no number ' + number,
    numberedNames(composition)
  );
}

function layerByName(composition          , name        )        {
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
function placesIn(composition          , prefix        , name        )          {
  var found          = [];
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
function placesBehind(composition          , prefix        , first        , rest        )          {
  var found          = [];
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
function withoutRepeats(places                  )          {
  var kept          = [];
  var seen                          = {};
  for (var index = 0; index < places.length; index++) {
    var key = layerKey(places[index].layer);
    if (seen[key] !== true) kept.push(places[index]);
    seen[key] = true;
  }
  return kept;
}

/** Tells layers apart; good until layers are added or removed. */
function layerKey(layer       )         {
  return layer.containingComp.id + ':' + layer.index;
}

/** Two of one name in one composition differ by their number only. */
function describePlaces(places                  )           {
  var names           = [];
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
function layerNames(composition          )           {
  var names           = [];
  var tree = compositionTree(composition);
  for (var next = 0; next < tree.length; next++) {
    var prefix = next === 0 ? '' : tree[next].name + '/';
    for (var index = 1; index <= tree[next].numLayers; index++)
      names.push(prefix + tree[next].layer(index).name);
  }
  return names;
}

function numberedNames(composition          )           {
  var names           = [];
  for (var index = 1; index <= composition.numLayers && index <= 20; index++) {
    names.push(index + ' ' + composition.layer(index).name);
  }
  return names;
}

function append   (list     , more              )       {
  for (var index = 0; index < more.length; index++) list.push(more[index]);
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
  var file = fileAt(path);
  file.encoding = 'UTF-8';
  file.lineFeed = 'Unix';
  if (!file.open('w')) return false;
  var written = file.write(text);
  return file.close() && written;
}

/** Writes a file so that it is either there as a whole or not at all. */
function writeTextAtOnce(directory        , name        , text        )          {
  var part = directory + '/' + name + '.part';
  if (!writeText(part, text)) return false;
  var old = fileAt(directory + '/' + name);
  if (old.exists) old.remove();
  return fileAt(part).rename(name);
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
    hasAudio: hasSound(composition, 0)
  };
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

// src/engines/aerender/script/property-value.ts

/** Values of properties. */

/** An expression would overrule what is set. */
function disableExpression(
  session         ,
  property
)       {
  if (!property.expressionEnabled) return;
  property.expressionEnabled = false;
  warn(session, 'the expression of ' + quote(property.name) + ' is disabled: it would overrule the input');
}

// src/engines/aerender/script/text-shrink.ts

/** Reduces the size of texts until they fit. */

/** Of the size it has; a text that is smaller still could not be read. */
var SMALLEST = 0.1;
/** Halvings of the range of sizes: 0.9 / 2^9 is less than 0.2 % of the size. */
var STEPS = 9;
/** Pixels by which a rectangle may exceed its room: rounding. */
var TOLERANCE = 0.5;
/** A box that no text fills, for measuring: After Effects leaves out lines below a box, and measures what is left. */
var TALL = 30000;

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
  if (isBox) document.boxTextSize = [room.width, TALL];
  writeDocument(property, key, document);
  var rectangle = (layer           ).sourceRectAtTime(time, false);
  if (isBox) {
    document = documentAt(property, key);
    document.boxTextSize = [room.width, room.height];
    writeDocument(property, key, document);
  }
  return rectangle.width <= room.width + TOLERANCE && rectangle.height <= room.height + TOLERANCE;
}

/** The document with the factor applied to the designed size, and to a line spacing that does not follow the size. */
function scaled(document              , designed              , factor        )               {
  document.fontSize = designed.fontSize * factor;
  if (designed.autoLeading === false && designed.leading > 0) document.leading = designed.leading * factor;
  return document;
}

function documentAt(property                      , key        )               {
  return key === 0 ? property.value : property.keyValue(key);
}

function writeDocument(property                      , key        , document              )       {
  if (key === 0) property.setValue(document);
  else property.setValueAtKey(key, document);
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

/** After Effects ends lines with a carriage return. */
function setText(document              , text        )       {
  document.text = text.replace(/\r\n|\n/g, '\r');
}

/** Changes the text document, or those of all keyframes. */
function changeText(property                      , change                                  )       {
  var document              ;
  if (property.numKeys === 0) {
    document = property.value;
    change(document);
    property.setValue(document);
  }
  for (var key = 1; key <= property.numKeys; key++) {
    document = property.keyValue(key);
    change(document);
    property.setValueAtKey(key, document);
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

/** The Source Text, or null where there is none. */
function sourceText(layer       )                              {
  var group = layer.property('ADBE Text Properties')                        ;
  if (!group) return null;
  var property = group.property('ADBE Text Document')                                          ;
  return property ? property : null;
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
  if (operation.op === 'text') {
    bindText(session, findLayer(session.composition, operation.layer), operation);
    return;
  }
  fail('AE_SCRIPT_ERROR', 'unknown operation');
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
  session.composition = findComposition(data.composition);
  emptyRenderQueue();
  for (var index = 0; index < data.operations.length; index++) {
    announce(session, data.operations[index].at, data.operations[index].at);
    runOperation(session, data.operations[index]);
  }
  announce(session, 'save', null);
  saveProject(data.saveTo);
  announce(session, 'describe', null);
  readTemplates(session);
  report.done = {
    ok: true,
    composition: describeComposition(session.composition),
    missingFootage: [],
    missingFonts: [],
    fonts: []
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

/** Binds, says how it went, and ends After Effects. */
function main()       {
  var directory = new File($.fileName).parent.fsName;
  var report         = { at: null, warnings: [], renderSettings: [], outputModules: [], done: null };
  var error                 = null;
  writeText(directory + '/started', 'start');
  // A second `AfterFX -r` hands its script to the After Effects that runs already: whose project that is, is not ours.
  var isFree = isNothingOpen();
  try {
    app.beginSuppressDialogs();
    if (!isFree) fail('AE_OTHER_INSTANCE', 'a project is open in this After Effects: somebody works there');
    bindProject(directory, readData(directory), report);
  } catch (thrown) {
    error = toFailure(thrown);
  }
  var isWritten = writeTextAtOnce(directory, 'result.json', writeJson(resultOf(report, error)));
  // Set before quitting: After Effects hands it to whoever started it.
  app.exitCode = error === null && isWritten ? 0 : 1;
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
