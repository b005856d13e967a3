/** A template for measuring: rendered by the mock engine, with as much ballast as wanted. */
import { randomBytes } from 'node:crypto';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type Farm, runProgram } from './farm-process.ts';

const manifest = (name: string): string => `schema: 1
name: ${name}
version: 1.0.0
composition: { width: 64, height: 64, fps: 10, duration: 1 }
inputs:
  title: { type: text, default: bench, maxLength: 2000 }
engines:
  mock: {}
outputs:
  - { name: main, container: mp4 }
`;

/** Pushes a template named `name` whose bundle holds `ballastMb` of bytes that do not compress. */
export async function pushBenchTemplate(farm: Farm, name = 'bench', ballastMb = 0): Promise<void> {
  const dir = await mkdtemp(join(farm.home, 'template-'));
  try {
    await writeFile(join(dir, 'template.yaml'), manifest(name));
    if (ballastMb > 0) await writeFile(join(dir, 'ballast.bin'), randomBytes(ballastMb * 1024 * 1024));
    runProgram(farm.home, ['template', 'push', dir, '--url', farm.url, '--token', farm.token, '--json']);
  } finally {
    await rm(dir, { recursive: true, force: true });
  }
}
