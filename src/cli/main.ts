import { Config, flush, type Interfaces, run } from '@oclif/core';
import { didYouMean } from '../lib/did-you-mean.ts';
import { FlatrenderError } from '../lib/errors.ts';
import { errorLines } from './base-command.ts';
import { describeError, type Failure, isExitRequest } from './describe-error.ts';
import { loadColors } from './paint.ts';

/**
 * Runs what the command line says. A command reports its own failure (BaseCommand); here is reported, in the same two
 * forms, what fails before there is a command: no such command, or one that cannot be loaded.
 */
export async function runProgram(argv: readonly string[], options: Interfaces.Options): Promise<void> {
  try {
    const config = await Config.load(options);
    const args = argv[0] === 'help' ? [...argv.slice(1), '--help'] : [...argv];
    checkCommand(config, args);
    await run(args, config);
    await flush();
  } catch (thrown) {
    if (isExitRequest(thrown)) {
      process.exitCode = exitCodeOf(thrown);
      return;
    }
    await loadColors();
    report(describeError(thrown), asksForJson(argv));
  }
}

/** USAGE, with what was probably meant, when the words before the first flag name nothing. */
function checkCommand(config: Config, argv: readonly string[]): void {
  const flag = argv.findIndex((word) => word.startsWith('-'));
  const words = flag < 0 ? argv : argv.slice(0, flag);
  const known = knownWords(config, words);
  if (known.length > 0 && config.findCommand(known.join(':'))) {
    const command = config.findCommand(known.join(':'));
    const extra = words[known.length];
    const takesNone = command?.strict !== false && Object.keys(command?.args ?? {}).length === 0;
    if (extra === undefined || !takesNone) return;
    throw usage(`"${known.join(' ')}" takes no argument, and got "${extra}"`, known);
  }
  const next = words[known.length];
  if (next !== undefined) {
    const siblings = nextWords(config, known);
    const place = known.length === 0 ? '' : ` in "${known.join(' ')}"`;
    throw usage(`there is no command "${next}"${place}${didYouMean(next, siblings)}`, known);
  }
  // Help for a topic is text: what reads JSON gets an error it can read instead.
  const help = ['--help', '-h', '--version'].some((word) => argv.includes(word));
  if (help || argv.length === words.length) return;
  const first = argv[0];
  throw usage(
    known.length === 0
      ? `the command comes first, before ${first}`
      : `which command of "${known.join(' ')}"?`,
    known,
  );
}

/** The beginning of the words that is a topic or a command; a command is never a topic here. */
function knownWords(config: Config, words: readonly string[]): readonly string[] {
  for (let count = words.length; count > 0; count -= 1) {
    const id = words.slice(0, count).join(':');
    if (config.findCommand(id) || config.findTopic(id)) return id.split(':');
  }
  return [];
}

function nextWords(config: Config, known: readonly string[]): Set<string> {
  return new Set(
    config.commands
      .map(({ id }) => id.split(':'))
      .filter((parts) => known.every((word, index) => parts[index] === word))
      .map((parts) => parts[known.length] ?? ''),
  );
}

function usage(message: string, known: readonly string[]): FlatrenderError {
  return new FlatrenderError('USAGE', message, {
    hint: `run "${['flatrender', ...known].join(' ')} --help"`,
  });
}

function asksForJson(argv: readonly string[]): boolean {
  const end = argv.indexOf('--');
  return (end < 0 ? argv : argv.slice(0, end)).includes('--json');
}

function report({ error, bug }: Failure, json: boolean): void {
  process.exitCode = error.exit;
  if (json) process.stdout.write(`${JSON.stringify({ error: error.toBody() }, null, 2)}\n`);
  else process.stderr.write(`${errorLines(error)}\n`);
  if (bug && process.env.DEBUG && error.cause instanceof Error)
    process.stderr.write(`${error.cause.stack}\n`);
}

function exitCodeOf(thrown: unknown): number {
  const { oclif } = thrown as { oclif?: { exit?: number | false } };
  return typeof oclif?.exit === 'number' ? oclif.exit : 0;
}
