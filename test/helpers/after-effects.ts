/** After Effects jobs against the stand-ins: an installation, a template, and what is asked of them. */
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import type { AerenderSettings, EngineInput, RenderRequest } from '../../src/engines/engine.ts';
import { installSimulator, type SimulatorOptions } from '../after-effects/install-simulator.ts';
import { footageLayer, ProjectBuilder, textLayer } from '../after-effects/project-builder.ts';
import { writeProject } from '../after-effects/project-file.ts';
import type { SimProject } from '../after-effects/sim-project.ts';
import { pngOf } from './picture-files.ts';
import { renderRequest, temporaryDirectory } from './render-request.ts';

/** A font that is in the repository. */
export const FONT = join(
  import.meta.dirname,
  '../../templates/video/audio-visualiser/fonts/Inter-Medium.otf',
);
const FONTS = [{ postScriptName: 'Inter-Medium', file: FONT }];

/** Short, so that what hangs costs a test seconds. */
const LIMITS = { launch: 3, bind: 3, firstFrame: 3, frame: 2, encode: 2 };

export const GREETING = { width: 160, height: 90, fps: 24, frames: 24 } as const;

/**
 * A title in the upper half, a picture in the lower right quarter, a background of one colour; 24 frames of 160 × 90.
 * With inputs `title`, `photo`, `accent`.
 */
export function greetingProject(
  bundleDir: string,
  change: (build: ProjectBuilder) => void = () => {},
): SimProject {
  const { width, height, fps, frames } = GREETING;
  const duration = frames / fps;
  const build = new ProjectBuilder();
  writeFileSync(join(bundleDir, 'photo.png'), pngOf(40, 30, [20, 20, 20]));
  const photo = build.file('photo', join(bundleDir, 'photo.png'), { width: 40, height: 30 });
  const background = build.solid('background', [0.1, 0.2, 0.4], { width, height });
  build.comp('main', {
    width,
    height,
    fps,
    duration,
    layers: [
      textLayer(
        'title',
        'Title',
        { font: 'Inter-Medium', fontFamily: 'Inter', fontStyle: 'Medium', fontSize: 30 },
        { position: [10, 38, 0] },
      ),
      footageLayer(photo, { position: [120, 68, 0] }),
      footageLayer(background),
    ],
  });
  change(build);
  return build.project;
}

/** The manifest of {@link greetingProject}. */
export function greetingManifest(
  parts: {
    readonly engine?: Record<string, unknown>;
    readonly outputs?: readonly unknown[];
    readonly inputs?: Record<string, unknown>;
    readonly bind?: readonly unknown[];
    readonly composition?: Record<string, unknown>;
  } = {},
): Record<string, unknown> {
  const { width, height, fps, frames } = GREETING;
  return {
    composition: { width, height, fps, duration: frames / fps, ...parts.composition },
    inputs: {
      title: { type: 'text' },
      photo: { type: 'image' },
      accent: { type: 'color' },
      ...parts.inputs,
    },
    engines: {
      aerender: {
        project: 'project.aep',
        composition: 'main',
        bind: [
          { to: 'text', input: 'title', layer: 'title' },
          { to: 'footage', input: 'photo', layer: 'photo', fit: 'stretch' },
          { to: 'color', input: 'accent', layer: 'background' },
          ...(parts.bind ?? []),
        ],
        ...parts.engine,
      },
    },
    outputs: parts.outputs ?? [{ name: 'main', container: 'mp4' }],
  };
}

/** One installation of the stand-ins, and tasks for it. */
export interface Studio {
  readonly root: string;
  /** Of the programs. */
  readonly install: string;
  readonly bundleDir: string;
  readonly stateDir: string;
  /** What the stand-ins do wrong from now on (faults.ts); null: nothing. */
  setFault(fault: string | null): void;
  settings(parts?: Partial<AerenderSettings>): AerenderSettings;
  request(parts?: StudioRequest): RenderRequest;
  /** Command lines of running processes that name the installation or the directory of this test. */
  processes(): string[];
}

export interface StudioRequest {
  readonly manifest?: Record<string, unknown>;
  readonly inputs?: Record<string, EngineInput>;
  readonly output?: string;
  readonly settings?: Partial<AerenderSettings>;
  readonly previewMs?: number;
}

/** Makes one, with the greeting template unless `project` makes another; removed with the test. */
export function studio(
  context: TestContext,
  options: {
    readonly simulator?: SimulatorOptions;
    readonly project?: (bundleDir: string) => SimProject;
  } = {},
): Studio {
  const root = temporaryDirectory(context, 'flatrender ae ');
  const bundleDir = join(root, 'bundle');
  const stateDir = join(root, 'state');
  mkdirSync(bundleDir);
  const simulator = installSimulator(root, { fonts: FONTS, ...options.simulator });
  const install = simulator.directory;
  writeProject(join(bundleDir, 'project.aep'), (options.project ?? greetingProject)(bundleDir));
  return {
    root,
    install,
    bundleDir,
    stateDir,
    setFault: (fault) => simulator.setFault(fault),
    settings: (parts) => aerenderSettings(install, stateDir, parts),
    request({ manifest, inputs, output, settings, previewMs } = {}) {
      const made = renderRequest({
        engine: 'aerender',
        bundleDir,
        workspace: mkdtempSync(join(root, 'work ')),
        manifest: manifest ?? greetingManifest(),
        ...(inputs ? { inputs } : {}),
        output: output ?? 'main',
      });
      const aerender = aerenderSettings(install, stateDir, settings);
      return { ...made, settings: { ...made.settings, previewMs: previewMs ?? 0, aerender } };
    },
    processes: () => processesNaming(install, root),
  };
}

/** Settings of a node with this installation. */
function aerenderSettings(
  path: string,
  stateDir: string,
  parts: Partial<AerenderSettings> = {},
): AerenderSettings {
  return {
    path,
    stateDir,
    slots: 1,
    mode: null,
    outputModules: { sequence: null, movie: null },
    mfrPercent: null,
    memoryPercent: null,
    reuse: false,
    close: 'DO_NOT_SAVE_CHANGES',
    killStale: 'own',
    limits: LIMITS,
    ...parts,
  };
}

/** Command lines of the processes of an installation, or that name anything below a directory; Linux only. */
function processesNaming(install: string, root: string): string[] {
  if (process.platform !== 'linux') return [];
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name) && Number(name) !== process.pid)
    .flatMap((pid) => {
      try {
        const state = readFileSync(`/proc/${pid}/stat`, 'utf8').replace(/^.*\) /s, '')[0];
        const line = readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' ');
        // The stand-ins find their installation by a variable; what they start has it too.
        const variables = readFileSync(`/proc/${pid}/environ`, 'utf8').split('\0');
        const isOurs = line.includes(root) || variables.includes(`AE_SIM_INSTALL=${install}`);
        return state !== 'Z' && isOurs ? [line] : [];
      } catch {
        return []; // ended meanwhile
      }
    });
}

/** Everything in a workspace, as relative paths. */
export function filesIn(directory: string): string[] {
  return readdirSync(directory, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name).slice(directory.length + 1))
    .sort();
}
