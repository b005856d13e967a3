/** Questions to people; every one has a flag that answers it beforehand. */
import { FlatrenderError } from '../lib/errors.ts';
import { isInteractive } from './paint.ts';

/** Asks yes or no unless `yes`. ABORTED on a no; USAGE where nobody can be asked. */
export async function confirm(question: string, yes: boolean): Promise<void> {
  if (yes) return;
  if (!isInteractive()) {
    throw new FlatrenderError('USAGE', `not confirmed: ${question}`, { hint: 'add --yes' });
  }
  const { default: inquirer } = await import('inquirer');
  const prompt = inquirer.createPromptModule({ output: process.stderr });
  const { sure } = await prompt<{ sure: boolean }>([
    { type: 'confirm', name: 'sure', message: question, default: false },
  ]);
  if (!sure) throw new FlatrenderError('ABORTED', 'nothing was changed');
}

/**
 * Asks for a text, or a secret that is not shown; `flag` is named where nobody can be asked. `check` says what is
 * wrong with an answer, which is then asked for again.
 */
export async function ask(
  question: string,
  flag: string,
  options: {
    readonly secret?: boolean;
    readonly default?: string | undefined;
    readonly check?: ((answer: string) => string | undefined) | undefined;
  } = {},
): Promise<string> {
  if (!isInteractive()) {
    throw new FlatrenderError('USAGE', `${flag} is missing`, { hint: `add ${flag}` });
  }
  const { default: inquirer } = await import('inquirer');
  const prompt = inquirer.createPromptModule({ output: process.stderr });
  const validate = (answer: string): string | true => options.check?.(answer.trim()) ?? true;
  const { answer } = await prompt<{ answer: string }>([
    options.secret
      ? { type: 'password', name: 'answer', message: question, mask: '*', validate }
      : { type: 'input', name: 'answer', message: question, default: options.default, validate },
  ]);
  return answer.trim();
}

/** Asks for one of several; only where {@link isInteractive} people can be asked. Returns its value. */
export async function choose(
  question: string,
  choices: readonly { readonly name: string; readonly value: string }[],
): Promise<string> {
  const { default: inquirer } = await import('inquirer');
  const prompt = inquirer.createPromptModule({ output: process.stderr });
  const { chosen } = await prompt<{ chosen: string }>([
    { type: 'select', name: 'chosen', message: question, choices: [...choices] },
  ]);
  return chosen;
}

/** A secret from stdin, up to its line break; USAGE when nothing comes. */
export async function readSecret(): Promise<string> {
  let text = '';
  for await (const chunk of process.stdin) text += chunk;
  const secret = text.trim();
  if (secret === '')
    throw new FlatrenderError('USAGE', 'nothing came on stdin', {
      hint: 'echo "$TOKEN" | flatrender login …',
    });
  return secret;
}
