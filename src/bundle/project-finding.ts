/** What the checks of a project share. */
import type { ErrorCode } from '../lib/errors.ts';
import type { AepComposition } from './aep/aep-project.ts';
import type { ProjectIndex } from './aep/project-index.ts';
import type { AerenderSection } from './aerender-section.ts';
import type { Manifest } from './manifest.ts';
import { MANIFEST_FILE } from './manifest-file.ts';
import { formatPath, type ManifestPath } from './problems.ts';

/** One thing that is wrong with a project, or probably not meant. */
export interface ProjectFinding {
  readonly severity: 'error' | 'warning';
  readonly code: ErrorCode;
  readonly message: string;
  readonly hint?: string | undefined;
}

/** A composition that a job may render. */
export interface MainComposition {
  readonly composition: AepComposition;
  /** The option that chooses it; null: there is no choice. */
  readonly option: string | null;
}

/** What the checks of a project work on. */
export interface ProjectContext {
  readonly manifest: Manifest;
  readonly section: AerenderSection;
  readonly index: ProjectIndex;
  readonly mains: readonly MainComposition[];
  /** Whether the bundle has a file or folder of this path; systems with After Effects do not tell case apart. */
  readonly has: (path: string) => boolean;
}

/** An error at a place of the manifest. */
export function errorAt(path: ManifestPath, code: ErrorCode, message: string, hint?: string): ProjectFinding {
  return { severity: 'error', code, message: `${MANIFEST_FILE}: ${formatPath(path)}: ${message}`, hint };
}

/** How to see what the project has. */
export function inspectHint({ project }: AerenderSection): string {
  return `run "flatrender template inspect ${/\s/.test(project) ? `'${project}'` : project}" in the folder of the template to see what it has`;
}
