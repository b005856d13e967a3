/** Markers of layers. */
import { badParameter, memberAt } from './ae-error.ts';
import { ENUMS } from './enums.ts';
import type { Layer } from './layer.ts';
import { PropertyBase } from './property-base.ts';

export class MarkerValue {
  #comment: string;
  #duration = 0;

  constructor(comment: unknown = '') {
    this.#comment = String(comment);
  }

  get comment(): string {
    return this.#comment;
  }
  set comment(text: unknown) {
    this.#comment = String(text);
  }
  get duration(): number {
    return this.#duration;
  }
  set duration(seconds: unknown) {
    this.#duration = Number(seconds);
  }
}

/** The property "Marker" of a layer. */
export class MarkerProperty extends PropertyBase {
  readonly #layer: Layer;

  constructor(layer: Layer) {
    super({
      session: layer._session,
      layer,
      parent: layer,
      data: { name: 'Marker', matchName: 'ADBE Marker' },
    });
    this.#layer = layer;
  }

  override get name(): string {
    return 'Marker';
  }
  override get matchName(): string {
    return 'ADBE Marker';
  }
  get propertyType(): number {
    return ENUMS.PropertyType.PROPERTY;
  }
  get propertyValueType(): number {
    return ENUMS.PropertyValueType.MARKER;
  }
  get numKeys(): number {
    return this.#markers.length;
  }
  keyTime(index: unknown): number {
    return memberAt(this.#markers, index, 'keyTime').time;
  }
  keyValue(index: unknown): MarkerValue {
    return new MarkerValue(memberAt(this.#markers, index, 'keyValue').comment);
  }
  setValueAtTime(time: unknown, value: unknown): void {
    this._change();
    if (!(value instanceof MarkerValue))
      throw badParameter('setValueAtTime', 2, 'Value is not a MarkerValue.');
    this.#markers.push({ time: Number(time), comment: value.comment });
    this.#markers.sort((a, b) => a.time - b.time);
  }
  removeKey(index: unknown): void {
    this._change();
    memberAt(this.#markers, index, 'removeKey');
    this.#markers.splice(Number(index) - 1, 1);
  }

  get #markers(): { time: number; comment: string }[] {
    return this.#layer._layer.markers;
  }
}
