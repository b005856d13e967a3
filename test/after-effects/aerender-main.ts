/**
 * The program aerender: `node aerender-main.ts <flags>`, with AE_SIM_INSTALL naming the directory of the installation; as
 * an executable of its own, the directory that it lies in.
 */
import { dirname } from 'node:path';
import { aerender } from './aerender.ts';

// Who started it is gone: nobody reads on.
process.stdout.on('error', () => process.exit(1));
const installDir = process.env.AE_SIM_INSTALL ?? dirname(process.execPath);
aerender(process.argv.slice(2), installDir).then((exitCode) => {
  process.exitCode = exitCode;
});
