/** A template out of an After Effects project: the project, what it shows, its fonts, and a manifest with proposed inputs. */
import { access, copyFile, mkdir, readdir, stat, writeFile } from 'node:fs/promises';
import { basename, dirname, join, posix, relative, resolve } from 'node:path';
import type { AepComposition, AepProject } from '../bundle/aep/aep-project.ts';
import { findFootage } from '../bundle/aep/footage-places.ts';
import { inspectProject } from '../bundle/aep/inspect-project.ts';
import { ProjectIndex } from '../bundle/aep/project-index.ts';
import { nameProblem } from '../bundle/entry-names.ts';
import { LONGEST_MANIFEST, MANIFEST_FILE, parseManifest } from '../bundle/manifest-file.ts';
import { proposalYaml } from '../bundle/proposal-yaml.ts';
import { proposeInputs } from '../bundle/propose-inputs.ts';
import { FlatrenderError } from '../lib/errors.ts';
import { collectFonts } from './collect-fonts.ts';
import { chooseComposition } from './main-composition.ts';
import { checkTemplate, type Finding } from './template-check.ts';
import { type InitResult, templateName } from './template-init.ts';

export interface ProjectInitOptions {
  /** Default: named after the project, in the working directory. */
  readonly directory?: string | undefined;
  /** Default: the folder's name. */
  readonly name?: string | undefined;
  /** What is rendered, by name or "Folder/Name"; default: the one that no other shows. */
  readonly composition?: string | undefined;
  /** Folder with font files; default: the project's. */
  readonly fonts?: string | undefined;
  readonly allColors: boolean;
  /** Write over files that are there. */
  readonly force: boolean;
  readonly signal: AbortSignal;
}

export interface ProjectInitResult extends InitResult {
  /** The project that was read, absolute. */
  readonly source: string;
  /** Of the After Effects that saved it. */
  readonly version: string | null;
  readonly composition: string;
  readonly inputs: readonly { readonly name: string; readonly type: string; readonly about: string }[];
  readonly missing: {
    /** Files as the project has them. */
    readonly footage: readonly string[];
    readonly fonts: readonly string[];
  };
  /** Files that were in the folder and become part of the bundle. */
  readonly others: number;
  /** Of the template as it is now. */
  readonly findings: readonly Finding[];
}

/** A file to copy: from where, and its path in the bundle. */
interface Copy {
  readonly from: string;
  readonly to: string;
}

/**
 * Reads `project` and writes a template that passes the checks, as far as everything it needs is there. USAGE when files of it are
 * there already, or when it is not clear which composition is rendered; AEP_INVALID.
 */
export async function initFromProject(
  project: string,
  options: ProjectInitOptions,
): Promise<ProjectInitResult> {
  const { signal } = options;
  const source = resolve(project);
  refuseOtherKinds(source);
  const aep = await inspectProject(source, signal);
  const index = new ProjectIndex(aep);
  const { main, reference } = await chooseComposition(index, options.composition);
  const target = resolve(
    options.directory ?? options.name ?? templateName(basename(source).replace(/\.aep$/i, '')),
  );
  const name = templateName(basename(target), options.name);
  const footage = await collectFootage(aep, dirname(source), signal);
  const file = footage.folder + (bundleName(basename(source)) ?? `${name}.aep`);
  const fonts = await collectFonts(usedFonts(index, main), dirname(source), options.fonts, signal);
  const inputs = proposeInputs(index, main, {
    allColors: options.allColors,
    hasFile: ({ path }) => path !== null && footage.found.has(path),
  });
  const manifest = sound((count) =>
    proposalYaml({
      name,
      title:
        basename(source)
          .replace(/\.aep$/i, '')
          .slice(0, 200)
          .toWellFormed() || name,
      project: file,
      version: aep.version,
      main,
      composition: reference,
      inputs: inputs.slice(0, count),
      fonts: fonts.found.map(({ to, names }) => ({ file: to, names })),
      missingFonts: fonts.missing,
    }),
  );
  const copies = [{ from: source, to: file }, ...footage.copies, ...fonts.found];
  const files = await write(target, manifest.text, copies, options);
  const report = await checkTemplate(target, signal);
  return {
    directory: target,
    name,
    files,
    source,
    version: aep.version,
    composition: reference,
    inputs: inputs.slice(0, manifest.count).map(({ name, type, about }) => ({ name, type, about })),
    missing: { footage: footage.missing, fonts: fonts.missing },
    others: Math.max(0, report.files - new Set([MANIFEST_FILE, ...copies.map(({ to }) => to)]).size),
    findings: report.findings,
  };
}

function refuseOtherKinds(source: string): void {
  if (/\.aep$/i.test(source)) return;
  throw new FlatrenderError('USAGE', `${basename(source)} is no .aep`, {
    hint: 'open it in After Effects and save it as .aep (File > Save As)',
  });
}

/** A name that every system can have, as it is; null: it needs another. */
function bundleName(name: string): string | null {
  return nameProblem(name) === null ? name : null;
}

interface Collected {
  /** Folder of the project in the bundle, with a slash behind it; empty: at the top. */
  readonly folder: string;
  readonly copies: readonly Copy[];
  /** Paths as the project has them. */
  readonly found: ReadonlySet<string>;
  readonly missing: readonly string[];
}

/**
 * Footage that is found, put where After Effects looks for it from the project. That may be above the project's folder: then the
 * project gets folders around it, called as on this machine.
 */
async function collectFootage(aep: AepProject, directory: string, signal: AbortSignal): Promise<Collected> {
  const { places, left } = await findFootage(aep, directory, signal);
  const missing: string[] = [];
  const found = new Map<string, { readonly from: string; readonly to: string }[]>();
  for (const { path, beside, expected } of places) {
    const files = beside === null ? [] : await filesAt(directory, beside);
    const ascents = countAscents(expected ?? beside ?? '');
    if (beside === null || files.length === 0 || ascents > MOST_ASCENTS) missing.push(path);
    else {
      const place = expected ?? beside;
      found.set(
        path,
        files.map((file) => ({ from: join(directory, file), to: place + file.slice(beside.length) })),
      );
    }
  }
  if (left > 0) missing.push(`${left} more files`);
  const folder = folderOf(
    directory,
    Math.max(0, ...Array.from(found.values(), ([file]) => countAscents(file?.to ?? ''))),
  );
  const copies: Copy[] = [];
  for (const [path, files] of found) {
    const placed = files.map(({ from, to }) => ({ from, to: posix.join(folder, to) }));
    if (placed.every(({ to }) => nameProblem(to) === null)) copies.push(...placed);
    else {
      found.delete(path);
      missing.push(path);
    }
  }
  return { folder, copies, found: new Set(found.keys()), missing };
}

/** Folders above the project that a bundle mirrors. */
const MOST_ASCENTS = 3;

function countAscents(path: string): number {
  return path.split('/').filter((part) => part === '..').length;
}

/** The last folders of a path, for a bundle; with a slash behind them. */
function folderOf(directory: string, depth: number): string {
  const parts = depth === 0 ? [] : directory.split(/[\\/]/).slice(-depth);
  const names = Array.from({ length: depth }, (_, at) => parts[at] ?? '');
  return names.map((name) => `${nameProblem(name) === null ? name : 'project'}/`).join('');
}

/** A file, or the files of an image sequence; relative to the directory, with forward slashes. */
async function filesAt(directory: string, path: string): Promise<string[]> {
  const found = await stat(join(directory, path)).catch(() => null);
  if (found?.isFile()) return found.size > 0 ? [path] : [];
  if (!found?.isDirectory()) return [];
  const entries = await readdir(join(directory, path), { withFileTypes: true });
  return entries.filter((entry) => entry.isFile()).map((entry) => `${path}/${entry.name}`);
}

function usedFonts(index: ProjectIndex, main: AepComposition): string[] {
  const layers = index.within(main).flatMap(({ layers }) => layers);
  return [...new Set(layers.flatMap(({ fonts }) => fonts))].sort();
}

/** A manifest that passes its checks, of as many inputs as it has room for. */
function sound(textOf: (count: number) => string): { readonly text: string; readonly count: number } {
  let count = Number.MAX_SAFE_INTEGER;
  let text = textOf(count);
  for (count = 128; text.length > LONGEST_MANIFEST && count >= 1; count = Math.floor(count / 2))
    text = textOf(count);
  try {
    parseManifest(text);
  } catch (error) {
    if (!(error instanceof FlatrenderError)) throw error;
    throw new FlatrenderError('USAGE', `this composition cannot be a template: ${error.message}`, {
      cause: error,
      hint: 'choose another one with --composition',
    });
  }
  return { text, count };
}

/** Writes what is not there yet; the files that were written, sorted. */
async function write(
  target: string,
  manifest: string,
  copies: readonly Copy[],
  { force, signal }: ProjectInitOptions,
): Promise<string[]> {
  // The project may lie in the folder of the template already.
  const wanted = [...new Map(copies.map((copy) => [copy.to, copy])).values()].filter(
    ({ from, to }) => relative(from, join(target, to)) !== '',
  );
  const files = [MANIFEST_FILE, ...wanted.map(({ to }) => to)];
  if (!force) {
    const there: string[] = [];
    for (const file of files) if (await exists(join(target, file))) there.push(file);
    if (there.length > 0) {
      const shown =
        there.length > 5 ? `${there.slice(0, 5).join(', ')} and ${there.length - 5} more` : there.join(', ');
      throw new FlatrenderError('USAGE', `${target} has ${shown} already`, {
        hint: 'choose another folder, or add --force to write over them',
      });
    }
  }
  for (const { from, to } of wanted) {
    signal.throwIfAborted();
    const path = join(target, to);
    await mkdir(dirname(path), { recursive: true });
    await copyFile(from, path);
  }
  await mkdir(target, { recursive: true });
  await writeFile(join(target, MANIFEST_FILE), manifest);
  return files.sort();
}

async function exists(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  );
}
