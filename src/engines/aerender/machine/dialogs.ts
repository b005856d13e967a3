/** Windows that wait for somebody, recognised by their titles: nobody is there to click. */
import type { ErrorCode } from '../../../lib/errors.ts';
import { windowTitles } from './processes.ts';

export type DialogKind =
  | 'crash-repair'
  | 'missing-font'
  | 'conversion'
  | 'licence'
  | 'other-instance'
  | 'script-alert';

/** A window that blocks After Effects, as a failure. */
export interface Dialog {
  readonly kind: DialogKind;
  readonly code: ErrorCode;
  readonly message: string;
  readonly hint: string;
}

interface KnownDialog extends Omit<Dialog, 'message'> {
  readonly titles: RegExp;
  readonly what: string;
}

/**
 * What is known of titles, in the order in which they are tried. "Crash Repair Options" (English, AE 2020 and later), "Resolve
 * Fonts" (AE 2019 and later), "Convert Project" and "Script Alert" (ExtendScript's `alert()`) are what users' pictures and
 * Adobe's pages show; the German and Spanish ones are translations, and none was compared with a real window. Titles are those
 * of main windows: a box without a title, or one whose title is only "Adobe After Effects", is not recognised.
 */
const KNOWN: readonly KnownDialog[] = [
  {
    kind: 'licence',
    titles:
      /licen[cs]|lizenz|licencia|sign[ -]?in|sign in required|anmelden|anmeldung|iniciar sesi[oó]n|trial|testversion|versi[oó]n de prueba|activation|aktivierung|activaci[oó]n|genuine service|subscription|abonnement|suscripci[oó]n/iu,
    what: 'After Effects asks for a licence or a sign-in',
    code: 'AE_LICENSE',
    hint: 'sign in as the user of the agent, start After Effects once by hand, or use a render-only licence',
  },
  {
    kind: 'crash-repair',
    titles:
      /crash repair|repair options|crash report|crash process|has stopped working|stopped responding|quit unexpectedly|safe mode|absturz|funktioniert nicht mehr|reparaturoptionen|abgesicherter modus|fallo|bloqueo inesperado|opciones de reparaci[oó]n|dej[oó] de funcionar|modo seguro/iu,
    what: 'After Effects crashed and asks what to do about it',
    code: 'AE_CRASHED',
    hint: 'start After Effects once by hand as the user of the agent and answer the window; if it comes again, a plug-in or the preferences are damaged',
  },
  {
    kind: 'missing-font',
    titles:
      /resolve fonts|missing fonts?|font substitution|schrift(?:art)?en (?:aufl[oö]sen|fehlen)|fehlende schrift|fuentes? (?:que faltan|ausentes?)|resolver fuentes|sustituci[oó]n de fuentes/iu,
    what: 'After Effects asks what to use for fonts that it lacks',
    code: 'AE_MISSING_FONT',
    hint: 'bundle the fonts (engines.aerender.fonts), or install them on the node',
  },
  {
    kind: 'conversion',
    titles:
      /convert(?:ing)? project|project (?:must be|will be) converted|project conversion|projekt (?:konvertieren|umwandeln)|projektkonvertierung|convertir (?:el )?proyecto|conversi[oó]n del proyecto/iu,
    what: 'After Effects asks whether to convert a project of an older version',
    code: 'AE_DIALOG',
    hint: 'save the project with the version of After Effects that the nodes have, and push the template again',
  },
  {
    kind: 'other-instance',
    titles:
      /already running|another instance|l[aä]uft bereits|andere instanz|weitere instanz|ya se est[aá] ejecutando|otra instancia/iu,
    what: 'another After Effects is running',
    code: 'AE_OTHER_INSTANCE',
    hint: 'close After Effects on the node, or let the agent do so (AE_KILL_STALE=all)',
  },
  {
    kind: 'script-alert',
    titles:
      /script alert|after effects (?:error|warning|alert)|skript(?:hinweis|warnung|-warnung|fehler)|alerta (?:de(?:l)? )?script|aviso de script|(?:fehler|warnung|error|advertencia) (?:in|von|de|en) after effects/iu,
    what: 'a message of a script or of After Effects waits to be answered',
    code: 'AE_DIALOG',
    hint: 'open the project by hand on the node and see what it says; scripts of a template must not call alert(), confirm() or prompt()',
  },
];

/** Main windows of an After Effects that works: with its project's name, or while it starts. */
const ORDINARY =
  /^(?:adobe )?after effects(?: (?:cc )?\d{4})?(?: \(beta\))?(?: [-–—] .*)?$|^aerender|^OleMainThread/iu;

/** The first of the titles that is known to block, as a failure; null: none. */
export function dialogOf(titles: readonly string[]): Dialog | null {
  for (const title of titles) {
    // "Adobe After Effects 2024 - C:\\…\\Licence plate.aep": names of projects say nothing.
    if (ORDINARY.test(title)) continue;
    const known = KNOWN.find((dialog) => dialog.titles.test(title));
    if (!known) continue;
    const { kind, code, what, hint } = known;
    return { kind, code, message: `${what}: the window "${title.slice(0, 200)}"`, hint };
  }
  return null;
}

/** Looks for a window that blocks these processes; Windows only, unless somebody else gives the titles. */
export async function findDialog(
  pids: readonly number[],
  signal: AbortSignal,
  options: { readonly windowTitles?: (pids: readonly number[]) => Promise<readonly string[]> } = {},
): Promise<Dialog | null> {
  signal.throwIfAborted();
  return dialogOf(await (options.windowTitles?.(pids) ?? windowTitles(pids, signal)));
}
