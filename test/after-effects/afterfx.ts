/**
 * The stand-in for `AfterFX`: `AfterFX [-m] [-noui] -r script.jsx`, or `-s "code"`. Runs the script as After Effects would,
 * on the object model. Like the real program it stays open until the script calls `app.quit()`; its exit code is `app.exitCode`.
 */
import { readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { type AfterFxConfig, readAfterFxConfig } from './afterfx-config.ts';
import { type Fault, readFault } from './faults.ts';
import { exposeModel } from './model/expose-model.ts';
import type { Realm } from './script-host/realm.ts';
import { makeScriptHost, runScriptFile } from './script-host/script-host.ts';

/** Of scripts that fail: facts of public copies of Adobe's commandLineRenderer.jsx. */
const EXIT = { failure: 1, syntax: 3, script: 5 } as const;

/** Titles of dialogs that After Effects shows before a script runs; the wording is not verified. */
const DIALOGS: Readonly<Record<string, readonly [title: string, text: string]>> = {
  'crash-repair': ['Crash Repair Options', 'After Effects crashed during the last session.'],
  'missing-font': ['Missing Fonts', 'Fonts of this project are not installed.'],
  conversion: ['After Effects', 'This project must be converted from an older version.'],
  licence: ['Sign in', 'We cannot verify your subscription status.'],
};

/** Runs it in an installation; returns the exit code. Some ends never come, as in the real program. */
export async function afterfx(argv: readonly string[], installDir: string): Promise<number> {
  const args = parseArguments(argv);
  const config = readAfterFxConfig(installDir);
  const fault = readFault(installDir, 'AfterFX');
  // Without -m a second one hands its script to the first and ends.
  if (!args.isAnother && isRunning(installDir)) return 0;
  writeFileSync(pidFile(installDir), String(process.pid));
  try {
    if (fault?.mode === 'stderr-noise') process.stderr.write('GPU: no adapter\n'.repeat(5000));
    if (!(await launch(installDir, config, fault))) return EXIT.failure;
    return await runScript(installDir, config, fault, args);
  } finally {
    // Another one, with -m, may have removed it.
    rmSync(pidFile(installDir), { force: true });
  }
}

interface Arguments {
  readonly isAnother: boolean;
  readonly hasUi: boolean;
  readonly file: string | null;
  readonly code: string | null;
}

function parseArguments(argv: readonly string[]): Arguments {
  const after = (flag: string) => {
    const at = argv.indexOf(flag);
    return at === -1 ? null : (argv[at + 1] ?? null);
  };
  const isAnother = argv.includes('-m');
  return { isAnother, hasUi: !argv.includes('-noui'), file: after('-r'), code: after('-s') };
}

/** Until the script could run; false: there is no licence. */
async function launch(installDir: string, config: AfterFxConfig, fault: Fault | null): Promise<boolean> {
  const late = fault?.mode === 'slow-start' ? Number(fault.argument) : 0;
  if (config.startMs + late > 0) await delay(config.startMs + late);
  if (fault?.mode === 'hang-launch') hangForever();
  if (fault?.mode === 'dialog') {
    const [title, text] = DIALOGS[fault.argument] ?? ['After Effects', fault.argument];
    showDialog(installDir, title, text);
  }
  if (fault?.mode === 'licence') {
    process.stdout.write(
      'After Effects error: the license could not be verified. Sign in to Creative Cloud.\n',
    );
    return false;
  }
  return true;
}

async function runScript(
  installDir: string,
  config: AfterFxConfig,
  fault: Fault | null,
  args: Arguments,
): Promise<number> {
  const realm = makeScriptHost({
    hasJson: config.hasJson,
    locale: config.isoLanguage,
    showDialog: (_, title, text) => showDialog(installDir, title, text),
    writeLine: (line) => process.stdout.write(`${line}\n`),
  });
  const app = exposeModel(realm, config, () => strike(fault));
  try {
    if (fault?.mode === 'script-error') throw new Error('Function x is undefined');
    if (args.file !== null) runScriptFile(realm, resolve(args.file));
    else if (args.code !== null) realm.run(args.code, 'script');
  } catch (error) {
    return failed(installDir, realm, error, args.hasUi && fault?.mode !== 'script-error');
  }
  if (!app._hasQuit || fault?.mode === 'no-exit') await new Promise(() => setInterval(() => {}, 2 ** 30));
  return app.exitCode;
}

/** Said in a dialog that waits for somebody; with -noui there is none. That, and the exit codes, are not verified. */
function failed(installDir: string, realm: Realm, error: unknown, hasUi: boolean): number {
  const { message, file, line } = realm.failureOf(error);
  const text = `Unable to execute script at line ${line} of ${file}. ${message}`;
  process.stdout.write(`After Effects error: ${text}\n`);
  if (hasUi) showDialog(installDir, 'After Effects', text);
  return message.startsWith('Syntax error') ? EXIT.syntax : EXIT.script;
}

/** In the middle of the script: when it saves. */
function strike(fault: Fault | null): void {
  if (fault?.mode === 'crash-at') process.kill(process.pid, 'SIGSEGV');
  if (fault?.mode === 'hang-at') hangForever();
}

/** Writes what it shows to the file "dialog" of the installation, and waits as a modal dialog does. */
function showDialog(installDir: string, title: string, text: string): never {
  // At once: who waits for the file reads it as soon as it is there.
  const part = join(installDir, `dialog.${process.pid}`);
  writeFileSync(part, `${title}\n${text}\n`);
  renameSync(part, join(installDir, 'dialog'));
  return hangForever();
}

/** Uses no CPU and runs nothing; a signal ends it. */
function hangForever(): never {
  for (;;) Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0);
}

function pidFile(installDir: string): string {
  return join(installDir, 'afterfx.pid');
}

function isRunning(installDir: string): boolean {
  try {
    process.kill(Number(readFileSync(pidFile(installDir), 'utf8')), 0);
    return true;
  } catch {
    return false;
  }
}
