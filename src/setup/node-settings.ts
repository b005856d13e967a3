import { accessSync, constants, existsSync } from 'node:fs';
import { FlatrenderError } from '../lib/errors.ts';
import { serviceSpec } from './service-plans.ts';

/** The agent.env of this machine's service, or the one that is named. CONFIG_MISSING, ELEVATION_NEEDED. */
export function envFileOf(given: string | undefined): string {
  const file = given ?? serviceSpec({ role: 'agent', signal: AbortSignal.timeout(1) }).paths.envFile;
  if (!existsSync(file)) {
    throw new FlatrenderError('CONFIG_MISSING', `there is no ${file}: this machine is no node yet`, {
      hint: 'flatrender node join FILE, or name the file: --agent-env agent.env',
    });
  }
  try {
    accessSync(file, constants.R_OK | constants.W_OK);
  } catch (cause) {
    throw new FlatrenderError('ELEVATION_NEEDED', `you may not read and change ${file}`, {
      cause,
      hint: process.platform === 'win32' ? 'open a terminal "as administrator"' : 'repeat it with sudo',
    });
  }
  return file;
}
