/** Which composition of a project is rendered. */
import type { AepComposition } from '../bundle/aep/aep-project.ts';
import type { ProjectIndex } from '../bundle/aep/project-index.ts';
import { referenceTo } from '../bundle/propose-inputs.ts';
import { FlatrenderError } from '../lib/errors.ts';
import { isInteractive } from './paint.ts';
import { choose } from './prompt.ts';

export interface ChosenComposition {
  readonly main: AepComposition;
  /** How a manifest calls it. */
  readonly reference: string;
}

/** Listed in a message. */
const MOST_LISTED = 15;

/**
 * The one that was named; else the only one that no other composition shows and that shows something itself. Of several, people
 * are asked; where nobody can be asked, USAGE lists them.
 */
export async function chooseComposition(
  index: ProjectIndex,
  wanted: string | undefined,
): Promise<ChosenComposition> {
  if (wanted !== undefined) {
    const looked = index.findComposition(wanted);
    if ('problem' in looked) throw new FlatrenderError('USAGE', looked.problem, { hint: hintFor(index) });
    return referred(index, looked.found);
  }
  const roots = index.roots.filter(({ layers }) => layers.length > 0);
  const candidates = byWeight(roots.length > 0 ? roots : index.project.compositions);
  const [first] = candidates;
  if (!first) {
    throw new FlatrenderError('USAGE', 'the project has no composition', {
      hint: 'run "flatrender template inspect" to see what it has',
    });
  }
  if (candidates.length === 1) return referred(index, first);
  if (!isInteractive()) {
    throw new FlatrenderError(
      'USAGE',
      `the project has ${candidates.length} compositions that no other one shows: which is rendered?\n${listed(index, candidates)}`,
      {
        hint: `add --composition ${JSON.stringify(referenceTo(index, first) ?? first.name)}, or another of them`,
      },
    );
  }
  const chosen = await choose(
    'Which composition is rendered?',
    candidates.map((composition) => ({ name: lineOf(index, composition), value: String(composition.id) })),
  );
  return referred(index, candidates.find(({ id }) => String(id) === chosen) ?? first);
}

/** The largest and longest first. */
function byWeight(compositions: readonly AepComposition[]): AepComposition[] {
  const weight = ({ width, height, durationSeconds }: AepComposition): number =>
    width * height * durationSeconds;
  return [...compositions].sort((a, b) => weight(b) - weight(a));
}

function referred(index: ProjectIndex, main: AepComposition): ChosenComposition {
  const reference = referenceTo(index, main);
  if (reference !== null) return { main, reference };
  throw new FlatrenderError(
    'USAGE',
    `another composition has the name and folder of ${JSON.stringify(main.name)}`,
    {
      hint: 'rename one in After Effects',
    },
  );
}

function hintFor(index: ProjectIndex): string | undefined {
  const candidates = byWeight(index.roots);
  return candidates.length === 0 ? undefined : `there are:\n${listed(index, candidates)}`;
}

function listed(index: ProjectIndex, compositions: readonly AepComposition[]): string {
  const lines = compositions.slice(0, MOST_LISTED).map((composition) => `  ${lineOf(index, composition)}`);
  const more = compositions.length - lines.length;
  return [...lines, ...(more > 0 ? [`  and ${more} more`] : [])].join('\n');
}

function lineOf(index: ProjectIndex, composition: AepComposition): string {
  const { name, width, height, fps, durationSeconds } = composition;
  const seconds = Math.round(durationSeconds * 100) / 100;
  return `${JSON.stringify(referenceTo(index, composition) ?? name)}  ${width} × ${height}, ${fps} fps, ${seconds} s`;
}
