/** All fault tests, in the order of the report. */
import { clock } from './clock.ts';
import type { Fault } from './fault.ts';
import { killAgent } from './kill-agent.ts';
import { killControl } from './kill-control.ts';
import { line, lineDatabase, lineObjects } from './line.ts';
import { pause } from './pause.ts';

export const FAULTS: readonly Fault[] = [
  killControl,
  killAgent,
  pause,
  line,
  lineDatabase,
  lineObjects,
  clock,
];
