/** Items of the project by name or "Folder/Name". */
import { fail, quote } from './failure.ts';
import { candidatesFor } from './names.ts';

/** Folders within folders; more would be a loop. */
var MAX_FOLDERS = 100;

/** All compositions of the project. */
export function allCompositions(): CompItem[] {
  var found: CompItem[] = [];
  for (var index = 1; index <= app.project.numItems; index++) {
    var item = app.project.item(index);
    if (item instanceof CompItem) found.push(item);
  }
  return found;
}

/** What layers can show. */
export function allSources(): AVItem[] {
  var found: AVItem[] = [];
  for (var index = 1; index <= app.project.numItems; index++) {
    var item = app.project.item(index);
    if (item instanceof CompItem || item instanceof FootageItem) found.push(item);
  }
  return found;
}

/** "Folder/Name" from the top of the project. */
function itemPath(item: Item): string {
  var path = item.name;
  var folder = item.parentFolder;
  for (var depth = 0; depth < MAX_FOLDERS && folder && folder.id !== app.project.rootFolder.id; depth++) {
    path = folder.name + '/' + path;
    folder = folder.parentFolder;
  }
  return path;
}

/** The one composition of that name. AE_COMP_NOT_FOUND when there is none or more than one. */
export function findComposition(address: string): CompItem {
  return findItem(address, allCompositions(), 'composition', 'AE_COMP_NOT_FOUND');
}

/**
 * Items match by their name or the end of their path; "/Name" is only the one outside of all folders. Names may hold
 * slashes themselves.
 */
export function findItem<T extends Item>(
  address: string,
  items: readonly T[],
  kind: string,
  code: 'AE_COMP_NOT_FOUND' | 'AE_LAYER_NOT_FOUND'
): T {
  var matches: T[] = [];
  var paths: string[] = [];
  var matching: string[] = [];
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

function endsWith(text: string, end: string): boolean {
  return text.length >= end.length && text.substring(text.length - end.length) === end;
}
