/** Everything that can be said of a template before it is pushed. */
import { mkdtemp, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { checkBundleFiles } from '../bundle/bundle-files.ts';
import { openBundle } from '../bundle/bundle-source.ts';
import type { Manifest } from '../bundle/manifest.ts';
import { manifestWarnings } from '../bundle/manifest-warnings.ts';
import { manifestOf } from '../bundle/read-manifest.ts';
import { unpackBundle } from '../bundle/unpack.ts';
import { FlatrenderError } from '../lib/errors.ts';
import { preflight } from './template-preflight.ts';

export interface Finding {
  readonly severity: 'error' | 'warning';
  readonly code: string;
  /** With file, line, column and path where they are known. */
  readonly message: string;
  readonly hint?: string | undefined;
}

export interface TemplateReport {
  /** The folder or zip, absolute. */
  readonly source: string;
  /** No errors; there may be warnings. */
  readonly ok: boolean;
  /** null: the manifest cannot be read. */
  readonly manifest: Manifest | null;
  readonly files: number;
  readonly sizeBytes: number;
  readonly findings: readonly Finding[];
}

/**
 * Checks a folder or a zip: names, manifest, the files it names, and what the engines need to render it. What is wrong
 * with the template is in the report; USAGE when there is nothing at `path`.
 */
export async function checkTemplate(path: string, signal: AbortSignal): Promise<TemplateReport> {
  const source = resolve(path);
  const findings: Finding[] = [];
  let manifest: Manifest | null = null;
  let files = 0;
  let sizeBytes = 0;
  const found = await stat(source).catch(() => null);
  await collect(findings, async () => {
    await using bundle = await openBundle(source);
    files = bundle.files.size;
    sizeBytes = bundle.files.values().reduce((sum, size) => sum + size, 0);
    manifest = await manifestOf(bundle);
    const checked = manifest;
    findings.push(
      ...manifestWarnings(checked).map(
        (message) => ({ severity: 'warning', code: 'TEMPLATE_INVALID', message }) as const,
      ),
    );
    await collect(findings, () => checkBundleFiles(checked, bundle));
    if (checked.engines.aerender && !findings.some(isError)) {
      const { checkBundledProject } = await import('./project-check.ts');
      await collect(findings, async () => {
        findings.push(...(await checkBundledProject(checked, bundle, signal)));
      });
    }
  });
  if (manifest !== null && !findings.some(isError)) {
    const sound: Manifest = manifest;
    await collect(findings, async () => {
      // Unpacking a large zip takes long, and only a Lottie file is read from the folder.
      const isAsIs = found?.isDirectory() === true || sound.engines.lottie === undefined;
      await using folder = isAsIs ? asIs(source) : await unpacked(source, signal);
      findings.push(...(await preflight(folder.path, sound)));
    });
  }
  signal.throwIfAborted();
  return { source, ok: !findings.some(isError), manifest, files, sizeBytes, findings };
}

/** The errors of a report as one; for those who need a sound template to go on. */
export function reportError(report: TemplateReport): FlatrenderError {
  const errors = report.findings.filter(isError);
  const [first] = errors;
  const refused = errors.some(({ code }) => code === 'BUNDLE_REFUSED');
  return new FlatrenderError(
    refused ? 'BUNDLE_REFUSED' : 'TEMPLATE_INVALID',
    errors.length === 1 && first
      ? first.message
      : `${errors.length} problems in ${report.source}\n${errors.map(({ message }) => message).join('\n')}`,
    { hint: first?.hint, details: { findings: report.findings } },
  );
}

function isError(finding: Finding): boolean {
  return finding.severity === 'error';
}

async function collect(findings: Finding[], work: () => Promise<void>): Promise<void> {
  try {
    await work();
  } catch (error) {
    if (!(error instanceof FlatrenderError) || error.code === 'USAGE' || error.code === 'ABORTED')
      throw error;
    const { code, hint } = error;
    // A manifest's problems come as one error with a line each; a heading before them says how many.
    const lines = error.message.split('\n');
    for (const message of lines.length > 1 ? lines.slice(1) : lines) {
      findings.push({ severity: 'error', code, message, hint });
    }
  }
}

type Folder = { readonly path: string } & AsyncDisposable;

function asIs(path: string): Folder {
  return { path, async [Symbol.asyncDispose]() {} };
}

async function unpacked(zip: string, signal: AbortSignal): Promise<Folder> {
  const temp = await mkdtemp(join(tmpdir(), 'flatrender-check-'));
  const remove = () => rm(temp, { recursive: true, force: true, maxRetries: 3 });
  try {
    const path = join(temp, 'bundle');
    await unpackBundle(zip, path, { signal });
    return { path, [Symbol.asyncDispose]: remove };
  } catch (error) {
    await remove();
    throw error;
  }
}
