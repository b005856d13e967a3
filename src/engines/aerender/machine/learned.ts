/** What After Effects said about itself when it last ran a script: its own version and its templates. */
import { mkdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { jsonOf, writeWhole } from './file-queue.ts';
import type { Installation } from './installation.ts';

const Names = z.array(z.string()).max(20_000);
const LearnedFile = z.object({
  directory: z.string(),
  version: z.string(),
  renderSettings: Names,
  outputModules: Names,
});

/** What one installation said. */
export interface Learned {
  /** `app.version`, e.g. "24.2x1". */
  readonly version: string;
  readonly renderSettings: readonly string[];
  readonly outputModules: readonly string[];
}

/** Keeps it for the next probe. Never throws: it is a convenience. */
export async function rememberLearned(
  stateDir: string,
  installation: Installation,
  { version, renderSettings, outputModules }: Learned,
): Promise<void> {
  try {
    await mkdir(stateDir, { recursive: true, mode: 0o700 });
    const { directory } = installation;
    await writeWhole(join(stateDir, 'learned.json'), { directory, version, renderSettings, outputModules });
  } catch {
    // a full or read-only disk: the render itself will say so
  }
}

/** What this installation said last; null: nothing yet. */
export async function readLearned(stateDir: string, installation: Installation): Promise<Learned | null> {
  const text = await readFile(join(stateDir, 'learned.json'), 'utf8').catch(() => 'null');
  const parsed = LearnedFile.safeParse(jsonOf(text));
  return parsed.success && parsed.data.directory === installation.directory ? parsed.data : null;
}
