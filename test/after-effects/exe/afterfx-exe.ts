/** AfterFX as an executable: the installation is the directory that it lies in. */
import { dirname } from 'node:path';
import { afterfx } from '../afterfx.ts';

void afterfx(process.argv.slice(2), dirname(process.execPath)).then((exitCode) => process.exit(exitCode));
