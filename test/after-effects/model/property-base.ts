/** `PropertyBase` and `PropertyGroup`. */
import type { SimProperty } from '../sim-project.ts';
import { aeError, badParameter, memberAt } from './ae-error.ts';
import { ENUMS } from './enums.ts';
import type { Layer } from './layer.ts';
import { newEffect } from './new-effect.ts';
import type { Session } from './session.ts';

/** Where a property is. */
export interface PropertyPlace {
  readonly session: Session;
  readonly layer: Layer;
  readonly parent: PropertyGroup | null;
  readonly data: SimProperty;
}

export abstract class PropertyBase {
  readonly _place: PropertyPlace | null;

  /** `null`: a layer, which is its own place. */
  constructor(place: PropertyPlace | null) {
    this._place = place;
  }

  /** What is described; throws when the property or its layer is no more. */
  get _data(): SimProperty {
    const place = this._place;
    if (!place) throw aeError('Object is invalid');
    if (place.parent && !place.parent._children.includes(place.data)) throw aeError('Object is invalid');
    return place.data;
  }

  get name(): string {
    return this._data.name;
  }
  set name(value: unknown) {
    this._change();
    const isNamed = this.propertyType !== ENUMS.PropertyType.PROPERTY && this.parentProperty?._isIndexed;
    if (!isNamed)
      throw aeError('Unable to set “name”. Only members of an indexed group have a name of their own.');
    this._data.name = String(value);
  }
  get matchName(): string {
    return this._data.matchName;
  }
  get enabled(): boolean {
    return this._data.enabled !== false;
  }
  set enabled(value: unknown) {
    this._change();
    this._data.enabled = Boolean(value);
  }
  get canSetEnabled(): boolean {
    return this.isEffect || this.matchName.startsWith('ADBE Vector');
  }
  get active(): boolean {
    return this.enabled;
  }
  get elided(): boolean {
    return false;
  }
  get selected(): boolean {
    return false;
  }
  get isEffect(): boolean {
    return this.parentProperty?.matchName === 'ADBE Effect Parade';
  }
  get isMask(): boolean {
    return this.matchName === 'ADBE Mask Atom';
  }
  get isModified(): boolean {
    return true;
  }
  get parentProperty(): PropertyGroup | null {
    return this._place?.parent ?? null;
  }
  get propertyIndex(): number {
    return (this.parentProperty?._children.indexOf(this._data) ?? -1) + 1;
  }
  get propertyDepth(): number {
    return (this.parentProperty?.propertyDepth ?? -1) + 1;
  }
  abstract get propertyType(): number;

  propertyGroup(countUp: unknown = 1): PropertyGroup | null {
    let group = this.parentProperty;
    for (let up = 1; up < Number(countUp); up += 1) group = group?.parentProperty ?? null;
    return group;
  }

  remove(): void {
    this._change();
    const parent = this.parentProperty;
    if (!parent?._isIndexed) throw aeError('This property can not be removed.');
    parent._children.splice(this.propertyIndex - 1, 1);
  }

  moveTo(index: unknown): void {
    this._change();
    const siblings = this.parentProperty?._children ?? [];
    memberAt(siblings, index, 'moveTo');
    siblings.splice(this.propertyIndex - 1, 1);
    siblings.splice(Number(index) - 1, 0, this._data);
  }

  _isValid(): boolean {
    try {
      return Boolean(this._data);
    } catch {
      return false;
    }
  }

  /** Before every change: what is locked cannot be changed. That it throws, and how, is not verified. */
  _change(): void {
    const layer = this._place?.layer;
    if (layer?.locked) throw aeError(`The layer “${layer.name}” is locked.`);
  }
}

/** Groups whose members can be added and removed. */
const INDEXED = [
  'ADBE Effect Parade',
  'ADBE Mask Parade',
  'ADBE Root Vectors Group',
  'ADBE Vectors Group',
  'ADBE Layer Overrides',
];

export class PropertyGroup extends PropertyBase {
  get numProperties(): number {
    return this._children.length;
  }
  get propertyType(): number {
    return this._isIndexed ? ENUMS.PropertyType.INDEXED_GROUP : ENUMS.PropertyType.NAMED_GROUP;
  }

  get _children(): SimProperty[] {
    const data = this._data;
    data.children ??= [];
    return data.children;
  }
  get _isIndexed(): boolean {
    return INDEXED.includes(this.matchName);
  }

  /** By number from 1, or by name, match name or compact name; null where there is none of that name. */
  property(key: unknown): PropertyBase | null {
    const children = this._children;
    if (typeof key === 'number') return this._wrap(memberAt(children, key, 'property'));
    if (typeof key !== 'string') throw badParameter('property', 1, 'Value is neither a number nor a name.');
    const found = findByName(children, key);
    return found ? this._wrap(found) : null;
  }

  /** `transform.opacity`: an attribute for each property, by its compact name. */
  _named(name: string): PropertyBase | undefined {
    const found = this._children.find((each) => compact(each.name) === name.toLowerCase());
    return found ? this._wrap(found) : undefined;
  }

  canAddProperty(name: unknown): boolean {
    return this.#made(name) !== null;
  }

  addProperty(name: unknown): PropertyBase {
    this._change();
    const made = this.#made(name);
    if (!made) throw aeError(`Can not add a property “${String(name)}” to this property group.`);
    this._children.push(made);
    return this._wrap(made);
  }

  /** A new effect or mask; null: nothing of that name can be in this group. */
  #made(name: unknown): SimProperty | null {
    if (this.matchName === 'ADBE Effect Parade') return newEffect(String(name));
    if (this.matchName !== 'ADBE Mask Parade' || (name !== 'ADBE Mask Atom' && name !== 'Mask')) return null;
    const size: [number, number] = [0, 0];
    const path: SimProperty = {
      name: 'Mask Path',
      matchName: 'ADBE Mask Shape',
      valueType: 'shape',
      value: { shape: 'rectangle', size },
    };
    return { name: `Mask ${this._children.length + 1}`, matchName: 'ADBE Mask Atom', children: [path] };
  }

  _wrap(data: SimProperty): PropertyBase {
    const place = this._place;
    if (!place) throw aeError('Object is invalid');
    return place.session.property({ session: place.session, layer: place.layer, parent: this, data });
  }
}

/** By display name, match name, or the compact name that scripts use: "Anchor Point" is `anchorPoint`. */
export function findByName(properties: readonly SimProperty[], key: string): SimProperty | undefined {
  return (
    properties.find(({ name }) => name === key) ??
    properties.find(({ matchName }) => matchName === key) ??
    properties.find(({ name }) => compact(name) === compact(key))
  );
}

function compact(name: string): string {
  return name.replaceAll(' ', '').toLowerCase();
}
