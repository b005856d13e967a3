/**
 * Footage whose path is one of another machine. After Effects looks for it relative to the project itself; which files
 * that finds was not verified against a real one. What is still missing then is looked for in the bundle here, in the
 * places that `template validate` takes for right (src/bundle/aep/footage-places.ts).
 */
import { footagePath } from './checks.ts';
import { messageOf, quote } from './failure.ts';
import { fileAt, folderAt } from './files.ts';
import { type Session, warn } from './session.ts';

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
export function relinkFootage(session: Session): void {
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
function findInBundle(session: Session, item: FootageItem, stored: string): File | null {
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
function namesIn(stored: string): string[] {
  var parts = stored.split(/[\\\/]/);
  var usable: string[] = [];
  for (var index = 0; index < parts.length; index++) {
    var part = parts[index];
    if (part === '.' || part === '..' || part.charAt(part.length - 1) === ':') usable = [];
    else if (part !== '') usable.push(part);
  }
  return usable;
}

/** The file at that path; of a folder of pictures the one that begins the sequence. */
function fileOf(item: FootageItem, path: string): File | null {
  var file = fileAt(path);
  if (!file.exists && SEQUENCE.test(path)) file = fileAt(path.replace(SEQUENCE, '$1'));
  if (file instanceof File && file.exists) return file;
  var folder = folderAt(path);
  if (!(folder instanceof Folder) || !folder.exists) return null;
  var name = item.name.replace(SEQUENCE, '$1');
  var entries = folder.getFiles();
  var first: File | null = null;
  for (var index = 0; index < entries.length; index++) {
    var entry = entries[index];
    if (!(entry instanceof File) || !PICTURE.test(entry.fsName)) continue;
    if (fileNameOf(entry) === name) return entry;
    if (first === null || fileNameOf(entry) < fileNameOf(first)) first = entry;
  }
  return first;
}

function relink(session: Session, item: FootageItem, stored: string, file: File): boolean {
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
function isLayerOf(item: FootageItem, file: File): boolean {
  if (!LAYERED.test(file.fsName)) return false;
  var name = '/' + fileNameOf(file);
  var at = item.name.length - name.length;
  return at > 0 && item.name.substring(at).toLowerCase() === name.toLowerCase();
}

function fileNameOf(file: File): string {
  return namesIn(file.fsName).slice(-1)[0];
}
