/**
 * The shapes of aerender's lines, told apart by digits and punctuation, not by words: After Effects prints them in its
 * own language ("Dauer", "Anfang", "segundos"; logs in nexrender issues 619, 897). Words only break ties.
 */

/** Longest piece of a line that is looked at; paths of Windows end at 32,767, what matters comes first. */
const LONGEST = 4096;
/** Days would have 6 digits of hours; more is garbage. */
const CLOCK = String.raw`-?\d{1,4}[:;.]\d{2}[:;.]\d{2}[:;.]\d{2,3}`;
/** Time as After Effects shows it: timecode, frames, or feet and frames (Project Settings > Time Display Style). */
const TIME = String.raw`${CLOCK}|-?\d{1,8}|-?\d{1,6}\+\d{1,2}`;

const FRAME = new RegExp(
  // (12), (12U) and (12L) for the fields of interlaced renders (nexrender issue 897), (1.234) with grouping.
  String.raw`^(?:[^\s:：]{0,24}[:：])?\s*(${TIME})\s*[(（]\s*(\d[\d.,'’ \u00a0\u202f]{0,14})[UL]?\s*[)）]`,
);
// "0:00:02:00 (49)": a length may be told twice.
const LONE_TIME = new RegExp(String.raw`^(?:(${CLOCK})\s*[(（][^)）]*[)）]|(${TIME}))$`);
const RATE = /^(\d{1,4}(?:[.,]\d{1,6})?)\s*(?:fps)?\s*(?:[(（][^)）]*[)）])?$/i;
const SIZE = /^(\d{1,5})\s*[x×*]\s*(\d{1,5})$/i;
const PATH = /^(?:"?[A-Za-z]:[\\/]|\\\\|\/|~\/|file:)/;
/** "7/23/20 2:40:31 PM GMT+5:30: Starting composition "main"." */
const DATED = /\d{1,2}[:.]\d{2}[:.]\d{2}(?![:;.]\d)/;
const QUOTED = /["“”„«「『‹](.*)["“”»」』›]/s;

/** A line without marks of its transport: byte order mark, line ends, control characters; of bounded length. */
export function cleanLine(line: string): string {
  return line
    .slice(0, LONGEST)
    .replace(/^(?:\uFEFF|ï»¿)/, '')
    .replace(/[\u0000-\u0008\u000b\u000c\u000e-\u001f\u007f]/g, '')
    .replace(/[\r\n]+$/, '');
}

/** The same text with the digits of any script as 0 to 9. */
export function plainDigits(text: string): string {
  return text.replace(/\p{Nd}/gu, (digit) => {
    const code = digit.codePointAt(0) ?? 0;
    if (code < 0x80) return digit;
    let value = 0;
    // Digits of a script are ten in a row (Unicode, property Nd).
    while (value < 9 && /\p{Nd}/u.test(String.fromCodePoint(code - value - 1))) value++;
    return String(value);
  });
}

/** "PROGRESS:  0:00:00:01 (2): 1 Seconds"; also its tail, when the beginning was lost. */
export function frameLine(line: string): { readonly time: string; readonly number: number } | null {
  const found = FRAME.exec(plainDigits(line.slice(0, 160)));
  const [, time, digits] = found ?? [];
  if (time === undefined || digits === undefined) return null;
  // "12 (3)" without a word before it may be anything.
  if (/^-?\d+$/.test(time) && !/^\p{L}{2,24}[:：]\s/u.test(line)) return null;
  const number = Number(digits.replace(/\D/g, ''));
  return number > 0 && number <= 1e9 ? { time, number } : null;
}

/** What stands behind the label of a "Label: value" line of the header. */
export type HeaderValue =
  | { readonly kind: 'time'; readonly time: string }
  | { readonly kind: 'rate'; readonly fps: number }
  | { readonly kind: 'size'; readonly width: number; readonly height: number }
  | { readonly kind: 'path'; readonly path: string }
  | { readonly kind: 'text'; readonly text: string };

/** A "Label: value" line, by the shape of its value. */
export function labelled(rest: string): { readonly label: string; readonly value: HeaderValue } | null {
  const found = /^([^:：]{1,60})[:：]\s*(\S.*)$/su.exec(rest);
  const [, label, raw] = found ?? [];
  if (label === undefined || raw === undefined || !/\p{L}/u.test(label)) return null;
  return { label: label.trim(), value: shapeOf(raw.trim()) };
}

function shapeOf(raw: string): HeaderValue {
  if (PATH.test(raw)) return { kind: 'path', path: raw.replace(/^"(.*)"$/, '$1') };
  const plain = plainDigits(raw.slice(0, 120));
  const lone = LONE_TIME.exec(plain);
  if (lone) return { kind: 'time', time: lone[1] ?? lone[2] ?? plain };
  const [, fps] = RATE.exec(plain) ?? [];
  if (fps !== undefined && Number(fps.replace(',', '.')) > 0)
    return { kind: 'rate', fps: exactRate(Number(fps.replace(',', '.'))) };
  const [, width, height] = SIZE.exec(plain) ?? [];
  if (width !== undefined && height !== undefined)
    return { kind: 'size', width: Number(width), height: Number(height) };
  return { kind: 'text', text: raw };
}

/** The header shows two digits: 29.97 and 23.98 mean n·1000/1001. */
function exactRate(fps: number): number {
  const whole = Math.ceil(fps - 1e-9);
  const ntsc = (whole * 1000) / 1001;
  return Math.abs(fps - ntsc) < 0.0051 && fps !== whole ? ntsc : fps;
}

/** The name of a dated line about a composition: `<date>: Starting composition "main".` */
export function datedComposition(rest: string): { readonly name: string; readonly words: string } | null {
  const quoted = QUOTED.exec(rest);
  const [whole, name] = quoted ?? [];
  if (quoted === null || whole === undefined || name === undefined) return null;
  const before = rest.slice(0, quoted.index);
  if (!DATED.test(plainDigits(before.slice(0, 160)))) return null;
  return { name, words: `${before} ${rest.slice(quoted.index + whole.length)}` };
}

/**
 * Frames from zero to a time; null for one that does not say (feet and frames depend on the film).
 * @param fps of the composition; null: unknown, so that only frame counts can be read.
 */
export function framesOf(time: string, fps: number | null): number | null {
  if (/^-?\d+$/.test(time)) return Number(time);
  const found = /^(-?)(\d+)[:;.](\d{2})([:;.])(\d{2})([:;.])(\d{2,3})$/.exec(time);
  if (!found || fps === null) return null;
  const base = timecodeBase(fps);
  if (base === null) return null;
  const [, sign, h, m, firstMark, s, lastMark, f] = found;
  const minutes = Number(h) * 60 + Number(m);
  const drops = firstMark === ';' || lastMark === ';';
  // SMPTE ST 12-1: two numbers of 30 (four of 60) are left out each minute but every tenth.
  const dropped = drops ? Math.round(base / 15) * (minutes - Math.floor(minutes / 10)) : 0;
  const frames = (minutes * 60 + Number(s)) * base + Number(f) - dropped;
  return sign === '-' ? -frames : frames;
}

/** Frames that timecode counts to the second; null for rates such as 12.5, where nobody says what it counts to. */
function timecodeBase(fps: number): number | null {
  const base = Math.round(fps);
  if (base < 1 || Math.abs(fps - base) / base > 0.0025) return null;
  return base;
}
