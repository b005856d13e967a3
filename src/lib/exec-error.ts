import { existsSync } from 'node:fs';
import { basename } from 'node:path';
import { FlatrenderError } from './errors.ts';

/** The lines of an error worth keeping: the reason is at the end. */
const LAST_LINES = 10;

/** PROGRAM_MISSING: the operating system refused to start it. */
export function programNotStarted(
  command: { file: string; args: readonly string[] },
  cause: unknown,
  cwd: string | undefined,
): FlatrenderError {
  const { file, args } = command;
  const code = (cause as NodeJS.ErrnoException | undefined)?.code;
  const why =
    cwd !== undefined && !existsSync(cwd)
      ? `its working directory ${cwd} does not exist`
      : code === 'ENOENT'
        ? 'there is no such program'
        : code === 'EACCES'
          ? 'it may not be executed'
          : (code ?? String((cause as Error | undefined)?.message ?? cause));
  return new FlatrenderError('PROGRAM_MISSING', `cannot start ${file}: ${why}`, {
    cause,
    details: { file, args: [...args] },
  });
}

/** PROGRAM_FAILED: it ended with another exit code than 0, or by a signal. */
export function programEnded(
  command: { file: string; args: readonly string[] },
  ended: { exitCode: number | null; signal: string | null; stdout: string; stderr: string },
): FlatrenderError {
  const { file, args } = command;
  const lastLines = lastLinesOf(ended.stderr.trim() === '' ? ended.stdout : ended.stderr);
  const how =
    ended.exitCode === null ? `was ended by ${ended.signal}` : `ended with exit code ${ended.exitCode}`;
  const last = lastLines.at(-1);
  return new FlatrenderError('PROGRAM_FAILED', `${basename(file)} ${how}${last ? `: ${last}` : ''}`, {
    details: { file, args: [...args], exitCode: ended.exitCode, signal: ended.signal, lastLines },
  });
}

/** The last lines with text. */
export function lastLinesOf(text: string, count = LAST_LINES): string[] {
  return text
    .split(/\r\n|\r|\n/)
    .filter((line) => line.trim() !== '')
    .slice(-count);
}

/** PROGRAM_TIMEOUT: it was ended because it took too long. */
export function programTimedOut(file: string, timeoutMs: number, stderr: string): FlatrenderError {
  return new FlatrenderError('PROGRAM_TIMEOUT', `${file} did not end within ${timeoutMs / 1000} s`, {
    details: { file, timeoutMs, lastLines: lastLinesOf(stderr) },
  });
}
