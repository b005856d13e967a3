/**
 * Paths as ExtendScript has them (JavaScript Tools Guide, "Specifying paths"): native ones and URI notation are taken, `%41`
 * is an escaped "A", `~` the home directory.
 */
import { homedir } from 'node:os';
import { isAbsolute, resolve } from 'node:path';

/** The native, absolute path. */
export function nativePath(path: string, current: string): string {
  const decoded = decodePath(path.startsWith('file://') ? path.slice('file://'.length) : path);
  const home = decoded === '~' || decoded.startsWith('~/') ? homedir() + decoded.slice(1) : decoded;
  return isAbsolute(home) ? resolve(home) : resolve(current, home);
}

/** A path in URI notation. */
export function uriPath(path: string): string {
  return encodeURI(path).replace(/[?#]/g, encodeURIComponent);
}

/** What is no escape stays as it is. */
function decodePath(path: string): string {
  return path.replace(/(?:%[0-9a-fA-F]{2})+/g, (escapes) => {
    try {
      return decodeURIComponent(escapes);
    } catch {
      return escapes;
    }
  });
}
