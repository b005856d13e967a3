/**
 * What an After Effects job costs besides After Effects, with a real agent, the stand-in for After Effects and a 100 MB
 * template: everything from the submit to the end of the job, less the time in which AfterFX or aerender ran.
 */
import { randomBytes } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { installSimulator } from '../after-effects/install-simulator.ts';
import { ProjectBuilder, textLayer } from '../after-effects/project-builder.ts';
import { writeProject } from '../after-effects/project-file.ts';
import { type AgentProcess, type Farm, startFarm } from '../helpers/farm.ts';
import { percentile } from '../helpers/load-client.ts';

/** Something is wrong with the farm. */
const LONGEST_JOB_MS = 60_000;

export interface AfterEffectsFigures {
  readonly mode: 'movie' | 'sequence';
  readonly templateMb: number;
  /** The agent has just started and has the template on its disk: wanted, 300 or less. */
  readonly coldP50Ms: number;
  /** Later jobs: wanted, 150 or less. */
  readonly cachedP50Ms: number;
  readonly cachedP95Ms: number;
  /** Time in AfterFX and aerender, for scale. */
  readonly afterEffectsP50Ms: number;
}

/** Both modes, one after the other, each on a farm of its own. */
export async function benchAfterEffects(
  templateMb: number,
  coldJobs: number,
  cachedJobs: number,
  show: (figures: AfterEffectsFigures) => void,
): Promise<AfterEffectsFigures[]> {
  const directory = mkdtempSync(join(tmpdir(), 'flatrender-bench-'));
  using _ = { [Symbol.dispose]: () => rmSync(directory, { recursive: true, force: true, maxRetries: 3 }) };
  const simulator = installSimulator(directory);
  const project = projectIn(directory);
  const figures: AfterEffectsFigures[] = [];
  for (const mode of ['movie', 'sequence'] as const) {
    await using farm = await startFarm({ mode: 'built' });
    await farm.pushTemplate({
      'template.yaml': template(mode),
      'project.aep': project,
      'ballast.bin': randomBytes(templateMb * 1024 * 1024),
    });
    const cold: Times[] = [];
    const cached: Times[] = [];
    for (let round = -1; round < coldJobs; round += 1) {
      await using agent = await startAgent(farm, simulator.directory);
      // The first of all downloads the template.
      const times = await oneJob(farm);
      if (round >= 0) cold.push(times);
      const jobs = round === coldJobs - 1 ? cachedJobs : 0;
      for (let n = 0; n < jobs; n += 1) cached.push(await oneJob(farm));
      await agent.stop();
    }
    const row = {
      mode,
      templateMb,
      coldP50Ms: median(cold.map((job) => job.overheadMs)),
      cachedP50Ms: median(cached.map((job) => job.overheadMs)),
      cachedP95Ms: Math.round(
        percentile(
          cached.map((job) => job.overheadMs),
          0.95,
        ),
      ),
      afterEffectsP50Ms: median(cached.map((job) => job.afterEffectsMs)),
    };
    show(row);
    figures.push(row);
  }
  return figures;
}

/** An agent that is ready to claim: what it does at its start is no cost of a job. */
async function startAgent(farm: Farm, installation: string): Promise<AgentProcess> {
  const agent = await farm.startAgent('worker', { AE_PATH: installation });
  await agent.waitFor(/agent\.registered/);
  return agent;
}

/** A project of one text that is in the middle of a small picture. */
function projectIn(directory: string): Buffer {
  const build = new ProjectBuilder();
  build.comp('main', { duration: 0.4, layers: [textLayer('Title', 'Title', { fontSize: 40 })] });
  const path = join(directory, 'project.aep');
  writeProject(path, build.project);
  return readFileSync(path);
}

function template(mode: 'movie' | 'sequence'): string {
  return `schema: 1
name: bench
version: 1.0.0
composition: { width: 320, height: 180, fps: 25, duration: 0.4 }
inputs:
  title: { type: text, default: hello }
engines:
  aerender:
    project: project.aep
    composition: main
    mode: ${mode}
    bind:
      - { to: text, input: title, layer: Title }
outputs:
  - { name: main, container: mp4 }
`;
}

interface Times {
  readonly overheadMs: number;
  readonly afterEffectsMs: number;
}

/** Submits one job and asks until it is over. */
async function oneJob({ client, url }: Farm): Promise<Times> {
  const startedAt = performance.now();
  const submitted = await client.call('POST', '/v1/jobs', { template: 'bench' });
  const [job] = (submitted.body?.jobs ?? []) as { id: string }[];
  if (job === undefined) throw new Error(`submit refused: ${JSON.stringify(submitted.body)}`);
  for (;;) {
    const { body } = await client.call('GET', `/v1/jobs/${job.id}`);
    const { state, error } = body as { state: string; error: unknown };
    if (performance.now() - startedAt > LONGEST_JOB_MS)
      throw new Error(`the job takes too long: ${JSON.stringify(body)}`);
    if (state === 'failed' || state === 'cancelled')
      throw new Error(`job ${state}: ${JSON.stringify(error)}`);
    if (state === 'succeeded') break;
    await new Promise((resolve) => setTimeout(resolve, 3));
  }
  const wallMs = performance.now() - startedAt;
  const { body } = await client.call('GET', `/v1/jobs/${job.id}/logs`);
  const [log] = (body?.logs ?? []) as { url: string }[];
  if (log === undefined) throw new Error(`job ${job.id} has no complete log`);
  const answer = await fetch(new URL(log.url, url));
  const text = gunzipSync(Buffer.from(await answer.arrayBuffer())).toString();
  const afterEffectsMs = timeIn(text);
  return { overheadMs: wallMs - afterEffectsMs, afterEffectsMs };
}

/** Milliseconds from the start to the end of AfterFX and aerender, by the times in the engine's log. */
function timeIn(log: string): number {
  let total = 0;
  let startedAt: number | undefined;
  for (const line of log.split('\n')) {
    const [, at = '', program = ''] = /^(\S+) (?:AfterFX|aerender): (.*)$/.exec(line) ?? [];
    if (/ -(r|project) /.test(program)) startedAt ??= Date.parse(at);
    else if (/^(exit code|ended)/.test(program) && startedAt !== undefined) {
      total += Date.parse(at) - startedAt;
      startedAt = undefined;
    }
  }
  if (total === 0) throw new Error(`the log does not say how long After Effects ran:\n${log}`);
  return total;
}

function median(values: readonly number[]): number {
  return Math.round(percentile(values, 0.5));
}
