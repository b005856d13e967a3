/** Brings the template bundle and the input files of a task to this machine. */
import type { ClaimAnswer, RemoteFile } from '../protocol/agent.ts';
import type { ActiveTask } from './active-task.ts';
import type { CachedEntry } from './content-cache.ts';
import type { TemplateCache } from './template-cache.ts';

/** What an attempt works with, kept in the cache until it is let go. */
interface TaskFiles extends Disposable {
  readonly bundle: Awaited<ReturnType<TemplateCache['bundle']>>;
  readonly assets: ReadonlyMap<string, CachedEntry>;
}

/** Fetches bundle and input files at the same time; when one fails, the others are let go. */
export async function fetchFiles(
  claim: ClaimAnswer,
  task: ActiveTask,
  templates: TemplateCache,
): Promise<TaskFiles> {
  if (templates.missingBytes(claim.bundle, claim.assets) > 0) task.enter('download');
  const others = new AbortController();
  const signal = AbortSignal.any([task.signal, others.signal]);
  const bundle = templates.bundle(claim.bundle, signal);
  const assets = claim.assets.map(
    async (file: RemoteFile) => [file.sha256, await templates.asset(file, signal)] as const,
  );
  const work = [bundle, ...assets];
  try {
    await Promise.all(work);
  } catch (error) {
    others.abort(error);
    for (const done of await Promise.allSettled(work)) {
      if (done.status === 'fulfilled')
        (Array.isArray(done.value) ? done.value[1] : (done.value as CachedEntry))[Symbol.dispose]();
    }
    throw error;
  }
  const got = { bundle: await bundle, assets: new Map(await Promise.all(assets)) };
  return {
    ...got,
    [Symbol.dispose]() {
      got.bundle[Symbol.dispose]();
      for (const entry of got.assets.values()) entry[Symbol.dispose]();
    },
  };
}
