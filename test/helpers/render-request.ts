import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { type Manifest, ManifestSchema } from '../../src/bundle/manifest.ts';
import { resolveOutput } from '../../src/bundle/resolve-output.ts';
import type { EngineInput, Progress, RenderContext, RenderRequest } from '../../src/engines/engine.ts';
import type { EngineName } from '../../src/protocol/names.ts';

/** A directory that goes away with the test. */
export function temporaryDirectory(context: TestContext, name = 'flatrender test '): string {
  const directory = mkdtempSync(join(tmpdir(), name));
  context.after(() => rmSync(directory, { recursive: true, force: true, maxRetries: 3 }));
  return directory;
}

interface RequestParts {
  readonly engine: EngineName;
  readonly bundleDir: string;
  readonly workspace?: string;
  readonly manifest: Record<string, unknown>;
  readonly inputs?: Record<string, EngineInput>;
  readonly output?: string;
  readonly ffmpegPath?: string;
}

/** A render request from a manifest as written. */
export function renderRequest(parts: RequestParts): RenderRequest {
  const manifest: Manifest = ManifestSchema.parse({
    schema: 1,
    name: 'test',
    version: '1.0.0',
    composition: { width: 320, height: 180, fps: 25, duration: 1 },
    outputs: ['original'],
    ...parts.manifest,
  });
  const workspace = parts.workspace ?? join(parts.bundleDir, 'work');
  mkdirSync(workspace, { recursive: true });
  return {
    taskId: 'j1.0',
    engine: parts.engine,
    bundleDir: parts.bundleDir,
    manifest,
    inputs: parts.inputs ?? {},
    output: resolveOutput(manifest, parts.output ?? 'original'),
    workspace,
    settings: { ffmpegPath: parts.ffmpegPath ?? '', previewMs: 0, threads: 0 },
  };
}

/** A context that keeps what it is told. */
export function recordingContext(signal: AbortSignal = new AbortController().signal) {
  const progress: Progress[] = [];
  const previews: Uint8Array[] = [];
  const lines: string[] = [];
  const started = Promise.withResolvers<void>();
  const waiting: { pattern: RegExp; resolve: () => void }[] = [];
  const context: RenderContext = {
    signal,
    onProgress(report) {
      progress.push(report);
      if (report.phase === 'render' && report.frame > 0) started.resolve();
    },
    onPreview: (jpeg) => void previews.push(jpeg),
    onLog(line) {
      lines.push(line);
      for (const { pattern, resolve } of waiting) if (pattern.test(line)) resolve();
    },
  };
  const logged = (pattern: RegExp): Promise<void> =>
    new Promise((resolve) => waiting.push({ pattern, resolve: () => resolve() }));
  /** `started` resolves with the first rendered frame, `logged` with the next such line. */
  return { context, progress, previews, lines, logged, started: started.promise };
}
