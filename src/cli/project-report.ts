import { dirname, resolve } from 'node:path';
import type { AepProject } from '../bundle/aep/aep-project.ts';
import { findFootage } from '../bundle/aep/footage-places.ts';
import { inspectProject } from '../bundle/aep/inspect-project.ts';

export interface ProjectWarning {
  readonly code: 'FOOTAGE_MISSING' | 'FOOTAGE_ABSOLUTE' | 'FOOTAGE_UNCHECKED';
  readonly message: string;
  /** `id` of the footage that it is about. */
  readonly footage?: readonly number[];
}

/** The result of `template inspect`. */
export interface ProjectReport extends AepProject {
  /** The project, absolute. */
  readonly source: string;
  readonly warnings: readonly ProjectWarning[];
}

/** A project with what would keep it from being rendered on another machine. Errors: those of {@link inspectProject}. */
export async function reportProject(path: string, signal: AbortSignal): Promise<ProjectReport> {
  const source = resolve(path);
  const project = await inspectProject(source, signal);
  const { places, left } = await findFootage(project, dirname(source), signal);
  const warnings = places.map(({ footage: items, path: stored, beside }): ProjectWarning => {
    const which = [...new Set(items.map(({ name }) => JSON.stringify(name)))].join(', ');
    const footage = items.map(({ id }) => id);
    return beside === null
      ? {
          code: 'FOOTAGE_MISSING',
          message: `footage ${which} is not beside the project; it is stored as ${stored}`,
          footage,
        }
      : {
          code: 'FOOTAGE_ABSOLUTE',
          message: `footage ${which} is stored with an absolute path, ${stored}; beside the project: ${beside}`,
          footage,
        };
  });
  if (left > 0) {
    const message = `${left} more files of footage were not looked for`;
    warnings.push({ code: 'FOOTAGE_UNCHECKED', message });
  }
  return { source, ...project, warnings };
}
