/** Files and fonts that the rendered composition needs and that are not there. */
import type { MissingFootage } from '../bind/bind-data.ts';
import { type Failure, failure, quote } from './failure.ts';
import { compositionTree, sourceOf } from './layers.ts';
import { childrenOf } from './property-path.ts';
import { type Session, warn } from './session.ts';
import { documentAt, fontsOf, sourceText } from './text-document.ts';

/** Names in a message; all of them are in the result. */
var MAX_NAMED = 5;

/** Files of footage that some layer shows. Placeholders that no input replaced are said to be there. */
export function missingFootage(session: Session): MissingFootage[] {
  var missing: MissingFootage[] = [];
  var seen: Record<string, boolean> = {};
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
export function usedFonts(session: Session): string[] {
  var fonts: string[] = [];
  var seen: Record<string, boolean> = {};
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
export function missingFonts(session: Session, used: readonly string[]): string[] {
  var missing: string[] = [];
  var fonts = app.fonts as FontsObject | undefined;
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
export function warnOfMissingEffects(session: Session): void {
  var installed = app.effects as { matchName: string }[] | undefined;
  if (!installed || !(installed.length > 0)) return;
  var known: Record<string, boolean> = {};
  for (var index = 0; index < installed.length; index++) known['effect ' + installed[index].matchName] = true;
  eachLayer(session, function (layer) {
    var parade = layer.property('ADBE Effect Parade') as unknown as PropertyBase | null;
    var effects = parade ? childrenOf(parade) : [];
    for (var at = 0; at < effects.length; at++) {
      var matchName = effects[at].matchName;
      if (known['effect ' + matchName] === true || matchName.indexOf('Pseudo/') === 0) continue;
      warn(session, 'the effect ' + quote(effects[at].name) + ' (' + matchName + ') is not installed');
    }
  });
}

/** AE_MISSING_FOOTAGE with the names. */
export function footageFailure(missing: readonly MissingFootage[]): Failure {
  var names: string[] = [];
  for (var index = 0; index < missing.length; index++)
    names.push(missing[index].name + ' (' + missing[index].path + ')');
  var made = failure('AE_MISSING_FOOTAGE', 'files of the project are not there: ' + listed(names));
  made.missingFootage = missing;
  return made;
}

/** AE_MISSING_FONT with the names. */
export function fontFailure(missing: readonly string[]): Failure {
  var made = failure('AE_MISSING_FONT', 'After Effects lacks fonts of the project: ' + listed(missing));
  made.missingFonts = missing;
  return made;
}

function eachLayer(session: Session, visit: (layer: Layer) => void): void {
  var tree = compositionTree(session.composition);
  for (var next = 0; next < tree.length; next++) {
    for (var index = 1; index <= tree[next].numLayers; index++) visit(tree[next].layer(index));
  }
}

/** Where a file is, or was on the machine that saved the project. */
export function footagePath(item: FootageItem): string {
  var source = item.mainSource;
  if (source instanceof FileSource && source.missingFootagePath) return String(source.missingFootagePath);
  return item.file ? item.file.fsName : '';
}

function contains(list: readonly string[], text: string): boolean {
  for (var index = 0; index < list.length; index++) {
    if (list[index] === text) return true;
  }
  return false;
}

function listed(names: readonly string[]): string {
  var rest = names.length - MAX_NAMED;
  return names.slice(0, MAX_NAMED).join(', ') + (rest > 0 ? ' and ' + rest + ' more' : '');
}
