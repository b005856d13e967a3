/** The After Effects project of a bundle, checked without After Effects. */
import { basename } from 'node:path/posix';
import { inspectProject } from '../bundle/aep/inspect-project.ts';
import { AEP_LIMITS } from '../bundle/aep/rifx.ts';
import type { BundleSource } from '../bundle/bundle-source.ts';
import { postScriptNames } from '../bundle/font-names.ts';
import type { Manifest } from '../bundle/manifest.ts';
import { checkProject } from '../bundle/project-checks.ts';
import { FlatrenderError } from '../lib/errors.ts';
import type { Finding } from './template-check.ts';

/** A font of more bytes is none that anybody sets text in; reading it is left out. */
const LARGEST_FONT = 64 * 1024 * 1024;

/**
 * What the project and the manifest have against each other, and whether font files carry the names that the manifest gives
 * them; the files themselves are there. AEP_INVALID when the project cannot be read.
 */
export async function checkBundledProject(
  manifest: Manifest,
  bundle: BundleSource,
  signal: AbortSignal,
): Promise<Finding[]> {
  const section = manifest.engines.aerender;
  if (!section) return [];
  const size = bundle.files.get(section.project) ?? 0;
  if (size > AEP_LIMITS.fileBytes) {
    const message = `${section.project} has ${size} bytes; at most ${AEP_LIMITS.fileBytes} are read`;
    throw new FlatrenderError('AEP_INVALID', message);
  }
  const bytes = await bundle.read(section.project);
  signal.throwIfAborted();
  const project = await inspectProject(bytes).catch((error: unknown) => {
    if (!(error instanceof FlatrenderError)) throw error;
    const message = error.message.replace(/^the project /, `${basename(section.project)} `);
    throw new FlatrenderError(error.code, message, {
      cause: error,
      hint: error.hint,
      details: error.details,
    });
  });
  return [
    ...checkProject(manifest, project, bundle.files.keys()),
    ...(await checkFontNames(section.fonts, bundle)),
  ];
}

async function checkFontNames(
  fonts: readonly { readonly file: string; readonly names: readonly string[] }[],
  bundle: BundleSource,
): Promise<Finding[]> {
  const findings: Finding[] = [];
  for (const [index, { file, names }] of fonts.entries()) {
    if ((bundle.files.get(file) ?? 0) > LARGEST_FONT) continue;
    const own = postScriptNames(await bundle.read(file));
    // A variable font has more names than it lists.
    const wrong = own.length === 0 ? [] : names.filter((name) => !own.some((other) => isLike(name, other)));
    if (wrong.length === 0) continue;
    const message = `engines.aerender.fonts[${index}]: ${file} is ${quoted(own)}, not ${quoted(wrong)}`;
    findings.push({ severity: 'warning', code: 'AE_MISSING_FONT', message });
  }
  return findings;
}

/** "Inter-Bold" may be an instance of the variable font "Inter-Regular". */
function isLike(name: string, own: string): boolean {
  return name === own || (/variable|vf/i.test(own) && name.split('-')[0] === own.split('-')[0]);
}

function quoted(names: readonly string[]): string {
  return names.map((name) => JSON.stringify(name)).join(' or ');
}
