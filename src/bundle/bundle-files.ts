/** The files that a manifest names, against those the bundle has. */
import { closest } from '../lib/did-you-mean.ts';
import type { BundleSource } from './bundle-source.ts';
import { noun, SNIFF_BYTES, sniff } from './input-files.ts';
import { isFileInput } from './inputs.ts';
import type { Manifest } from './manifest.ts';
import { findPlaceholders, graphsOf } from './placeholders.ts';
import { formatPath, type LocatedProblem, type ManifestPath, templateInvalid } from './problems.ts';

/** A file that a manifest refers to. */
export interface ManifestFile {
  readonly file: string;
  /** Where it is named. */
  readonly path: ManifestPath;
  /** What it must be, where the manifest says it. */
  readonly type?: 'image' | 'audio' | 'video' | 'font';
}

/** Every file that the manifest names, in its order; one that is named twice is listed twice. */
function manifestFiles(manifest: Manifest): ManifestFile[] {
  const files: ManifestFile[] = [];
  for (const [name, input] of Object.entries(manifest.inputs)) {
    if (!isFileInput(input) || input.default === undefined) continue;
    files.push({ file: input.default, path: ['inputs', name, 'default'], type: input.type });
  }
  const { aerender, lottie, ffmpeg } = manifest.engines;
  if (aerender) {
    const base = ['engines', 'aerender'];
    files.push({ file: aerender.project, path: [...base, 'project'] });
    for (const [index, font] of aerender.fonts.entries()) {
      files.push({ file: font.file, path: [...base, 'fonts', index, 'file'], type: 'font' });
    }
    for (const [index, file] of aerender.scripts.entries()) {
      files.push({ file, path: [...base, 'scripts', index] });
    }
  }
  if (lottie) {
    files.push({ file: lottie.file, path: ['engines', 'lottie', 'file'] });
    for (const [index, font] of lottie.fonts.entries()) {
      files.push({ file: font.file, path: ['engines', 'lottie', 'fonts', index, 'file'], type: 'font' });
    }
    if (typeof lottie.audio === 'string') {
      files.push({ file: lottie.audio, path: ['engines', 'lottie', 'audio'], type: 'audio' });
    }
  }
  if (ffmpeg) {
    for (const [index, source] of ffmpeg.sources.entries()) {
      if ('file' in source)
        files.push({ file: source.file, path: ['engines', 'ffmpeg', 'sources', index, 'file'] });
    }
    for (const { where, text } of graphsOf(ffmpeg)) {
      for (const { placeholder } of findPlaceholders(text)) {
        if (placeholder.kind !== 'font') continue;
        files.push({ file: placeholder.path, path: ['engines', 'ffmpeg', ...where], type: 'font' });
      }
    }
  }
  return files;
}

/** TEMPLATE_INVALID listing every file that is missing, empty or of another kind than the manifest says. */
export async function checkBundleFiles(manifest: Manifest, bundle: BundleSource): Promise<void> {
  const problems: LocatedProblem[] = [];
  const seen = new Set<string>();
  for (const { file, path, type } of manifestFiles(manifest)) {
    const key = `${formatPath(path)} ${file}`;
    if (seen.has(key)) continue;
    seen.add(key);
    const message = await fileMessage(bundle, file, type);
    if (message !== null) problems.push({ path: formatPath(path), message, line: null, column: null });
  }
  if (problems.length > 0) throw templateInvalid('template.yaml', problems);
}

async function fileMessage(
  bundle: BundleSource,
  file: string,
  type: ManifestFile['type'],
): Promise<string | null> {
  const size = bundle.files.get(file);
  if (size === undefined) {
    const guess = closest(file, bundle.files.keys());
    const why =
      guess === undefined
        ? ''
        : guess.toLowerCase() === file.toLowerCase()
          ? `; there is "${guess}", and names are case-sensitive`
          : `; did you mean "${guess}"?`;
    return `the bundle has no file "${file}"${why}`;
  }
  if (size === 0) return `the file "${file}" is empty`;
  if (type === undefined) return null;
  const kinds = sniff(await bundle.head(file, SNIFF_BYTES));
  return kinds === undefined || kinds.includes(type) ? null : `the file "${file}" is not ${noun(type)}`;
}
