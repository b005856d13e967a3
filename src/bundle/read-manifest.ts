import { join } from 'node:path';
import { FlatrenderError } from '../lib/errors.ts';
import { checkBundleFiles } from './bundle-files.ts';
import { type BundleSource, openBundle } from './bundle-source.ts';
import type { Manifest } from './manifest.ts';
import { LONGEST_MANIFEST, MANIFEST_FILE, parseManifest } from './manifest-file.ts';
import type { ZipSource } from './zip-reader.ts';

/** The manifest of a folder or a zip. TEMPLATE_INVALID with every problem; BUNDLE_REFUSED; USAGE when there is nothing. */
export async function readManifest(source: ZipSource): Promise<Manifest> {
  await using bundle = await openBundle(source);
  return manifestOf(bundle);
}

/**
 * The manifest of a packed bundle, without unpacking it: all entries and all files that the manifest names are checked,
 * so that what passes can be unpacked and rendered. For the control plane.
 */
export async function readBundleManifest(zip: ZipSource): Promise<Manifest> {
  await using bundle = await openBundle(zip);
  const manifest = await manifestOf(bundle);
  await checkBundleFiles(manifest, bundle);
  return manifest;
}

/** The manifest of an open bundle. */
export async function manifestOf(bundle: BundleSource): Promise<Manifest> {
  const file = bundle.name.endsWith('.zip') ? MANIFEST_FILE : join(bundle.name, MANIFEST_FILE);
  const size = bundle.files.get(MANIFEST_FILE);
  if (size === undefined) throw missing(bundle);
  if (size > LONGEST_MANIFEST) {
    throw new FlatrenderError(
      'TEMPLATE_INVALID',
      `${file} has ${size} bytes; at most ${LONGEST_MANIFEST} are allowed`,
    );
  }
  const bytes = await bundle.read(MANIFEST_FILE);
  let text: string;
  try {
    text = new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch (error) {
    throw new FlatrenderError('TEMPLATE_INVALID', `${file} is not UTF-8`, { cause: error });
  }
  return parseManifest(text, file);
}

function missing(bundle: BundleSource): FlatrenderError {
  const elsewhere = [...bundle.files.keys()].find((path) => path.endsWith(`/${MANIFEST_FILE}`));
  const other = [...bundle.files.keys()].find((path) => /^(template|manifest)\.(ya?ml|json)$/i.test(path));
  const hint = elsewhere
    ? `it is in ${elsewhere.slice(0, -MANIFEST_FILE.length - 1)}/: the bundle must contain that folder's files, not the folder`
    : other
      ? `rename ${other} to ${MANIFEST_FILE}`
      : 'run "flatrender template init" to start one';
  return new FlatrenderError('TEMPLATE_INVALID', `${bundle.name} has no ${MANIFEST_FILE}`, { hint });
}
