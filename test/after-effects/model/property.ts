/** `Property`: a value, perhaps with keyframes and an expression. */
import type { SimProperty, SimText, SimValue } from '../sim-project.ts';
import { aeError, badParameter, memberAt } from './ae-error.ts';
import { ENUMS } from './enums.ts';
import { PropertyBase } from './property-base.ts';
import { Shape } from './shape.ts';
import { TextDocument } from './text-document.ts';

const TYPES = ENUMS.PropertyValueType;
/** Properties in space; other points are lengths and factors. */
const SPATIAL = /^ADBE (Anchor Point|Position|Vector (Position|Anchor|(Rect|Ellipse) Position))$/;

export class Property extends PropertyBase {
  get propertyType(): number {
    return ENUMS.PropertyType.PROPERTY;
  }
  get propertyValueType(): number {
    const { valueType, value, matchName } = this._data;
    const isSpatial = SPATIAL.test(matchName);
    switch (valueType) {
      case 'text':
        return TYPES.TEXT_DOCUMENT;
      case 'color':
        return TYPES.COLOR;
      case 'layer':
        return TYPES.LAYER_INDEX;
      case 'shape':
        return TYPES.SHAPE;
      case 'none':
        return TYPES.NO_VALUE;
      case 'point':
        if (Array.isArray(value) && value.length > 2) return isSpatial ? TYPES.ThreeD_SPATIAL : TYPES.ThreeD;
        return isSpatial ? TYPES.TwoD_SPATIAL : TYPES.TwoD;
      default:
        return TYPES.OneD;
    }
  }
  get value(): unknown {
    return this.valueAtTime(this._place?.layer.containingComp.time ?? 0, false);
  }
  get hasMin(): boolean {
    return this._data.min !== undefined;
  }
  get hasMax(): boolean {
    return this._data.max !== undefined;
  }
  get minValue(): number {
    return this.#limit(this._data.min, 'minValue');
  }
  get maxValue(): number {
    return this.#limit(this._data.max, 'maxValue');
  }
  get isSpatial(): boolean {
    return SPATIAL.test(this._data.matchName);
  }
  get canVaryOverTime(): boolean {
    return this._data.valueType !== 'none';
  }
  get canSetExpression(): boolean {
    return this._data.valueType !== 'none';
  }
  get isTimeVarying(): boolean {
    return this.numKeys > 0 || Boolean(this._data.expression);
  }
  get numKeys(): number {
    return this.#keys().length;
  }
  get unitsText(): string {
    return '';
  }
  get isDropdownEffect(): boolean {
    return false;
  }
  get dimensionsSeparated(): boolean {
    return false;
  }
  set dimensionsSeparated(value: unknown) {
    if (value) throw aeError('Separate dimensions are not simulated.');
  }
  get isSeparationLeader(): boolean {
    return false;
  }
  get isSeparationFollower(): boolean {
    return false;
  }

  // Expressions are kept. Those that are switched off are kept apart: what draws knows only those that apply.
  get expression(): string {
    return this._data.expression || this._data.disabledExpression || '';
  }
  set expression(text: unknown) {
    this._change();
    if (!this.canSetExpression) throw aeError('Can not set an expression for this property.');
    const data = this._data;
    delete data.disabledExpression;
    data.expression = String(text);
  }
  get expressionEnabled(): boolean {
    return Boolean(this._data.expression);
  }
  set expressionEnabled(value: unknown) {
    this._change();
    const data = this._data;
    const text = this.expression;
    delete data.disabledExpression;
    data.expression = value ? text : '';
    if (!value && text !== '') data.disabledExpression = text;
  }
  /** Only what is no JavaScript at all is wrong here. */
  get expressionError(): string {
    try {
      new Function(this._data.expression ?? '');
      return '';
    } catch (error) {
      return (error as Error).message;
    }
  }

  valueAtTime(time: unknown, preExpression: unknown): unknown {
    const { expression } = this._data;
    const literal = expression && !preExpression ? Number(expression.replace(/;\s*$/, '')) : Number.NaN;
    if (!Number.isNaN(literal) && typeof this._data.value === 'number') return literal;
    return toModel(keyedValue(this._data, Number(time)));
  }

  setValue(value: unknown): void {
    this._change();
    if (this.numKeys > 0)
      throw aeError('Can not “setValue” with this property, because the property has keyframes.');
    this._data.value = this.#checked(value, 'setValue', 1);
  }

  setValueAtTime(time: unknown, value: unknown): void {
    this._change();
    if (typeof time !== 'number') throw badParameter('setValueAtTime', 1, 'Value is not a number.');
    const checked = this.#checked(value, 'setValueAtTime', 2);
    const keys = this.#keys();
    const there = keys.find((key) => Math.abs(key.time - time) < 1e-6);
    if (there) there.value = checked;
    else keys.push({ time, value: checked });
    this._data.keyframes = keys.sort((a, b) => a.time - b.time);
  }

  setValuesAtTimes(times: unknown, values: unknown): void {
    if (!Array.isArray(times) || !Array.isArray(values))
      throw badParameter('setValuesAtTimes', 1, 'Value is no array.');
    times.forEach((time, index) => {
      this.setValueAtTime(time, values[index]);
    });
  }

  setValueAtKey(index: unknown, value: unknown): void {
    this._change();
    const key = memberAt(this.#keys(), index, 'setValueAtKey');
    key.value = this.#checked(value, 'setValueAtKey', 2);
  }

  addKey(time: unknown): number {
    this.setValueAtTime(time, this.valueAtTime(time, true));
    return this.nearestKeyIndex(time);
  }

  removeKey(index: unknown): void {
    this._change();
    const keys = this.#keys();
    const key = memberAt(keys, index, 'removeKey');
    keys.splice(Number(index) - 1, 1);
    if (keys.length === 0) this._data.value = key.value;
  }

  keyTime(index: unknown): number {
    return memberAt(this.#keys(), index, 'keyTime').time;
  }
  keyValue(index: unknown): unknown {
    return toModel(memberAt(this.#keys(), index, 'keyValue').value);
  }
  nearestKeyIndex(time: unknown): number {
    const distances = this.#keys().map((key) => Math.abs(key.time - Number(time)));
    return distances.indexOf(Math.min(...distances)) + 1;
  }
  keyInInterpolationType(index: unknown): number {
    memberAt(this.#keys(), index, 'keyInInterpolationType');
    return ENUMS.KeyframeInterpolationType.LINEAR;
  }
  keyOutInterpolationType(index: unknown): number {
    return this.keyInInterpolationType(index);
  }
  setInterpolationTypeAtKey(index: unknown): void {
    memberAt(this.#keys(), index, 'setInterpolationTypeAtKey');
  }

  #keys(): { time: number; value: SimValue }[] {
    return this._data.keyframes ?? [];
  }

  #limit(limit: number | undefined, name: string): number {
    if (limit === undefined) throw aeError(`Unable to get “${name}”. This property has no such limit.`);
    return limit;
  }

  /** The value as it is described, if the property takes it. */
  #checked(value: unknown, method: string, position: number): SimValue {
    const { valueType, value: old, min = -Infinity, max = Infinity } = this._data;
    const refuse = (why: string) => badParameter(method, position, why);
    switch (valueType) {
      case 'text':
        return toText(value, old, refuse);
      case 'color':
        return numbers(value, [3, 4], refuse).concat(Array.isArray(value) && value.length === 3 ? [1] : []);
      case 'point': {
        const size = Array.isArray(old) ? old.length : 2;
        const given = numbers(value, size === 2 ? [2] : [2, 3], refuse);
        return Array.isArray(old) ? old.map((part, index) => given[index] ?? part) : given;
      }
      case 'shape':
        if (!(value instanceof Shape)) throw refuse('Value is not a Shape.');
        return value._toData();
      case 'none':
        throw aeError('This property has no value.');
      default: {
        const number = typeof value === 'boolean' ? Number(value) : value;
        if (typeof number !== 'number' || Number.isNaN(number)) throw refuse('Value is not a number.');
        if (number < min || number > max) throw refuse(`Value ${number} out of range ${min} to ${max}.`);
        return number;
      }
    }
  }
}

type Refuse = (why: string) => Error;

function toText(value: unknown, old: SimValue | undefined, refuse: Refuse): SimText {
  if (value instanceof TextDocument) return structuredClone(value._text);
  // The scripting guide: a string replaces the text and keeps the rest.
  if (typeof value === 'string') {
    const document = new TextDocument(old as SimText);
    document.text = value;
    return document._text;
  }
  throw refuse('Value is not a TextDocument.');
}

function numbers(value: unknown, sizes: readonly number[], refuse: Refuse): number[] {
  if (!Array.isArray(value)) throw refuse('Value is not an array.');
  if (!sizes.includes(value.length)) throw refuse(`Value is not an array of ${sizes.join(' or ')} numbers.`);
  return value.map((part) => {
    if (typeof part !== 'number' || Number.isNaN(part)) throw refuse('Value is not an array of numbers.');
    return part;
  });
}

function toModel(value: SimValue | undefined): unknown {
  if (Array.isArray(value)) return [...value];
  if (typeof value === 'boolean') return Number(value);
  if (typeof value !== 'object') return value;
  return 'fontSize' in value ? new TextDocument(value) : new Shape(value);
}

function keyedValue(property: SimProperty, time: number): SimValue | undefined {
  const keys = property.keyframes ?? [];
  const after = keys.findIndex((key) => key.time > time);
  if (keys.length === 0) return property.value;
  if (after === 0) return keys[0]?.value;
  const from = keys.at(after === -1 ? -1 : after - 1);
  const to = after === -1 ? undefined : keys[after];
  if (!from || !to) return from?.value;
  const share = (time - from.time) / (to.time - from.time);
  if (typeof from.value === 'number' && typeof to.value === 'number')
    return from.value + (to.value - from.value) * share;
  if (!Array.isArray(from.value) || !Array.isArray(to.value)) return from.value;
  const end = to.value;
  return from.value.map((part, index) => part + ((end[index] ?? part) - part) * share);
}
