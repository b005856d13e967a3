/** All fault tests, in the order of the report. */
import { clock } from './clock.ts';
import type { Fault } from './fault.ts';
import { floods } from './floods.ts';
import { fullAgent, fullDatabase, fullLog, fullObjects } from './full-disk.ts';
import { killAgent } from './kill-agent.ts';
import { killControl } from './kill-control.ts';
import { killPostgres } from './kill-postgres.ts';
import { killS3 } from './kill-s3.ts';
import { line, lineDatabase, lineObjects } from './line.ts';
import { manyNodes } from './many-nodes.ts';
import { pause } from './pause.ts';
import { replicas } from './replicas.ts';
import { slowClients } from './slow-clients.ts';

export const FAULTS: readonly Fault[] = [
  killControl,
  killAgent,
  replicas,
  killPostgres,
  killS3,
  pause,
  line,
  lineDatabase,
  lineObjects,
  clock,
  fullDatabase,
  fullObjects,
  fullAgent,
  fullLog,
  slowClients,
  floods,
  manyNodes(10_000),
];
