/**
 * From what is left of a run of After Effects to one error: what failed, in which phase, what After Effects said last,
 * what it most likely was and what to do.
 *
 * The first of these that applies is believed:
 *
 * | what is there                                            | code                        | a retry can help |
 * |----------------------------------------------------------|-----------------------------|------------------|
 * | a window waits for somebody                              | the dialog's                | as its code says |
 * | words about the licence: in an error, or in the last lines while there is no frame | AE_LICENSE | yes, on another node |
 * | "another instance": likewise                              | AE_OTHER_INSTANCE           | yes |
 * | error: no such composition                               | AE_COMP_NOT_FOUND           | no |
 * | error: no such output module                             | AE_OUTPUT_MODULE_NOT_FOUND  | yes, another node may have it |
 * | error: no such render settings                           | AE_RENDER_FAILED            | yes, another node may have them |
 * | error: project of a newer After Effects                  | AE_PROJECT_INVALID          | yes, on a newer After Effects |
 * | error: project damaged                                   | AE_PROJECT_INVALID          | no |
 * | error: script, with file and line                        | AE_SCRIPT_ERROR             | no |
 * | error: disk full                                         | DISK_FULL                   | yes |
 * | error: memory                                            | AE_RENDER_FAILED            | yes |
 * | error: footage, fonts or effects missing                 | AE_MISSING_FOOTAGE, AE_MISSING_FONT, AE_RENDER_FAILED | no; yes, another node may have them |
 * | the watchdog bit in launch                               | AE_LAUNCH_TIMEOUT           | yes |
 * | the watchdog bit in another phase                        | AE_HUNG                     | yes |
 * | a signal, a Windows exception, exit 9 or 10 that nothing explains, the connection to After Effects lost | AE_CRASHED | yes |
 * | warning: footage, fonts or effects missing               | as above                    | as above |
 * | exit 0 before the script ran                             | AE_OTHER_INSTANCE           | yes |
 * | exit 0 while the script ran                              | AE_CRASHED                  | yes |
 * | exit 0, frames are missing                               | AE_SHORT_OUTPUT             | yes |
 * | anything else                                            | AE_RENDER_FAILED            | yes |
 */
import { FlatrenderError } from '../../../lib/errors.ts';
import { type Cause, type Meaning, meaningsOf, type RenderEvidence, type TroublePolicy } from './evidence.ts';
import { causeError } from './failures-cause.ts';
import { crashName, exitMeaning } from './failures-exit.ts';
import { doing, fail } from './failures-report.ts';
import type { AerenderEvent } from './output.ts';

/** The error of a failed attempt; see the table above. */
export function failureOf(evidence: RenderEvidence): FlatrenderError {
  const { dialog } = evidence;
  if (dialog)
    return fail(evidence, dialog.code, `${dialog.message} (${doing(evidence)})`, { hint: dialog.hint });
  return fromErrors(evidence) ?? fromExpiry(evidence) ?? fromCrash(evidence) ?? fromExit(evidence);
}

function fromErrors(evidence: RenderEvidence): FlatrenderError | null {
  const said = meaningsOf(evidence.errors.map(({ text }) => text)).filter(
    (meaning) => meaning.cause !== 'connection' && counts(meaning, evidence),
  );
  const first = said[0] ?? refusal(evidence);
  return first ? named(evidence, first) : null;
}

/**
 * A licence or an instance that is refused may be told outside of errors: AfterFX prints what it likes. Once there are
 * frames it was not refused, whatever the lines of drivers and plug-ins speak of.
 */
function refusal(evidence: RenderEvidence): Meaning | undefined {
  if ((evidence.framesFound ?? 0) > 0) return undefined;
  return meaningsOf([...evidence.lastLines, ...evidence.warnings]).find(
    ({ cause }) => cause === 'license' || cause === 'other-instance',
  );
}

function fromExpiry(evidence: RenderEvidence): FlatrenderError | null {
  const { expired } = evidence;
  if (!expired) return null;
  const silence = seconds(expired.silentMs);
  const busy = expired.silentMs > expired.limitMs * 1.5 ? ', though its processes were busy' : '';
  if (expired.phase === 'launch') {
    return fail(evidence, 'AE_LAUNCH_TIMEOUT', `After Effects did not start within ${silence}${busy}`, {
      hint: 'start After Effects once by hand as the user of the agent: a dialog, a sign-in or an update may be waiting; slow machines need a longer limit for the launch',
    });
  }
  const [missing] = meaningsOf(evidence.warnings).filter(({ cause }) => cause in HUNG_BY);
  return fail(
    evidence,
    'AE_HUNG',
    `After Effects gave no sign of life for ${silence} ${doing(evidence, expired.phase)}${busy}`,
    { hint: (missing && HUNG_BY[missing.cause]) ?? HUNG_HINTS[expired.phase] },
  );
}

/** Warnings that usually come before a hang (nexrender issue 239). */
const HUNG_BY: Partial<Record<Cause, string>> = {
  footage: 'footage is missing, which After Effects may wait for: put it into the bundle',
  font: 'fonts are missing: put them into the bundle, under fonts',
};

const HUNG_HINTS = {
  launch: '',
  bind: 'a script of the template may wait for an answer (alert, confirm); else give limits.bind more seconds',
  'first-frame':
    'the project may wait for footage or a plug-in; big projects need a longer limits.firstFrame',
  frame:
    'the frame after the last one may be too heavy for this machine; else give limits.frame more seconds',
  encode:
    'After Effects rendered all frames and did not close its output; mode: sequence avoids the encoder of After Effects',
} as const;

/** What aerender says when it knows no more (commandLineRenderer.jsx, MSG_AE_RUNTIME). */
const UNEXPLAINED = /^\s*(?:runtime error in after effects\.?)?\s*$/i;

function fromCrash(evidence: RenderEvidence): FlatrenderError | null {
  const { exitCode, signal, errors } = evidence;
  const name = crashName(exitCode, signal);
  const lost = errors.find(({ text }) => meaningsOf([text])[0]?.cause === 'connection');
  const unexplained = errors.every(({ text }) => UNEXPLAINED.test(text)) && !warned(evidence);
  const runtime = (exitCode === 9 || exitCode === 10) && unexplained;
  if (name === null && !runtime && !(lost && exitCode !== 11)) return null;
  const how = name ?? lost?.text ?? exitMeaning(exitCode) ?? `exit code ${exitCode}`;
  return fail(evidence, 'AE_CRASHED', `After Effects crashed ${doing(evidence)}: ${how}`, {
    hint: /killed|memory/i.test(how)
      ? 'the machine may have run out of memory: fewer slots, or -mem_usage'
      : 'the next attempt goes on where it can; when it happens again at the same frame, look at the effects used there',
  });
}

function fromExit(evidence: RenderEvidence): FlatrenderError {
  const { exitCode, framesExpected, framesFound, stage } = evidence;
  const missing = warned(evidence);
  if (missing) return named(evidence, missing);
  if (exitCode === 0 && stage === 'launch') {
    return fail(evidence, 'AE_OTHER_INSTANCE', 'After Effects ended without running the script', {
      hint: 'an After Effects that was open may have got it: close it on this machine',
    });
  }
  if (exitCode === 0 && stage === 'bind')
    return fail(evidence, 'AE_CRASHED', 'After Effects ended before the script did', {});
  const short = framesExpected !== null && framesFound !== null && framesFound < framesExpected;
  if (short && (exitCode === 0 || exitCode === null)) {
    return fail(
      evidence,
      'AE_SHORT_OUTPUT',
      `After Effects said it was done, but only ${framesFound} of ${framesExpected} frames are there`,
      { hint: 'a crash leaves a shorter file that still plays; the next attempt renders what is missing' },
    );
  }
  const said = evidence.errors.at(-1)?.text;
  const meaning = exitMeaning(exitCode);
  const code = exitCode === null ? 'without an exit code' : `with exit code ${exitCode}`;
  const text = `After Effects ended ${code}${meaning ? ` (${meaning})` : ''} ${doing(evidence)}`;
  return fail(evidence, 'AE_RENDER_FAILED', said ? `${text}: ${said}` : text, {
    hint: 'see the whole log: flatrender job logs <job>',
  });
}

const MISSING: readonly Cause[] = ['footage', 'font', 'effect'];

/** What warnings say is missing and the template minds. */
function warned(evidence: RenderEvidence): Meaning | undefined {
  return meaningsOf(evidence.warnings.filter(isOfAfterEffects)).find(
    (meaning) => MISSING.includes(meaning.cause) && counts(meaning, evidence),
  );
}

/** Its name is not translated; drivers and plug-ins warn as well. */
function isOfAfterEffects(warning: string): boolean {
  return /after effects|Grouped_Message/i.test(warning);
}

/** Whether the template minds. */
function counts(meaning: Meaning, { policy }: Pick<RenderEvidence, 'policy'>): boolean {
  if (meaning.cause === 'footage') return policy?.missingFootage !== 'ignore';
  if (meaning.cause === 'font') return policy?.missingFonts !== 'substitute';
  return true;
}

function named(evidence: RenderEvidence, meaning: Meaning): FlatrenderError {
  const { code, message, hint, retryable, details } = causeError(meaning, evidence);
  return fail(evidence, code, message, { hint, retryable, details });
}

function seconds(ms: number): string {
  return `${ms < 10_000 ? Math.round(ms / 100) / 10 : Math.round(ms / 1000)} s`;
}

/**
 * Warnings of a render that put something else into the picture: "logged one error  error: …" (nexrender issue 206),
 * "Skipping the text layer". In other languages the words of footage and fonts stand for them.
 */
const WRONG_PICTURE = /logged .{1,20} errors?\b|unable to render|skipping the/i;

/** These end a render and are `failureOf`'s; beside a whole picture they are words about something else. */
const NOT_IN_PICTURE: readonly Cause[] = [
  'license',
  'other-instance',
  'composition',
  'output-module',
  'render-settings',
  'project-newer',
  'project',
  'script',
  'connection',
];

/**
 * The error of a render whose frames may all be there, but whose lines say that something was left out of them; null:
 * none. Footage and fonts that the template lets pass are no trouble; nor is what only ends a render, as a connection
 * that is lost after the last frame or "Runtime error in After Effects." without more.
 */
export function troubleIn(events: readonly AerenderEvent[], policy: TroublePolicy): FlatrenderError | null {
  const errors = events.filter((event) => event.type === 'error');
  const warnings = events.flatMap((event) =>
    event.type === 'warning' && isOfAfterEffects(event.text) ? [event.text] : [],
  );
  const minded = (line: string): boolean => {
    const cause = meaningsOf([line])[0]?.cause;
    if (cause === undefined) return !UNEXPLAINED.test(line);
    if (cause === 'footage') return policy.missingFootage === 'refuse';
    if (cause === 'font') return policy.missingFonts === 'refuse';
    return !NOT_IN_PICTURE.includes(cause);
  };
  const serious = errors.filter(({ text }) => minded(text));
  const doubtful = warnings.filter((text) => {
    const cause = meaningsOf([text])[0]?.cause;
    return minded(text) && ((cause && MISSING.includes(cause)) || WRONG_PICTURE.test(text));
  });
  const said = [...serious, ...doubtful.map((text) => ({ text, code: null }))];
  if (said.length === 0) return null;
  const error = failureOf({ ...NOTHING, errors: said, lastLines: said.map(({ text }) => text), policy });
  if (error.code !== 'AE_RENDER_FAILED' || meaningsOf(said.map(({ text }) => text)).length > 0) return error;
  return new FlatrenderError('AE_RENDER_FAILED', `After Effects left something out: ${said[0]?.text}`, {
    hint: 'see the whole log: flatrender job logs <job>',
    details: error.details,
  });
}

const NOTHING: RenderEvidence = {
  stage: 'collect',
  phase: null,
  exitCode: 0,
  signal: null,
  expired: null,
  lastLines: [],
  errors: [],
  warnings: [],
  dialog: null,
  framesExpected: null,
  framesFound: null,
  composition: null,
  outputModule: null,
};
