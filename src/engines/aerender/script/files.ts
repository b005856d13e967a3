/** Files of the disk. */
import { fail } from './failure.ts';

/**
 * The file at a native path. ExtendScript takes `%41` in a path for an escaped "A" (JavaScript Tools Guide, "Specifying
 * paths"), so that a percent sign has to be escaped itself.
 */
export function fileAt(path: string): File {
  if (path.indexOf('%') === -1) return new File(path);
  var escaped = new File(path.replace(/%/g, '%25'));
  if (escaped.exists) return escaped;
  var plain = new File(path);
  return plain.exists ? plain : escaped;
}

/** The folder at a native path; see {@link fileAt}. */
export function folderAt(path: string): Folder {
  return new Folder(path.replace(/%/g, '%25'));
}

/** The text of an ASCII file. */
export function readText(path: string): string {
  var file = fileAt(path);
  file.encoding = 'UTF-8';
  if (!file.open('r')) fail('AE_SCRIPT_ERROR', 'cannot read ' + path + ': ' + file.error);
  var text = file.read();
  file.close();
  return text;
}

/** Writes an ASCII file; false when that failed. */
export function writeText(path: string, text: string): boolean {
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
export function writeTextAtOnce(directory: string, name: string, text: string): boolean {
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
