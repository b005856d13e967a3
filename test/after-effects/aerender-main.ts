/**
 * The program aerender: `node aerender-main.ts <flags>`, with AE_SIM_INSTALL naming the directory of the installation;
 * else the directory of the script that loads this, or of the executable.
 */
import { dirname } from 'node:path';
import { aerender } from './aerender.ts';

const installDir = process.env.AE_SIM_INSTALL ?? dirname(process.argv[1] ?? '');
void aerender(process.argv.slice(2), installDir).then((exitCode) => {
  process.exitCode = exitCode;
});
