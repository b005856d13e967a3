/** Which file names a bundle may contain: those that every system of a farm can have, and that stay inside a folder. */

/** As long as `BundlePath` in a manifest; leaves room for a cache directory below Windows' 260. */
const LONGEST_PATH = 240;
/** In bytes; the limit of ext4, APFS and NTFS is 255. */
const LONGEST_SEGMENT = 255;
const RESERVED = /^(con|prn|aux|nul|com[0-9¹²³]|lpt[0-9¹²³]|conin\$|conout\$)\s*(\.|$)/i;

/** Why a name (relative, forward slashes, without the final slash of a folder) is refused; null when it is fine. */
export function nameProblem(name: string): string | null {
  if (name === '') return 'has no name';
  if (/^(\\\\|\/\/)/.test(name)) return 'is a network (UNC) path';
  if (/^[\\/]/.test(name)) return 'is an absolute path';
  if (/^[A-Za-z]:/.test(name)) return 'has a drive letter';
  if (name.includes('\\')) return 'has a backslash';
  if (/[\0-\x1f\x7f-\x9f]/.test(name)) return 'has a control character';
  if (!name.isWellFormed() || name.includes('\ufffd')) return 'is not valid UTF-8';
  if (/[\u202a-\u202e\u2066-\u2069]/.test(name)) return 'has characters that change the reading direction';
  if (name.length > LONGEST_PATH) return `is longer than ${LONGEST_PATH} characters`;
  for (const segment of name.split('/')) {
    const problem = segmentProblem(segment);
    if (problem !== null) return problem;
  }
  return null;
}

function segmentProblem(segment: string): string | null {
  if (segment === '..') return 'leads out of the bundle (..)';
  if (segment === '' || segment === '.') return 'has an empty or "." segment';
  if (segment.includes(':')) return 'names an NTFS stream (:)';
  if (/[<>"|?*]/.test(segment)) return 'has a character that Windows does not allow (< > " | ? *)';
  if (/[. ]$/.test(segment)) return 'has a segment that ends with a dot or a space';
  if (RESERVED.test(segment)) return 'has a name that Windows reserves for a device';
  if (Buffer.byteLength(segment) > LONGEST_SEGMENT)
    return `has a segment of more than ${LONGEST_SEGMENT} bytes`;
  return null;
}

/** What two names must not have in common: file systems differ in whether they tell case and composition apart. */
function foldName(name: string): string {
  return name.normalize('NFC').toUpperCase().toLowerCase().normalize('NFC');
}

/** The names seen so far; finds those that some file system cannot keep apart. */
export class NameRegister {
  readonly #seen = new Map<string, { readonly name: string; readonly folder: boolean }>();

  /** Adds a file or folder (its parents are implied); the problem when it collides with an earlier one. */
  add(name: string, folder: boolean): string | null {
    const segments = name.split('/');
    for (let depth = 1; depth < segments.length; depth += 1) {
      const parent = segments.slice(0, depth).join('/');
      const problem = this.#note(parent, true, false);
      if (problem !== null) return problem;
    }
    return this.#note(name, folder, true);
  }

  #note(name: string, folder: boolean, listed: boolean): string | null {
    const key = foldName(name);
    const other = this.#seen.get(key);
    if (other === undefined) {
      this.#seen.set(key, { name, folder });
      return null;
    }
    if (other.name !== name) return `differs from "${other.name}" only in case or composition`;
    if (other.folder !== folder) return 'is both a file and a folder';
    return listed && !folder ? 'is there twice' : null;
  }
}
