/** `engines.aerender` of a manifest against the project itself: what After Effects would refuse, before anything is rendered. */
import type { AepProject } from './aep/aep-project.ts';
import { ProjectIndex, quoted } from './aep/project-index.ts';
import type { AerenderSection } from './aerender-section.ts';
import type { Manifest } from './manifest.ts';
import type { ManifestPath } from './problems.ts';
import { checkBinding } from './project-bindings.ts';
import {
  errorAt,
  inspectHint,
  type MainComposition,
  type ProjectContext,
  type ProjectFinding,
} from './project-finding.ts';
import { checkMaterial } from './project-material.ts';

/** Findings beyond these are of the same kind. */
const MOST_FINDINGS = 100;

/** Everything that the project contradicts; empty when it fits, or when the manifest has no `engines.aerender`. */
export function checkProject(
  manifest: Manifest,
  project: AepProject,
  files: Iterable<string>,
): ProjectFinding[] {
  const section = manifest.engines.aerender;
  if (!section) return [];
  const index = new ProjectIndex(project);
  const findings: ProjectFinding[] = [];
  const mains = mainCompositions(section, index, findings);
  const context: ProjectContext = { manifest, section, index, mains, has: lookup(files) };
  for (const [at, binding] of section.bind.entries()) {
    findings.push(...checkBinding(context, binding, ['engines', 'aerender', 'bind', at]));
    if (findings.length > MOST_FINDINGS) break;
  }
  if (mains.length > 0) {
    findings.push(...checkLength(context), ...checkPicture(context), ...checkMaterial(context));
  }
  return findings.slice(0, MOST_FINDINGS);
}

function mainCompositions(
  section: AerenderSection,
  index: ProjectIndex,
  findings: ProjectFinding[],
): MainComposition[] {
  const { composition } = section;
  const path: ManifestPath = ['engines', 'aerender', 'composition'];
  const wanted =
    typeof composition === 'string'
      ? [{ name: composition, option: null, path }]
      : Object.entries(composition.options).map(([option, name]) => ({
          name,
          option,
          path: [...path, 'options', option],
        }));
  return wanted.flatMap(({ name, option, path }) => {
    const looked = index.findComposition(name);
    if ('found' in looked) return [{ composition: looked.found, option }];
    findings.push(errorAt(path, looked.code, looked.problem, inspectHint(section)));
    return [];
  });
}

/** Size, rate and length as the manifest has them, against those of the project. */
function checkPicture({ manifest, mains }: ProjectContext): ProjectFinding[] {
  const { width, height, fps, duration } = manifest.composition;
  const [first] = mains;
  if (!first) return [];
  const warn = (message: string): ProjectFinding => ({
    severity: 'warning',
    code: 'TEMPLATE_INVALID',
    message,
  });
  const warnings: ProjectFinding[] = [];
  const isLike = ({ composition }: MainComposition): boolean =>
    Math.abs(composition.width / composition.height / (width / height) - 1) <= 0.01;
  const { composition } = first;
  const named = `the composition ${quoted(composition.name)} of the project`;
  if (!mains.some(isLike)) {
    warnings.push(
      warn(
        `${named} is ${composition.width} × ${composition.height}, the manifest says ${width} × ${height}: it will have bars`,
      ),
    );
  }
  if (mains.length > 1) return warnings;
  // 29.97 in a project is 30000/1001; people write two decimals.
  if (Math.abs(composition.fps - fps) > 0.01)
    warnings.push(warn(`${named} has ${composition.fps} fps, the manifest says ${fps}`));
  const seconds = composition.durationSeconds;
  if (typeof duration === 'number' && duration < seconds - (1 / composition.fps + 0.001)) {
    warnings.push(warn(`${named} lasts ${shown(seconds)} s, of which the manifest asks for ${duration} s`));
  }
  return warnings;
}

/** A composition that ends before the output does is refused by the engine, so it is refused here. */
function checkLength({ manifest, mains }: ProjectContext): ProjectFinding[] {
  const wanted: { path: ManifestPath; seconds: number }[] = [];
  const { duration } = manifest.composition;
  if (typeof duration === 'number') wanted.push({ path: ['composition', 'duration'], seconds: duration });
  for (const [index, output] of manifest.outputs.entries()) {
    if (typeof output === 'string' || output.durationSeconds === undefined) continue;
    wanted.push({ path: ['outputs', index, 'durationSeconds'], seconds: output.durationSeconds });
  }
  return mains.flatMap(({ composition: { name, fps, durationSeconds } }) =>
    wanted
      // Up to a frame is the rounding of a length that somebody wrote down.
      .filter(({ seconds }) => Math.round(seconds * fps) > Math.round(durationSeconds * fps) + 1)
      .map(({ path, seconds }) => {
        const message = `is ${seconds} s, and the composition ${quoted(name)} of the project lasts ${shown(durationSeconds)} s`;
        return errorAt(path, 'TEMPLATE_INVALID', message);
      }),
  );
}

function shown(seconds: number): string {
  return String(Math.round(seconds * 1000) / 1000);
}

function lookup(files: Iterable<string>): (path: string) => boolean {
  const known = new Set<string>();
  for (const file of files) {
    const parts = folded(file).split('/');
    // The folders, too: an image sequence is one.
    for (let depth = 1; depth <= parts.length; depth += 1) known.add(parts.slice(0, depth).join('/'));
  }
  return (path) => known.has(folded(path));
}

function folded(path: string): string {
  return path.normalize('NFC').toLowerCase();
}
