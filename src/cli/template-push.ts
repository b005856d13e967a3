/** From a folder or a zip to a template that the farm knows. */
import { mkdtemp, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import type { Manifest } from '../bundle/manifest.ts';
import type { Api } from '../client/api.ts';
import { uploadFile } from '../client/files.ts';
import { FlatrenderError } from '../lib/errors.ts';
import type { TemplateView } from '../protocol/templates.ts';
import { checkTemplate, type Finding, reportError } from './template-check.ts';

export interface PushOptions {
  readonly signal: AbortSignal;
  /** Bytes sent of all; not called when nothing has to be sent. */
  readonly onProgress?: ((done: number, total: number) => void) | undefined;
}

export interface PushedTemplate {
  readonly template: TemplateView;
  /** This very content was pushed before; nothing changed. */
  readonly already: boolean;
  readonly warnings: readonly Finding[];
}

/**
 * Checks, packs, uploads and registers a template. TEMPLATE_INVALID, BUNDLE_REFUSED; TEMPLATE_VERSION_EXISTS before
 * anything is sent when this version was pushed with other content.
 */
export async function pushTemplate(api: Api, path: string, options: PushOptions): Promise<PushedTemplate> {
  const { signal } = options;
  const report = await checkTemplate(path, signal);
  if (!report.ok || report.manifest === null) throw reportError(report);
  const temp = await mkdtemp(join(tmpdir(), 'flatrender-push-'));
  try {
    const zip = await zipOf(report.source, join(temp, 'bundle.zip'), signal);
    await refuseOtherContent(api, report.manifest, zip.sha256, path);
    const { sha256 } = await uploadFile(api, 'bundle', zip.path, {
      signal,
      ...(options.onProgress ? { onProgress: options.onProgress } : {}),
    });
    const { template, already } = await api.pushTemplate(sha256).catch((error) => {
      throw withHint(error, report.manifest, path);
    });
    return { template, already, warnings: report.findings };
  } finally {
    await rm(temp, { recursive: true, force: true, maxRetries: 3 });
  }
}

async function zipOf(
  source: string,
  outFile: string,
  signal: AbortSignal,
): Promise<{ path: string; sha256: string }> {
  if ((await stat(source)).isDirectory()) {
    const { packBundle } = await import('../bundle/pack.ts');
    const { sha256 } = await packBundle(source, outFile, { signal });
    return { path: outFile, sha256 };
  }
  const { digestFile } = await import('../client/files.ts');
  return { path: source, ...(await digestFile(source, signal)) };
}

/** A bundle may be gigabytes: whether its version is taken is asked before it is sent. */
async function refuseOtherContent(api: Api, manifest: Manifest, sha256: string, path: string): Promise<void> {
  const { name, version } = manifest;
  const known = await api.getTemplate(name, version).catch((error) => {
    if (error instanceof FlatrenderError && error.code === 'TEMPLATE_NOT_FOUND') return null;
    throw error;
  });
  if (known === null || known.sha256 === sha256) return;
  const error = new FlatrenderError(
    'TEMPLATE_VERSION_EXISTS',
    `template ${name}@${version} was pushed before with other content`,
  );
  throw withHint(error, manifest, path);
}

function withHint(error: unknown, manifest: Manifest | null, path: string): unknown {
  if (!(error instanceof FlatrenderError) || error.code !== 'TEMPLATE_VERSION_EXISTS' || manifest === null)
    return error;
  return new FlatrenderError(error.code, error.message, {
    cause: error,
    details: error.details,
    hint: `set "version: ${nextVersion(manifest.version)}" in ${join(resolve(path), 'template.yaml')} and push again`,
  });
}

/** The version after this one: the release of a pre-release, else the next patch. */
function nextVersion(version: string): string {
  const [release = version, preRelease] = version.split(/-(.*)/s);
  if (preRelease !== undefined) return release;
  return release.replace(/\d+$/, (patch) => String(Number(patch) + 1));
}
