/** All fault tests, in the order of the report. */
import type { Fault } from './fault.ts';
import { killControl } from './kill-control.ts';

export const FAULTS: readonly Fault[] = [killControl];
