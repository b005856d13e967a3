import type { ChalkInstance } from 'chalk';

/** The colours that commands use; what each is for, not how it looks. */
const STYLES = {
  error: (chalk: ChalkInstance) => chalk.red,
  warning: (chalk: ChalkInstance) => chalk.yellow,
  good: (chalk: ChalkInstance) => chalk.green,
  busy: (chalk: ChalkInstance) => chalk.cyan,
  dim: (chalk: ChalkInstance) => chalk.dim,
  bold: (chalk: ChalkInstance) => chalk.bold,
} as const;

export type Style = keyof typeof STYLES;

/** A stream as far as colours are concerned. */
export interface Terminal {
  readonly isTTY?: boolean;
}

/**
 * Whether to colour what goes to this stream: FORCE_COLOR says yes; NO_COLOR, CI, TERM=dumb and anything that is no
 * terminal say no. (chalk itself knows nothing of NO_COLOR.)
 */
export function hasColor(stream: Terminal, env: NodeJS.ProcessEnv = process.env): boolean {
  if (env.NO_COLOR) return false;
  if (env.FORCE_COLOR) return env.FORCE_COLOR !== '0' && env.FORCE_COLOR !== 'false';
  return isLive(stream, env);
}

/** Whether lines may be rewritten in place on this stream (progress bars, spinners). */
export function isLive(stream: Terminal, env: NodeJS.ProcessEnv = process.env): boolean {
  return stream.isTTY === true && !env.NO_COLOR && !env.CI && env.TERM !== 'dumb';
}

/** Whether people can be asked: both ends are a terminal and no CI. */
export function isInteractive(env: NodeJS.ProcessEnv = process.env): boolean {
  return process.stdin.isTTY === true && process.stderr.isTTY === true && !env.CI;
}

let chalk: ChalkInstance | undefined;

/** Loads chalk if anything will be coloured; call once before {@link paint}. Costs nothing in a pipe. */
export async function loadColors(): Promise<void> {
  if (chalk || !(hasColor(process.stdout) || hasColor(process.stderr))) return;
  const { Chalk } = await import('chalk');
  chalk = new Chalk({ level: 1 });
}

/** The text in a style, or as it is where that stream takes no colour. */
export function paint(style: Style, text: string, stream: Terminal = process.stdout): string {
  return chalk && hasColor(stream) ? STYLES[style](chalk)(text) : text;
}
