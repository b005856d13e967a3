/** The stand-in as a program of the tests of itself: reads the project from a JSON file. */
import { readFileSync } from 'node:fs';
import { aerender } from '../../after-effects/aerender.ts';
import type { SimProject } from '../../after-effects/sim-project.ts';

process.exitCode = await aerender(process.argv.slice(2), {
  installDir: process.env.AE_SIM_INSTALL ?? '',
  readProject: (path) => JSON.parse(readFileSync(path, 'utf8')) as SimProject,
});
