import { win32 } from 'node:path';

/**
 * The whole path of a program of Windows itself. Windows looks into the current directory first: a sc.exe that somebody
 * put there would run as administrator.
 */
export function systemProgram(name: string, env: NodeJS.ProcessEnv = process.env): string {
  return win32.join(env.SystemRoot ?? 'C:\\Windows', 'System32', `${name}.exe`);
}
