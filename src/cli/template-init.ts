/** A new template from a starter. */
import { access, copyFile, mkdir, readdir, readFile, stat, writeFile } from 'node:fs/promises';
import { basename, dirname, join, resolve } from 'node:path';
import { openBundle } from '../bundle/bundle-source.ts';
import { MANIFEST_FILE } from '../bundle/manifest-file.ts';
import { didYouMean } from '../lib/did-you-mean.ts';
import { FlatrenderError } from '../lib/errors.ts';
import { packageRoot } from '../lib/paths.ts';
import { Name } from '../protocol/names.ts';

/** Engines for which `--from empty` has something to start from. */
export const EMPTY_ENGINES = ['lottie', 'ffmpeg', 'mock'] as const;

export interface InitOptions {
  /** A starter's name, or `empty`. */
  readonly from: string;
  /** For `empty`. */
  readonly engine: (typeof EMPTY_ENGINES)[number];
  /** Default: the folder's name. */
  readonly name?: string | undefined;
  /** Write over files that are there. */
  readonly force: boolean;
}

export interface InitResult {
  readonly directory: string;
  readonly name: string;
  /** What was written, relative to the directory. */
  readonly files: readonly string[];
}

/** Copies a starter into `directory`, which may have other files; USAGE when one of the starter's is there already. */
export async function initTemplate(directory: string, options: InitOptions): Promise<InitResult> {
  const target = resolve(directory);
  const name = templateName(basename(target), options.name);
  const source = await starterDirectory(options.from, options.engine);
  await using starter = await openBundle(source);
  const files = [...starter.files.keys()];
  if (!options.force) await refuseExisting(target, files);
  for (const file of files) {
    const path = join(target, ...file.split('/'));
    await mkdir(dirname(path), { recursive: true });
    if (file === MANIFEST_FILE) {
      await writeFile(path, renamed(await readFile(join(source, file), 'utf8'), name));
    } else await copyFile(join(source, ...file.split('/')), path);
  }
  return { directory: target, name, files };
}

/** The name that was given, else one made of the folder's; USAGE when it is none. */
export function templateName(folder: string, given?: string): string {
  const name = given ?? nameFrom(folder);
  if (Name.safeParse(name).success) return name;
  throw new FlatrenderError('USAGE', `"${name}" cannot be the name of a template`, {
    hint: 'use lower-case letters, digits and hyphens: --name my-template',
  });
}

/** The names that `--from` takes. */
async function starterNames(): Promise<string[]> {
  const root = join(packageRoot(), 'templates', 'video');
  const found: string[] = [];
  for (const entry of await readdir(root, { withFileTypes: true }).catch(() => [])) {
    if (entry.isDirectory() && (await exists(join(root, entry.name, MANIFEST_FILE)))) found.push(entry.name);
  }
  return [...found.sort(), 'empty'];
}

async function starterDirectory(from: string, engine: InitOptions['engine']): Promise<string> {
  if (from === 'empty') return join(packageRoot(), 'templates', 'empty', engine);
  const names = await starterNames();
  if (names.includes(from)) return join(packageRoot(), 'templates', 'video', from);
  throw new FlatrenderError('USAGE', `there is no starter template "${from}"${didYouMean(from, names)}`, {
    hint: `there are: ${names.join(', ')}`,
  });
}

async function refuseExisting(target: string, files: readonly string[]): Promise<void> {
  const there: string[] = [];
  for (const file of files) if (await exists(join(target, file))) there.push(file);
  if (there.length === 0) return;
  throw new FlatrenderError('USAGE', `${target} has ${there.join(', ')} already`, {
    hint: 'choose another folder, or add --force to write over them',
  });
}

async function exists(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  );
}

/** The starter's manifest under another name, at its first version; everything else stays as written. */
function renamed(manifest: string, name: string): string {
  // YAML takes these for something else than a text.
  const value = /^(null|true|false|\d.*)$/.test(name) ? `'${name}'` : name;
  return manifest
    .replace(/^name: *[^\s#]+/m, `name: ${value}`)
    .replace(/^version: *[^\s#]+/m, 'version: 0.1.0');
}

/** "My Template" → my-template. */
function nameFrom(folder: string): string {
  return folder
    .normalize('NFKD')
    .replace(/\p{M}/gu, '')
    .toLowerCase()
    .replace(/[^a-z0-9]+/g, '-')
    .replace(/^-+|-+$/g, '')
    .slice(0, 63);
}

/** Whether this is a project to start from, and not the folder of a template. USAGE when it should be one and is not there. */
export async function isProjectFile(path: string): Promise<boolean> {
  const found = await stat(path).catch(() => null);
  if (found?.isFile()) return true;
  if (found || !/\.(aep|aepx|aet)$/i.test(path)) return false;
  throw new FlatrenderError('USAGE', `there is no project ${path}`, { hint: 'give the path of the .aep' });
}

/** USAGE when one of these was given. */
export function refuseFlags(given: readonly string[], reason: string): void {
  const [first] = given;
  if (first === undefined) return;
  const what = first.includes(' ') ? first : `--${first}`;
  throw new FlatrenderError('USAGE', `${what} is ${reason}`, {
    hint: 'see "flatrender template init --help"',
  });
}
