/** Bundles and input files of tasks, fetched once and shared. */
import { chmod, copyFile, link, mkdir } from 'node:fs/promises';
import { extname, join } from 'node:path';
import type { Manifest } from '../bundle/manifest.ts';
import { readManifest } from '../bundle/read-manifest.ts';
import { unpackBundle } from '../bundle/unpack.ts';
import type { Transfers } from '../client/transfer.ts';
import { FlatrenderError } from '../lib/errors.ts';
import type { Logger } from '../lib/logger.ts';
import type { RemoteFile } from '../protocol/agent.ts';
import type { CachedEntry, ContentCache } from './content-cache.ts';
import { removeTree } from './json-file.ts';

/** A template ready to render with; stays on disk until disposed. */
export interface CachedTemplate extends CachedEntry {
  readonly manifest: Manifest;
}

export interface TemplateCache {
  /** The unpacked bundle. BUNDLE_REFUSED, TEMPLATE_INVALID, and the errors of {@link Transfers.download}. */
  bundle(file: RemoteFile, signal: AbortSignal): Promise<CachedTemplate>;
  /** An input file; `path` is its directory, the file in it is named {@link ASSET_FILE}. */
  asset(file: RemoteFile, signal: AbortSignal): Promise<CachedEntry>;
  /** Bytes that still have to be downloaded for these. */
  missingBytes(bundle: RemoteFile, assets: readonly RemoteFile[]): number;
}

/** Name of the one file in an asset's directory. */
export const ASSET_FILE = 'file';

// Parsing a manifest takes longer than everything else of a cached task; this many are remembered.
const MANIFESTS = 64;

/** The caches over one directory and one size limit. */
export function createTemplateCache(options: {
  readonly cache: ContentCache;
  readonly transfers: Transfers;
  readonly logger: Logger;
  /** False when the control plane answers; otherwise waits until it does again. */
  readonly waitWhileAway: (signal: AbortSignal) => Promise<boolean>;
}): TemplateCache {
  const { cache, transfers, logger, waitWhileAway } = options;
  const manifests = new Map<string, Manifest>();

  const fetch = async (file: RemoteFile, path: string, signal: AbortSignal): Promise<void> => {
    const onRetry = (error: unknown, delayMs: number): void =>
      logger.warn('download.retry', { error, delayMs });
    for (;;) {
      try {
        return await transfers.download({ ...file, path, partPath: cache.partPath(file), signal, onRetry });
      } catch (error) {
        // An absence of the control plane is no failure of the task: the download goes on when it is back.
        const isNetwork =
          error instanceof FlatrenderError && error.code === 'TRANSFER_FAILED' && error.retryable;
        if (!isNetwork || !(await waitWhileAway(signal))) throw error;
        logger.info('download.resumed', { sha256: file.sha256 });
      }
    }
  };

  const manifestOf = async (sha256: string, directory: string): Promise<Manifest> => {
    const known = manifests.get(sha256);
    if (known) return known;
    const manifest = await readManifest(directory);
    if (manifests.size >= MANIFESTS) manifests.delete(manifests.keys().next().value ?? '');
    manifests.set(sha256, manifest);
    return manifest;
  };

  return {
    async bundle(file, signal) {
      const fill = async (directory: string, flight: AbortSignal): Promise<undefined> => {
        const zip = `${directory}.zip`;
        await fetch(file, zip, flight);
        await unpackBundle(zip, directory, { signal: flight });
        await removeTree(zip);
      };
      const entry = await cache.acquire('bundle', file.sha256, fill, signal);
      try {
        const manifest = await manifestOf(file.sha256, entry.path);
        return { ...entry, manifest, [Symbol.dispose]: () => entry[Symbol.dispose]() };
      } catch (error) {
        entry[Symbol.dispose]();
        throw error;
      }
    },
    asset: (file, signal) =>
      cache.acquire(
        'asset',
        file.sha256,
        async (directory, flight) => {
          const path = join(directory, ASSET_FILE);
          await mkdir(directory);
          await fetch(file, path, flight);
          // Links to it appear in workspaces: whoever writes there must not change the original.
          await chmod(path, 0o444);
          return { [ASSET_FILE]: { sizeBytes: file.sizeBytes, sha256: file.sha256 } };
        },
        signal,
      ),
    missingBytes(bundle, assets) {
      // A bundle is there twice while it is unpacked.
      const zip = cache.has('bundle', bundle.sha256) ? 0 : 3 * bundle.sizeBytes;
      const missing = assets.filter((asset) => !cache.has('asset', asset.sha256));
      return missing.reduce((sum, asset) => sum + asset.sizeBytes, zip);
    },
  };
}

/**
 * Puts a cached input file into a workspace under a name with the extension that its user gave it: some decoders go
 * by the extension. A link where the file system can, else a copy. Returns the path.
 */
export async function placeAsset(
  entry: CachedEntry,
  asset: { sha256: string; name: string },
  workspace: string,
): Promise<string> {
  const directory = join(workspace, 'inputs');
  await mkdir(directory, { recursive: true });
  const extension = extname(asset.name).toLowerCase();
  const target = join(
    directory,
    asset.sha256.slice(0, 16) + (/^\.[a-z0-9]{1,8}$/.test(extension) ? extension : ''),
  );
  const source = join(entry.path, ASSET_FILE);
  try {
    await link(source, target);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') await copyFile(source, target);
  }
  return target;
}
