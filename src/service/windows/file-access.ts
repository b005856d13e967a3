import type { PlanStep } from '../../lib/plan.ts';
import { systemProgram } from './system-program.ts';

/** LocalSystem and Administrators by their well-known SIDs: their names are translated (Microsoft, "Well-known SIDs"). */
const READERS = ['*S-1-5-18:F', '*S-1-5-32-544:F'];

/** Lets only the system and administrators read a file with a secret; `what` is for people. */
export function fileAccessSteps(file: string, what: string): PlanStep[] {
  return [
    {
      kind: 'run',
      file: systemProgram('icacls'),
      // Without inheritance: C:\ lets every user read what lies below it.
      args: [file, '/inheritance:r', ...READERS.flatMap((reader) => ['/grant:r', reader])],
      what: `let only administrators read ${what}`,
    },
  ];
}
