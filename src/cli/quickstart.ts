/** The first five minutes in one command: a farm, a template, a job, a video. */
import { stat } from 'node:fs/promises';
import { basename, extname, join, resolve } from 'node:path';
import type { Api } from '../client/api.ts';
import { FlatrenderError } from '../lib/errors.ts';
import { packageRoot } from '../lib/paths.ts';
import type { JobView } from '../protocol/jobs.ts';
import type { TemplateView } from '../protocol/templates.ts';
import { logTail } from './farm-processes.ts';
import { followJobs, jobActivity, jobProgress } from './follow-jobs.ts';
import { jobFailure, mediaText } from './job-report.ts';
import { farmLogs, type LocalFarm, startLocalFarm } from './local-farm.ts';
import { formatBytes } from './output.ts';
import { isLive } from './paint.ts';
import { fittedProgress, type ProgressFacts, progressLine } from './progress-line.ts';
import { type SavedFile, saveOutputs } from './save-outputs.ts';
import type { Steps } from './steps.ts';
import { submitJobs } from './submit-jobs.ts';

export interface QuickstartOptions {
  /** State directory of the quickstart farm. */
  readonly home: string;
  /** A starter template by name, or a directory. */
  readonly template: string;
  /** `key=value`. */
  readonly set: readonly string[];
  /** File or directory; undefined: the current directory, under a name that is free. */
  readonly output: string | undefined;
  readonly keep: boolean;
  readonly signal: AbortSignal;
  readonly steps: Steps;
  /** Told the end of the agent's log when the job fails; the error itself follows. */
  readonly onFailure: (logEnd: string) => void;
}

export interface QuickstartResult {
  readonly url: string;
  readonly home: string;
  readonly job: string;
  readonly template: string;
  readonly file: SavedFile;
  /** The farm is still running. */
  readonly kept: boolean;
}

/** Runs it all; whatever happens, the farm is ended unless `keep` (or it was running before and kept then). */
export async function runQuickstart(options: QuickstartOptions): Promise<QuickstartResult> {
  const { home, signal, steps } = options;
  const directory = await templateDirectory(options.template);
  const farm = await steps.run(
    'Farm',
    (say) => startLocalFarm({ home, signal, say }),
    ({ api, reused }) => `${reused ? 'already running' : 'running'} at ${api.target.url}`,
  );
  let done = false;
  try {
    const result = await renderOne(farm, directory, options);
    done = true;
    return result;
  } catch (error) {
    if (signal.aborted) throw error;
    const log = farmLogs(home).agent;
    options.onFailure(`${log} ends with:\n${logTail(log, 4)}`);
    throw withLogs(error, home);
  } finally {
    if (farm.reused || (done && options.keep)) farm.keep();
    else await farm.stop();
  }
}

async function renderOne(
  farm: LocalFarm,
  directory: string,
  options: QuickstartOptions,
): Promise<QuickstartResult> {
  const { steps, signal, home } = options;
  const { api } = farm;
  const template = await steps.run(
    'Template',
    () => pushStarter(api, directory, signal),
    ({ name, version, sizeBytes }) => `${name}@${version}, ${formatBytes(sizeBytes)}`,
  );
  const [job] = await submitJobs(api, {
    template: `${template.name}@${template.version}`,
    set: options.set,
    job: { name: 'quickstart' },
    signal,
  });
  if (!job) throw new Error('the control plane accepted the job without an answer');
  await steps.run(
    'Render',
    (say) =>
      renderToEnd(api, job, signal, (now) =>
        say(
          now.state === 'running'
            ? `${jobActivity(now).padEnd(9)} ${showProgress(jobProgress(now))}`
            : now.state,
        ),
      ),
    (ended) => renderSummary(ended),
  );
  const target = options.output ?? (await freeName(template, job, api));
  const file = await steps.run(
    'Download',
    async () => {
      const [saved] = await saveOutputs(api, [{ ...job, state: 'succeeded' }], {
        target,
        force: options.output !== undefined,
        signal,
      });
      if (!saved) throw new Error('the job has no output');
      await verify(saved);
      return saved;
    },
    ({ sizeBytes, sha256 }) => `${formatBytes(sizeBytes)}, sha256 ${sha256.slice(0, 12)}… verified`,
  );
  return {
    url: api.target.url,
    home,
    job: job.id,
    template: `${template.name}@${template.version}`,
    file,
    kept: farm.reused || options.keep,
  };
}

/** Beside a spinner, the name of the step and the phase. */
function showProgress(facts: ProgressFacts): string {
  return isLive(process.stderr)
    ? fittedProgress(facts, (process.stderr.columns || 80) - 22)
    : progressLine(facts).trim();
}

async function renderToEnd(
  api: Api,
  job: JobView,
  signal: AbortSignal,
  onUpdate: (job: JobView) => void,
): Promise<JobView> {
  try {
    const [ended] = await followJobs(api, [job.id], { signal, onUpdate });
    if (ended?.state !== 'succeeded') throw jobFailure(ended ?? job);
    return ended;
  } catch (error) {
    // A farm that is kept must not go on rendering what nobody waits for. Its own signal is spent by now.
    if (signal.aborted) await cancelQuietly(api, job.id);
    throw error;
  }
}

async function cancelQuietly(api: Api, id: string): Promise<void> {
  const { createApi } = await import('../client/api.ts');
  const { url, token } = api.target;
  await createApi({ url, token, signal: AbortSignal.timeout(2000) })
    .cancelJob(id)
    .catch(() => {});
}

function renderSummary(job: JobView): string {
  const result = job.tasks?.[0]?.result;
  if (!result) return '';
  const fps = result.renderMs > 0 ? `, ${Math.round((result.frames * 1000) / result.renderMs)} fps` : '';
  return `${result.frames} frames of ${result.width}×${result.height}${fps}`;
}

/** Looks at the file itself: what the farm says of it is not taken on trust. OUTPUT_INVALID when they differ. */
async function verify(file: SavedFile): Promise<void> {
  const { probeMedia } = await import('../media/probe.ts');
  const found = await probeMedia(file.path, { ffmpegPath: process.env.FFMPEG_PATH ?? '' });
  if (found.frames === file.frames && found.width === file.width && found.height === file.height) return;
  throw new FlatrenderError(
    'OUTPUT_INVALID',
    `${file.path} has ${found.frames} frames of ${found.width}×${found.height} instead of ${file.frames} of ${file.width}×${file.height}`,
  );
}

async function pushStarter(api: Api, directory: string, signal: AbortSignal): Promise<TemplateView> {
  const { pushTemplate } = await import('./template-push.ts');
  try {
    return (await pushTemplate(api, directory, { signal })).template;
  } catch (error) {
    const known = error instanceof FlatrenderError && error.code === 'TEMPLATE_VERSION_EXISTS';
    if (!known) throw error;
    // This farm is for trying things: a template that was edited, or came with a new flatrender, replaces the old one.
    const { readManifest } = await import('../bundle/read-manifest.ts');
    const { name, version } = await readManifest(directory);
    await api.removeTemplate(name, version);
    return (await pushTemplate(api, directory, { signal })).template;
  }
}

/** A directory, or one of the templates that come with flatrender. TEMPLATE_NOT_FOUND. */
async function templateDirectory(given: string): Promise<string> {
  const starters = join(packageRoot(), 'templates', 'video');
  const places = /^[a-z0-9-]+$/.test(given) ? [join(starters, given), resolve(given)] : [resolve(given)];
  for (const place of places) {
    if (await stat(join(place, 'template.yaml')).catch(() => null)) return place;
  }
  throw new FlatrenderError('TEMPLATE_NOT_FOUND', `there is no template.yaml in ${places.at(-1)}`, {
    hint: 'name a starter template (title-card) or a directory made by "flatrender template init"',
  });
}

/** `title-card.mp4`, or `title-card-2.mp4` when that exists: repeating it never overwrites and never fails. */
async function freeName(template: TemplateView, job: JobView, api: Api): Promise<string> {
  const { outputs } = await api.jobOutput(job.id);
  const extension = extname(basename(outputs[0]?.fileName ?? '')) || '.mp4';
  for (let n = 1; ; n += 1) {
    const path = resolve(`${template.name}${n === 1 ? '' : `-${n}`}${extension}`);
    if (!(await stat(path).catch(() => null))) return path;
  }
}

function withLogs(error: unknown, home: string): unknown {
  if (!(error instanceof FlatrenderError)) return error;
  const logs = farmLogs(home);
  return new FlatrenderError(error.code, error.message, {
    cause: error,
    details: error.details,
    hint: `${error.hint ? `${error.hint}; ` : ''}logs: ${logs.agent}, ${logs.control}`,
  });
}

/** What to type next, with the farm up or ended. In a checkout, where `npm start` ran this, nothing is on PATH. */
export function nextSteps(result: QuickstartResult, env: NodeJS.ProcessEnv = process.env): readonly string[] {
  const program = env.npm_lifecycle_event === 'start' ? 'node_modules/.bin/node bin/run.js' : 'flatrender';
  const use =
    process.platform === 'win32'
      ? `$env:FLATRENDER_HOME='${result.home}'`
      : `export FLATRENDER_HOME='${result.home}'`;
  const made = [result.file.path, mediaText(result.file)];
  if (!result.kept) {
    return [
      ...made,
      '',
      'Next:',
      '  # the same, and the farm stays up',
      `  ${program} quickstart --keep --title "Yours"`,
      '  # a farm of your own',
      `  ${program} control init`,
      '  # your first template',
      `  ${program} template init my-template`,
    ];
  }
  return [
    ...made,
    '',
    `The farm is up at ${result.url}. To use it:`,
    `  ${use}`,
    `  ${program} job submit -t ${result.template} --set title="Yours" --output yours.mp4`,
    `  ${program} job list`,
    `  ${program} node list`,
    'To stop it:',
    `  ${program} quickstart --stop`,
  ];
}
