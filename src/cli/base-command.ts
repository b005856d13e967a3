import { Command } from '@oclif/core/command';
import { FlatrenderError } from '../lib/errors.ts';
import { describeError, type Failure, isExitRequest } from './describe-error.ts';
import { loadColors, paint } from './paint.ts';
import { plainText } from './plain-text.ts';

/**
 * What every command shares. stdout is data, stderr everything else; `--json` prints exactly one JSON value on
 * stdout, the result of `run()` or `{ error: { code, message, hint } }`; the exit code is the error's.
 *
 * A command whose answer is itself bad news (a job that failed) prints it, sets `process.exitCode` and returns.
 */
export abstract class BaseCommand extends Command {
  static override enableJsonFlag = true;

  /** What Ctrl-C did not stop and how to get back to it; shown as the hint of "stopped". */
  protected goesOn: string | undefined;
  private interruption: AbortController | undefined;
  private failed = false;

  /**
   * Aborts with ABORTED (exit 130) at Ctrl-C or SIGTERM; a second one ends the process at once. Without a look at
   * this property the signals keep their usual effect.
   */
  protected get signal(): AbortSignal {
    if (!this.interruption) {
      const controller = new AbortController();
      this.interruption = controller;
      const stop = (): void => {
        if (controller.signal.aborted) process.exit(130);
        controller.abort(new FlatrenderError('ABORTED', 'stopped'));
      };
      process.on('SIGINT', stop);
      process.on('SIGTERM', stop);
    }
    return this.interruption.signal;
  }

  /** A line for people, on stdout; nothing with --json. */
  protected print(text = ''): void {
    if (!this.jsonEnabled()) process.stdout.write(`${plainText(text)}\n`);
  }

  /** A line on the side (what happens, what comes next), on stderr; nothing with --json. */
  protected note(text = ''): void {
    if (!this.jsonEnabled()) process.stderr.write(`${plainText(text)}\n`);
  }

  protected override async init(): Promise<void> {
    await super.init();
    await loadColors();
    // What escapes every await is a bug: it has the exit code of one, and no bare stack.
    process.on('uncaughtException', (error) => {
      this.report(describeError(error, this.id));
      process.exit();
    });
  }

  /** The JSON of the result comes from here alone, so that a command that returns nothing prints a value too. */
  protected override async _run<T>(): Promise<T> {
    const result = await super._run<T>();
    if (!result && !this.failed && this.jsonEnabled()) this.logJson(this.toSuccessJson(result ?? null));
    return result;
  }

  protected override async catch(thrown: unknown): Promise<void> {
    if (isExitRequest(thrown)) throw thrown;
    this.failed = true;
    // An interrupted command fails somewhere below with whatever the abort broke; what counts is the interruption.
    const aborted = this.interruption?.signal.aborted === true;
    const cause = aborted
      ? new FlatrenderError('ABORTED', 'stopped', { hint: this.goesOn, cause: thrown })
      : thrown;
    this.report(describeError(cause, this.id));
    // Something that was left open must not keep a failed command alive.
    setTimeout(() => process.exit(), 3000).unref();
  }

  protected override toErrorJson(thrown: unknown): unknown {
    return { error: describeError(thrown, this.id).error.toBody() };
  }

  override logJson(json: unknown): void {
    process.stdout.write(`${JSON.stringify(json, null, 2)}\n`);
  }

  private report({ error, bug }: Failure): void {
    process.exitCode = error.exit;
    if (this.jsonEnabled()) this.logJson(this.toErrorJson(error));
    else process.stderr.write(`${plainText(errorLines(error))}\n`);
    if (bug && process.env.DEBUG) process.stderr.write(`${stackOf(error)}\n`);
  }
}

/** An error as people read it: what failed, then what to do. */
export function errorLines(error: FlatrenderError): string {
  const message = paint('error', `error: ${error.message}`, process.stderr);
  return error.hint === undefined
    ? message
    : `${message}\n${paint('dim', 'hint:', process.stderr)} ${error.hint}`;
}

function stackOf(error: FlatrenderError): string {
  return error.cause instanceof Error ? (error.cause.stack ?? '') : (error.stack ?? '');
}
