/** What is left of a run of After Effects, and what single lines of it mean. */
import type { ErrorCode } from '../../../lib/errors.ts';
import type { AerenderErrorLine } from './output.ts';
import type { Expiry, WatchPhase } from './watchdog.ts';

/** Everything known about an attempt that did not work. */
export interface RenderEvidence {
  /** launch: no script ran yet; bind: it ran; render: aerender; collect: aerender is done, its files are looked at. */
  readonly stage: 'launch' | 'bind' | 'render' | 'collect';
  readonly phase: WatchPhase | null;
  /** null: killed, or it runs still. */
  readonly exitCode: number | null;
  readonly signal: string | null;
  /** What the watchdog said. */
  readonly expired: Expiry | null;
  /** The newest last. */
  readonly lastLines: readonly string[];
  readonly errors: readonly Pick<AerenderErrorLine, 'text' | 'code'>[];
  readonly warnings: readonly string[];
  /** A window that waited for somebody. */
  readonly dialog: DialogEvidence | null;
  readonly framesExpected: number | null;
  /** Frames that are there and whole. */
  readonly framesFound: number | null;
  readonly composition: string | null;
  readonly outputModule: string | null;
  readonly renderSettings?: string | null | undefined;
  /** What the template lets pass; default: nothing. */
  readonly policy?: TroublePolicy | undefined;
}

export interface DialogEvidence {
  readonly kind: string;
  readonly code: ErrorCode;
  readonly message: string;
  readonly hint?: string | undefined;
}

/** As in the manifest. */
export interface TroublePolicy {
  readonly missingFonts: 'refuse' | 'substitute';
  readonly missingFootage: 'refuse' | 'ignore';
}

/** What a line says is wrong, in the order in which causes are believed when several are named. */
const CAUSES = [
  'license',
  'other-instance',
  'composition',
  'output-module',
  'render-settings',
  'project-newer',
  'project',
  'script',
  'disk',
  'memory',
  'footage',
  'font',
  'effect',
  'connection',
] as const;
export type Cause = (typeof CAUSES)[number];

/** One cause with the line that says so. */
export interface Meaning {
  readonly cause: Cause;
  readonly text: string;
  /** Files or fonts, as printed; empty when the line does not say which. */
  readonly names: readonly string[];
}

/**
 * Words by cause. aerender's own messages are English everywhere: commandLineRenderer.jsx holds them as literals. Those
 * of After Effects are translated; apart from English these are what its user interface says for the same thing, and
 * nobody compared them with a log.
 */
const WORDS: Readonly<Record<Cause, RegExp>> = {
  license:
    /licen[cs]|lizen[zs]|licen[cz]i|licença|лиценз|ライセンス|许可|授权|라이선스|trial.{0,20}(?:expired|ended|over)|subscription|testversion|testzeitraum|abonnement|suscripci|assinatura|abbonamento|abgelaufen|sign in\b|activation/iu,
  'other-instance':
    /another (?:instance|script)|(?:andere|weitere) instanz|otra instancia|autre instance|altra istanza|outra instância|can ?not render for aerender/iu,
  composition: /no comp(?:osition)? was found|no render queue item was found/iu,
  'output-module': /no output module template/iu,
  'render-settings': /no render settings template/iu,
  'project-newer':
    /newer version|neueren? version|versión más reciente|version plus récente|versione più recente|versão mais recente/iu,
  project:
    /no project provided|file is damaged|unable to open project|project (?:file )?(?:is|appears to be) (?:damaged|corrupt)|datei ist beschädigt|archivo está dañado|fichier est endommagé/iu,
  script:
    /(?:error )?executing script|(?:can ?not|unable to) (?:open|execute) (?:the )?script|skript.{0,40}(?:ausgeführt|zeile)|script.{0,40}(?:línea|ligne|riga)|\.jsx(?:inc|bin)?\b/iu,
  disk: /disk (?:is |may be )?full|not enough (?:disk )?space|no space left|insufficient disk|(?:festplatte|datenträger) (?:ist )?voll|disco (?:está )?lleno|disque (?:est )?plein/iu,
  memory:
    /out of memory|not enough memory|unable to allocate|nicht genügend (?:arbeits)?speicher|memoria insuficiente|mémoire insuffisante/iu,
  footage:
    /file not found|footage.{0,40}missing|missing.{0,20}footage|files? (?:is|are) missing|datei (?:wurde )?nicht gefunden|footage.{0,30}(?:fehl|nicht)|fehlende(?:s|n)? footage|archivo no encontrado|no se (?:encontró|encuentra) el archivo|fichier introuvable|file non trovato|arquivo não encontrado|ファイルが見つかりません|找不到文件|파일을 찾을 수 없/iu,
  font: /font family|missing fonts?|fonts? (?:is|are) missing|schrift(?:art|familie)|fehlende schrift|fuentes? (?:que )?falta|polices? manquante|font mancant|fontes? ausente|フォントが|缺少字体|누락된 글꼴/iu,
  effect:
    /missing effects?|effects? (?:is|are) missing|missing plug-?ins?|fehlende effekte|efectos? (?:que )?falta|effets? manquant/iu,
  connection:
    /forcibly closed|unable to (?:receive|send)|can not open socket|hôte distant|remotehost|host remoto|\bat line \d+$|AEGetParamPt/iu,
};

/** Where a line of these begins, nothing is wrong. */
const HARMLESS = /^\s*(?:PROGRESS|INFO)\s*:|^aerender version|^Running Script:/i;

/** What a line says is wrong; null: nothing known. */
export function meaningOf(text: string): Meaning | null {
  const line = text.slice(0, 4000);
  const words = withoutPaths(line);
  const fonts = fontsIn(line);
  if (fonts.length > 0) return { cause: 'font', text: line, names: fonts };
  for (const cause of CAUSES) {
    // A script is named by its path; everything else must not be read out of names of files.
    if (!WORDS[cause].test(cause === 'script' ? line : words)) continue;
    return { cause, text: line, names: cause === 'footage' ? pathsIn(line) : [] };
  }
  return null;
}

/** Meanings of all lines, one per cause with all its names, the most believed first. */
export function meaningsOf(lines: readonly string[]): Meaning[] {
  const found = new Map<Cause, { text: string; names: Set<string> }>();
  for (const line of lines) {
    if (HARMLESS.test(line)) continue;
    const meaning = meaningOf(line);
    if (!meaning) continue;
    const known = found.get(meaning.cause) ?? { text: meaning.text, names: new Set<string>() };
    for (const name of meaning.names) if (known.names.size < 50) known.names.add(name);
    found.set(meaning.cause, known);
  }
  return CAUSES.flatMap((cause) => {
    const known = found.get(cause);
    return known ? [{ cause, text: known.text, names: [...known.names] }] : [];
  });
}

const PATH_START = String.raw`(?:[A-Za-z]:[\\/]|\\\\[^\\\s]|/(?=[^/\s]+/))`;
const PATH = new RegExp(
  String.raw`(?<=^|[\s"'“„«(])${PATH_START}[^"“”»<>|\r\n]*?(?=["“”»<>|\r\n]|[,;]\s+${PATH_START}|\s+${PATH_START}|$)`,
  'gu',
);

/** Absolute paths in a line, Windows' and others'. */
export function pathsIn(text: string): string[] {
  const paths = [...text.slice(0, 4000).matchAll(PATH)].map(([path]) => path.trim().replace(/[.,;)]+$/, ''));
  if (paths.length > 0) return paths;
  // "… File Not Found logo.png", or a name in quotes.
  const name =
    /["“„«']([^"“”»']{1,255}\.\w{2,5})["“”»']|(?:[:：]|not found)\s*([^:：\\/"]{1,255}\.\w{2,5})\s*$/iu.exec(
      text.slice(0, 4000),
    );
  return name ? [(name[1] ?? name[2] ?? '').trim()].filter((found) => found !== '') : [];
}

function withoutPaths(text: string): string {
  return text.replace(PATH, ' ');
}

/**
 * "Grouped_Message_{some layers have missing dependencies…}Text Layer: Font family: Bebas, Font style: Regular" (nexrender
 * issue 148) → "Bebas Regular"; in other languages by the shape behind the brace.
 */
function fontsIn(text: string): string[] {
  const english = /font family\s*:\s*([^,]{1,200}?)\s*,\s*font style\s*:\s*([^,}]{1,100}?)\s*$/iu.exec(text);
  const shape =
    /^.*Grouped_Message_.*\}[^:：]{1,200}[:：][^:：]{1,60}[:：]\s*([^,，、:：]{1,200}?)\s*[,，、][^:：]{1,60}[:：]\s*([^,:：]{1,100}?)\s*$/su.exec(
      text,
    );
  const [, family, style] = english ?? shape ?? [];
  return family === undefined || style === undefined ? [] : [`${family.trim()} ${style.trim()}`];
}

/** File and line of a script error, where its text has them. */
export function scriptPlace(lines: readonly string[]): {
  readonly file: string | null;
  readonly line: number | null;
} {
  const text = lines.join('\n').slice(0, 8000);
  const file = pathsIn(text.replaceAll('\n', '" "')).find((path) => /\.jsx(?:inc|bin)?$/i.test(path));
  const bare = /([^\\/:"'\s]{1,120}\.jsx(?:inc|bin)?)\b/iu.exec(text)?.[1];
  const line = /(?:\bline|zeile|línea|ligne|riga|linha|строк[аеи]|行|줄)\s*[:#]?\s*(\d{1,7})/iu.exec(
    text,
  )?.[1];
  return { file: file ?? bare ?? null, line: line === undefined ? null : Number(line) };
}
