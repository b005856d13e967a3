/**
 * The program AfterFX: `node afterfx-main.ts <flags>`, with AE_SIM_INSTALL naming the directory of the installation; else
 * the directory of the script that loads this, or of the executable.
 */
import { dirname } from 'node:path';
import { afterfx } from './afterfx.ts';

const installDir = process.env.AE_SIM_INSTALL ?? dirname(process.argv[1] ?? '');
// Who started it is gone: nobody reads on.
process.stdout.on('error', () => process.exit(1));
void afterfx(process.argv.slice(2), installDir).then((exitCode) => process.exit(exitCode));
