/** Jobs and results of about the size of real ones. */
import type { Requirement } from '../../src/jobs/requirements.ts';
import { newId } from '../../src/lib/ids.ts';
import type { TaskResult } from '../../src/protocol/jobs.ts';
import type { NewJob } from '../../src/store/store.ts';

const CLASSES = 20;

export const benchResult: TaskResult = {
  key: 'outputs/j/t/out.mp4',
  sha256: '0'.repeat(64),
  sizeBytes: 1,
  frames: 120,
  durationMs: 4000,
  width: 1920,
  height: 1080,
  codec: 'h264',
  renderMs: 1,
  overheadMs: 1,
};

/** The i-th: 20 templates, 3 priorities. */
export function benchJob(i: number): NewJob {
  const template = `template-${i % CLASSES}`;
  const requirement: Requirement = {
    role: 'render',
    engines: ['lottie', 'aerender'],
    template,
    tags: [],
    node: null,
    fallback: true,
    avoid: null,
  };
  return {
    id: newId('j', Date.now()),
    batchId: null,
    name: null,
    template,
    version: '1.0.0',
    bundleSha256: 'b'.repeat(64),
    bundleBytes: 1_000_000,
    priority: 50 + (i % 3),
    inputs: { title: `Hello number ${i}`, color: '#ff3366' },
    runAt: null,
    node: null,
    webhook: null,
    createdAt: Date.now(),
    createdBy: null,
    tasks: [
      {
        requirement,
        output: {
          name: 'main',
          container: 'mp4',
          width: 1920,
          height: 1080,
          fps: 30,
          durationSeconds: 4,
          durationFrom: null,
          atSeconds: null,
          fit: 'contain',
          background: '#000000',
          quality: 20,
        },
      },
    ],
  };
}
