/** What aerender prints, line by line, as events; in whatever language After Effects speaks. */
import {
  cleanLine,
  datedComposition,
  frameLine,
  framesOf,
  type HeaderValue,
  labelled,
} from './output-lines.ts';

/** What one line says. Texts are as printed, of bounded length. */
export type AerenderEvent =
  | { readonly type: 'version'; readonly version: string }
  | { readonly type: 'launching' | 'launched' | 'total-time' }
  | { readonly type: 'starting' | 'finished'; readonly composition: string }
  | AerenderHeader
  | AerenderFrame
  | AerenderErrorLine
  | { readonly type: 'warning'; readonly text: string }
  /** `convertedFrom`: the version of an older project that After Effects converts. */
  | { readonly type: 'info'; readonly text: string; readonly convertedFrom: string | null };

/** A line of the block that comes before the frames. */
export type AerenderHeader = { readonly type: 'header' } & (
  | {
      readonly field: 'start' | 'end' | 'duration';
      readonly timecode: string;
      readonly frames: number | null;
    }
  | { readonly field: 'frame-rate'; readonly fps: number }
  | { readonly field: 'size'; readonly width: number; readonly height: number }
  | { readonly field: 'output'; readonly path: string }
  | { readonly field: 'format'; readonly format: string }
);

/** A frame that is done. */
export interface AerenderFrame {
  readonly type: 'frame';
  /** As shown by After Effects: timecode, frames, or feet and frames. */
  readonly timecode: string;
  /** "(N)": counts from 1 at the first frame of this run. */
  readonly number: number;
  /** Frames since the first of this run, from 0: by timecode where it can be read, else by number. */
  readonly index: number;
}

export interface AerenderErrorLine {
  readonly type: 'error';
  /** Without "aerender ERROR". */
  readonly text: string;
  /** Of the operating system, as in "aerender ERROR -1701: …". */
  readonly code: number | null;
}

const VERSION = /^aerender\s+version\s+(\d[\w.]*)/i;
/** What severities are called (commandLineRenderer.jsx: my_onError), and what they might be called elsewhere. */
const WARNING = /^(?:warning|warnung|advertencia|avertissement|avviso|aviso|警告|경고)\s*[:：]\s*(.*)$/isu;
const INFO = /^(?:info|information|informaci[oó]n|naked|debug)\s*[:：]\s*(.*)$/isu;
/** What After Effects says without aerender's words around it (logs of render farms). */
const BARE =
  /^after effects[\s-]*(?:error|fehler|erreur|errore|erro)\s*[:：].*$|^[^:：]{10,400}\(\s*-?\d{1,10}\s*::\s*-?\d{1,10}\s*\)$/isu;
/**
 * A thrown exception is printed as "aerender " and its text, whatever the language (commandLineRenderer.jsx: my_Render).
 * "ERROR:" alone is never its own; drivers and plug-ins print that.
 */
const AERENDER = /^aerender\s+(.*)$/isu;
const ERROR_WORDS =
  /^(?:(?:syntax\s+)?(?:error|fehler|erreur|errore|erro|usage)\b)?\s*(-?\d{1,10})?\s*[:：]?\s*(.*)$/isu;
const FINISHED =
  /finish|beend|fertig|abgeschlossen|finaliz|termin|complet|finito|conclu|завер|終了|完了|完成|완료/iu;
const STARTING = /start|begin|beginn|gestartet|inici|comenz|début|démarr|avvi|inizi|начал|開始|开始|시작/iu;
const LABELS = {
  start: /^(?:start|anfang|inicio|début|inizio|início)$/iu,
  end: /^(?:end|ende|fin|fine|fim)$/iu,
  duration: /^(?:duration|dauer|duración|durée|durata|duração)$/iu,
} as const;
/** Longest text of an event. */
const LONGEST_TEXT = 2000;

interface HeaderState {
  start: string | null;
  times: number;
  hasOutput: boolean;
  hasFormat: boolean;
}

/**
 * Reads one run of aerender. Order is not relied on where it varies: the version may come first or last. Lines that
 * say nothing known are null; none throws.
 */
export class AerenderOutput {
  #fps: number | null;
  #header: HeaderState = { start: null, times: 0, hasOutput: false, hasFormat: false };
  /** Whether a composition is being rendered. */
  #rendering = false;
  #finished = false;
  #launched = false;

  /** @param options.fps rate of the composition, for the case that its line is lost; what is printed wins */
  constructor(options: { readonly fps?: number | undefined } = {}) {
    this.#fps = options.fps ?? null;
  }

  push(line: string): AerenderEvent | null {
    const text = cleanLine(line);
    if (text.trim() === '') return null;
    return this.#frame(text) ?? this.#severity(text.trim()) ?? this.#progress(text.trim());
  }

  #frame(text: string): AerenderEvent | null {
    const found = frameLine(text);
    if (!found) return null;
    this.#rendering = true;
    const { time, number } = found;
    return { type: 'frame', timecode: time, number, index: this.#indexOf(time) ?? number - 1 };
  }

  #indexOf(time: string): number | null {
    const { start } = this.#header;
    if (start === null) return null;
    const [first, here] = [framesOf(start, this.#fps), framesOf(time, this.#fps)];
    return first === null || here === null || here < first ? null : here - first;
  }

  #severity(text: string): AerenderEvent | null {
    const version = VERSION.exec(text)?.[1];
    if (version !== undefined) return { type: 'version', version: version.slice(0, 40) };
    const warning = WARNING.exec(text)?.[1];
    if (warning !== undefined) return { type: 'warning', text: short(warning) };
    const info = INFO.exec(text)?.[1];
    if (info !== undefined) return { type: 'info', text: short(info), convertedFrom: conversion(info) };
    const severe = AERENDER.exec(text)?.[1] ?? BARE.exec(text)?.[0];
    if (severe === undefined) return null;
    const [, code, rest] = ERROR_WORDS.exec(severe) ?? [];
    return { type: 'error', text: short(rest || severe), code: code === undefined ? null : Number(code) };
  }

  #progress(text: string): AerenderEvent | null {
    const found = /^\p{L}{2,24}\s?[:：](\s*)(\S.*)$/su.exec(text);
    const [, gap, rest] = found ?? [];
    if (gap === undefined || rest === undefined) return null;
    const composition = datedComposition(rest);
    if (composition) return this.#composition(composition.name, composition.words);
    if (!this.#rendering && !this.#launched) {
      if (/^(?:\.{3}|…)/.test(rest)) {
        this.#launched = true;
        return { type: 'launched' };
      }
      if (/(?:\.{3}|…)$/.test(rest)) return { type: 'launching' };
    }
    const line = labelled(rest);
    return line ? this.#labelled(line.label, line.value) : null;
  }

  /** The two dated lines look alike: where the words do not tell, the first opens and the next closes. */
  #composition(composition: string, words: string): AerenderEvent {
    const opens = STARTING.test(words) || (!FINISHED.test(words) && !this.#rendering);
    this.#rendering = opens;
    this.#finished = !opens;
    if (opens) this.#header = { start: null, times: 0, hasOutput: false, hasFormat: false };
    return { type: opens ? 'starting' : 'finished', composition: short(composition) };
  }

  #labelled(label: string, value: HeaderValue): AerenderEvent | null {
    if (this.#finished || /^total|gesamt/iu.test(label)) return { type: 'total-time' };
    if (value.kind === 'time') return this.#time(label, value.time);
    if (value.kind === 'rate') {
      this.#fps = value.fps;
      return { type: 'header', field: 'frame-rate', fps: value.fps };
    }
    if (value.kind === 'size')
      return { type: 'header', field: 'size', width: value.width, height: value.height };
    if (value.kind === 'path') {
      if (this.#header.hasOutput) return null;
      this.#header.hasOutput = true;
      return { type: 'header', field: 'output', path: short(value.path) };
    }
    // "Format: QuickTime" is the line after "Output To: …" in every log seen.
    if (!this.#header.hasOutput || this.#header.hasFormat) return null;
    this.#header.hasFormat = true;
    return { type: 'header', field: 'format', format: short(value.text) };
  }

  /** Start, end and duration, by their words or in this order. */
  #time(label: string, time: string): AerenderEvent | null {
    const order = ['start', 'end', 'duration'] as const;
    const field = order.find((name) => LABELS[name].test(label)) ?? order[this.#header.times];
    this.#header.times += 1;
    if (field === undefined) return null;
    if (field === 'start') this.#header.start = time;
    return { type: 'header', field, timecode: time, frames: framesOf(time, this.#fps) };
  }
}

/** "…must be converted from version 23.1 (Macintosh 64)…": version and system are not translated. */
function conversion(info: string): string | null {
  return /(\d{1,3}\.\d[\w.]{0,20})\s*[(（][^)）]{0,20}(?:mac|win)/iu.exec(info)?.[1] ?? null;
}

function short(text: string): string {
  return text.trim().slice(0, LONGEST_TEXT);
}
