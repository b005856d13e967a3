/** Which files of a template's folder do not belong into its bundle. */
import { matchesGlob } from 'node:path';

/** More patterns, one a line, in a file of this name: globs, `#` comments, `/` at the end for folders, `!` takes back. */
export const IGNORE_FILE = '.flatrenderignore';

/** Never wanted: version control, packages, what systems and After Effects leave in folders. */
const ALWAYS = [
  '.git',
  '.svn',
  '.hg',
  'node_modules',
  '.DS_Store',
  '.AppleDouble',
  '__MACOSX',
  '._*',
  'Thumbs.db',
  'desktop.ini',
  'Adobe After Effects Auto-Save',
  IGNORE_FILE,
];

interface Rule {
  readonly glob: string;
  /** Compared with the whole path, not with the last segment. */
  readonly anchored: boolean;
  readonly folderOnly: boolean;
  readonly keep: boolean;
}

/** Whether a path (relative, forward slashes) stays out. The last rule that matches decides. */
export type Ignores = (path: string, folder: boolean) => boolean;

/** The built-in rules and those of an ignore file. */
export function ignoreRules(text: string): Ignores {
  const lines = text
    .split(/\r?\n/)
    .map((line) => line.trim())
    .filter((line) => line !== '' && !line.startsWith('#'));
  const rules = [...ALWAYS, ...lines].map(parseRule);
  return (path, folder) => {
    const rule = rules.findLast((rule) => (folder || !rule.folderOnly) && matches(path, rule));
    return rule !== undefined && !rule.keep;
  };
}

function parseRule(line: string): Rule {
  const keep = line.startsWith('!');
  const pattern = line.slice(keep ? 1 : 0);
  const folderOnly = pattern.endsWith('/');
  const trimmed = pattern.replace(/\/+$/, '');
  // As in .gitignore: a pattern with a slash counts from the root, one without matches at every depth.
  const anchored = trimmed.includes('/');
  return { keep, folderOnly, anchored, glob: trimmed.replace(/^\/+/, '') };
}

function matches(path: string, { glob, anchored }: Rule): boolean {
  const subject = anchored ? path : path.slice(path.lastIndexOf('/') + 1);
  return subject === glob || matchesGlob(subject, glob);
}
