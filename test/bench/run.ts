/**
 * `npm run bench [-- section …] [-- --full]`: prints a table per section and stores all of it as JSON in `.bench/`. Sections:
 * queue, postgres, latency, heartbeats, overhead, after-effects, lottie, inspector, objects, start-up. `--full` goes up to a million jobs (minutes, 3 GB of disk).
 * Figures move with the machine: compare ratios and CPU per operation, not rates of different days.
 */
import { mkdir, writeFile } from 'node:fs/promises';
import { cpus, release } from 'node:os';
import { join } from 'node:path';
import { packageRoot } from '../../src/lib/paths.ts';

const SECTIONS: Record<string, (full: boolean) => Promise<unknown>> = {
  queue: async (full) => {
    const { benchQueue } = await import('./queue.ts');
    return benchQueue(
      full ? [1_000, 50_000, 1_000_000] : [1_000, 50_000],
      [1, 16, 64],
      full ? 4000 : 1500,
      show,
    );
  },
  postgres: async (full) => {
    const { benchPostgres } = await import('./postgres.ts');
    const { benchReplicaHeartbeats, benchReplicaLatency } = await import('./latency.ts');
    const sizes = full ? [1_000, 50_000, 1_000_000] : [1_000, 50_000];
    const pairs = await benchPostgres(sizes, full ? 5000 : 2000, show);
    const latency = await benchReplicaLatency(100, full ? 1000 : 300);
    if (latency !== null) show(latency);
    const heartbeats = await benchReplicaHeartbeats(full ? 10_000 : 1000, 5, full ? 20 : 10);
    if (heartbeats !== null) show(heartbeats);
    return { pairs, latency, heartbeats };
  },
  latency: async (full) => {
    const { benchLatency } = await import('./latency.ts');
    return each(full ? [1, 100, 5000] : [1, 100, 1000], (waiting) => benchLatency(waiting, 200));
  },
  heartbeats: async (full) => {
    const { benchHeartbeats } = await import('./latency.ts');
    return each(full ? [10_000] : [1000], (agents) => benchHeartbeats(agents, 5, full ? 20 : 10));
  },
  overhead: async (full) => {
    const { benchOverhead } = await import('./overhead.ts');
    return each([100], (megabytes) => benchOverhead(megabytes, full ? 50 : 20));
  },
  'after-effects': async (full) => {
    const { benchAfterEffects } = await import('./after-effects.ts');
    return benchAfterEffects(100, full ? 11 : 5, full ? 50 : 15, show);
  },
  lottie: async () => {
    const { benchLottie } = await import('./lottie.ts');
    return each([1080], () => benchLottie());
  },
  inspector: async (full) => {
    const { benchInspector } = await import('./inspector.ts');
    const figures = await benchInspector(full ? 200 : 20, full ? 11 : 21);
    for (const row of figures) show(row);
    return figures;
  },
  objects: async (full) => {
    const { radosgwMissing } = await import('../helpers/radosgw.ts');
    if (radosgwMissing !== undefined) {
      show({ skipped: radosgwMissing });
      return [];
    }
    const { benchObjects } = await import('./objects.ts');
    const figures = await benchObjects(full ? 256 : 96, full ? 9 : 5);
    for (const row of figures) show(row);
    return figures;
  },
  'start-up': async (full) => {
    const { benchStartUp } = await import('./start-up.ts');
    return each([full ? 31 : 15], (rounds) => benchStartUp(rounds));
  },
};

const args = process.argv.slice(2);
const isFull = args.includes('--full');
const wanted = args.filter((arg) => !arg.startsWith('--'));
const unknown = wanted.filter((name) => !Object.hasOwn(SECTIONS, name));
if (unknown.length > 0) {
  process.stderr.write(
    `unknown section: ${unknown.join(', ')}; there are: ${Object.keys(SECTIONS).join(', ')}\n`,
  );
  process.exit(2);
}

const results: Record<string, unknown> = {};
for (const [name, run] of Object.entries(SECTIONS)) {
  if (wanted.length > 0 && !wanted.includes(name)) continue;
  process.stdout.write(`\n${name}\n`);
  results[name] = await run(isFull);
}
const machine = {
  node: process.version,
  kernel: release(),
  cpu: cpus()[0]?.model ?? '',
  cores: cpus().length,
};
const directory = join(packageRoot(), '.bench');
await mkdir(directory, { recursive: true });
const at = new Date().toISOString();
const file = join(directory, `${at.replaceAll(':', '-')}.json`);
await writeFile(file, `${JSON.stringify({ at, machine, full: isFull, results }, null, 2)}\n`);
process.stdout.write(`\nstored in ${file}\n`);

async function each<A, R extends object>(
  inputs: readonly A[],
  measure: (input: A) => Promise<R>,
): Promise<R[]> {
  const rows: R[] = [];
  for (const input of inputs) {
    const row = await measure(input);
    show(row);
    rows.push(row);
  }
  return rows;
}

function show(row: object): void {
  const text = Object.entries(row)
    .map(([key, value]) => `${key} ${value}`)
    .join(' · ');
  process.stdout.write(`  ${text}\n`);
}
