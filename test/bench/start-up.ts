/** How long a command takes to start, against a bare node that does nothing. */
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { packageRoot } from '../../src/lib/paths.ts';
import { cliEnv } from '../helpers/cli.ts';
import { startFarm } from '../helpers/farm.ts';
import { percentile } from '../helpers/load-client.ts';

export interface StartUpFigures {
  readonly bareNodeMs: number;
  readonly versionMs: number;
  readonly jobListMs: number;
  readonly versionRatio: number;
  readonly jobListRatio: number;
}

/** Medians over `rounds`, the commands taking turns so that a noisy moment hits all of them. */
export async function benchStartUp(rounds: number): Promise<StartUpFigures> {
  const program = join(packageRoot(), 'bin', 'run.js');
  await using farm = await startFarm({ mode: 'built' });
  const commands = {
    bare: ['-e', '0'],
    version: [program, '--version'],
    jobList: [program, 'job', 'list', '--url', farm.url, '--token', farm.token],
  };
  const samples: Record<keyof typeof commands, number[]> = { bare: [], version: [], jobList: [] };
  for (let round = -2; round < rounds; round += 1) {
    for (const [name, args] of Object.entries(commands) as [keyof typeof commands, string[]][]) {
      const startedAt = performance.now();
      const done = spawnSync(process.execPath, args, { env: cliEnv(farm.home) });
      if (done.status !== 0) throw new Error(`${name} failed: ${done.stderr}`);
      if (round >= 0) samples[name].push(performance.now() - startedAt);
    }
  }
  const [bare, version, jobList] = [samples.bare, samples.version, samples.jobList].map((all) =>
    percentile(all, 0.5),
  );
  return {
    bareNodeMs: Math.round(bare ?? 0),
    versionMs: Math.round(version ?? 0),
    jobListMs: Math.round(jobList ?? 0),
    versionRatio: ratio(version, bare),
    jobListRatio: ratio(jobList, bare),
  };
}

function ratio(a: number | undefined, b: number | undefined): number {
  return Math.round(((a ?? 0) / (b ?? 1)) * 100) / 100;
}
