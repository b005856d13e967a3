/** `TextDocument`: a copy of a layer's text; what is set takes effect when the property is given it. */
import { textDocument } from '../default-properties.ts';
import type { SimText } from '../sim-project.ts';
import { aeError, badValue, numberFor } from './ae-error.ts';
import { ENUMS } from './enums.ts';
import { fontParts } from './fonts.ts';

const JUSTIFY = ENUMS.ParagraphJustification;

const JUSTIFICATIONS = {
  left: JUSTIFY.LEFT_JUSTIFY,
  center: JUSTIFY.CENTER_JUSTIFY,
  right: JUSTIFY.RIGHT_JUSTIFY,
  justify: JUSTIFY.FULL_JUSTIFY_LASTLINE_LEFT,
} as const;

export class TextDocument {
  readonly _text: SimText;

  constructor(text: SimText) {
    this._text = structuredClone(text);
  }

  /** `new TextDocument("text")`. */
  static _of(text: unknown): TextDocument {
    return new TextDocument(textDocument({ text: lines(String(text ?? '')) }));
  }

  get text(): string {
    return this._text.text;
  }
  set text(value: unknown) {
    this._text.text = lines(String(value));
    delete this._text.mixed;
    delete this._text.moreFonts;
  }
  /** Of After Effects 24.3: what the characters do not have alike is undefined. */
  characterRange(start: unknown, end: unknown): { font?: string; fontSize?: number; fillColor?: number[] } {
    const { text, mixed = [], moreFonts = [], font, fontSize, fillColor } = this._text;
    const from = numberFor('characterRange', start, 0, text.length);
    const to = end === -1 ? text.length : numberFor('characterRange', end, from, text.length);
    const fontAt = (at: number) => moreFonts.findLast((run) => run.from <= at)?.font ?? font;
    const fonts = new Set([
      fontAt(from),
      ...moreFonts.filter((run) => run.from < to).map((run) => fontAt(Math.max(from, run.from))),
    ]);
    return {
      ...(fonts.size === 1 ? { font: fontAt(from) } : {}),
      ...(mixed.includes('fontSize') ? {} : { fontSize }),
      ...(mixed.includes('fillColor') ? {} : { fillColor }),
    };
  }
  get font(): string {
    return this._text.font;
  }
  set font(name: unknown) {
    if (typeof name !== 'string' || name === '') throw badValue('font', 'Value is not a font name.');
    Object.assign(this._text, { font: name, ...fontParts(name) });
    delete this._text.moreFonts;
  }
  get fontFamily(): string {
    return this._text.fontFamily;
  }
  get fontStyle(): string {
    return this._text.fontStyle;
  }
  get fontLocation(): string {
    return '';
  }
  get fontSize(): number {
    return this._text.fontSize;
  }
  set fontSize(value: unknown) {
    // Range as the scripting guide has it (TextDocument.fontSize).
    this._text.fontSize = numberFor('fontSize', value, 0.1, 1296);
  }
  get fillColor(): number[] {
    if (!this._text.applyFill) throw aeError('Unable to get “fillColor”. The text has no fill.');
    return this._text.fillColor;
  }
  set fillColor(value: unknown) {
    this._text.fillColor = color('fillColor', value);
  }
  get applyFill(): boolean {
    return this._text.applyFill;
  }
  set applyFill(value: unknown) {
    this._text.applyFill = Boolean(value);
  }
  get strokeColor(): number[] {
    return this._text.strokeColor;
  }
  set strokeColor(value: unknown) {
    this._text.strokeColor = color('strokeColor', value);
  }
  get applyStroke(): boolean {
    return this._text.applyStroke;
  }
  set applyStroke(value: unknown) {
    this._text.applyStroke = Boolean(value);
  }
  get strokeWidth(): number {
    return this._text.strokeWidth;
  }
  set strokeWidth(value: unknown) {
    this._text.strokeWidth = numberFor('strokeWidth', value, 0, 1000);
  }
  get strokeOverFill(): boolean {
    return true;
  }
  set strokeOverFill(_value: unknown) {}
  get justification(): number {
    return JUSTIFICATIONS[this._text.justification];
  }
  set justification(value: unknown) {
    const name = Object.entries(JUSTIFICATIONS).find(([, number]) => number === value)?.[0];
    const isOtherJustify =
      typeof value === 'number' && value > JUSTIFY.FULL_JUSTIFY_LASTLINE_LEFT && value <= 7419;
    if (name === undefined && !isOtherJustify)
      throw badValue('justification', `Value ${String(value)} is unknown.`);
    this._text.justification = (name ?? 'justify') as SimText['justification'];
  }
  /** 0 where it is automatic; less than 0.01 cannot be set (After Effects Scripting Guide, TextDocument.leading). */
  get leading(): number {
    return Math.max(0, this._text.leading);
  }
  set leading(value: unknown) {
    this._text.leading = Math.max(0.01, numberFor('leading', value, 0));
  }
  get autoLeading(): boolean {
    return this._text.leading <= 0;
  }
  set autoLeading(value: unknown) {
    this._text.leading = value ? 0 : this.leading || this._text.fontSize * 1.2;
  }
  get tracking(): number {
    return this._text.tracking;
  }
  set tracking(value: unknown) {
    this._text.tracking = numberFor('tracking', value);
  }
  get boxText(): boolean {
    return this._text.box !== null;
  }
  get pointText(): boolean {
    return this._text.box === null;
  }
  get boxTextSize(): number[] {
    return this.#box().size;
  }
  set boxTextSize(value: unknown) {
    const [width, height] = pair('boxTextSize', value);
    // "Array of two integers (minimum value of 1)": whether it refuses others or rounds them is not verified.
    if (![width, height].every((side) => Number.isInteger(side) && side >= 1))
      throw badValue('boxTextSize', 'Value out of range.');
    this.#box().size = [width, height];
  }
  get boxTextPos(): number[] {
    return this.#box().pos;
  }
  set boxTextPos(value: unknown) {
    this.#box().pos = pair('boxTextPos', value);
  }

  /** To the default character style of After Effects; which that is, is not verified. */
  resetCharStyle(): void {
    const { text, justification, box } = this._text;
    Object.assign(this._text, textDocument({ text, justification, box }));
  }
  resetParagraphStyle(): void {
    this._text.justification = 'left';
  }

  #box(): NonNullable<SimText['box']> {
    if (!this._text.box) throw aeError('The text is point text and has no box.');
    return this._text.box;
  }
}

function lines(text: string): string {
  return text.replace(/\r\n|\n/g, '\r');
}

function color(attribute: string, value: unknown): [number, number, number] {
  if (!Array.isArray(value) || value.length !== 3)
    throw badValue(attribute, 'Value is not an array of 3 numbers.');
  return value.map((part) => numberFor(attribute, part, 0, 1)) as [number, number, number];
}

function pair(attribute: string, value: unknown): [number, number] {
  if (!Array.isArray(value) || value.length !== 2)
    throw badValue(attribute, 'Value is not an array of 2 numbers.');
  return [numberFor(attribute, value[0]), numberFor(attribute, value[1])];
}
