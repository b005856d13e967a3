/** Layers of compositions. */
import type { SimComp, SimLayer, SimProperty } from '../sim-project.ts';
import { aeError, badParameter, badValue, memberAt, numberFor } from './ae-error.ts';
import { ENUMS } from './enums.ts';
import { AVItem, type CompItem } from './item.ts';
import { MarkerProperty } from './marker.ts';
import { measureText, type TextRect } from './measure-text.ts';
import { findByName, type PropertyBase, PropertyGroup } from './property-base.ts';
import type { Session } from './session.ts';

/** The layer object for a description. */
export function makeLayer(session: Session, comp: SimComp, data: SimLayer): Layer {
  const made = { text: TextLayer, shape: ShapeLayer, camera: CameraLayer, light: LightLayer }[
    data.kind as string
  ];
  return new (made ?? AVLayer)(session, comp, data);
}

export abstract class Layer extends PropertyGroup {
  readonly _session: Session;
  readonly #comp: SimComp;
  readonly #layer: SimLayer;
  #marker: MarkerProperty | undefined;

  constructor(session: Session, comp: SimComp, layer: SimLayer) {
    super(null);
    this._session = session;
    this.#comp = comp;
    this.#layer = layer;
  }

  /** What is described; throws when the layer is no more. */
  get _layer(): SimLayer {
    this._session.requireOpen(this.#comp);
    if (!this.#comp.layers.includes(this.#layer)) throw aeError('Object is invalid');
    return this.#layer;
  }
  override get _data(): SimProperty {
    const { name, properties, enabled } = this._layer;
    return { name, matchName: this.matchName, children: properties, enabled };
  }
  override get _children(): SimProperty[] {
    return this._layer.properties;
  }
  override get _isIndexed(): boolean {
    return false;
  }
  override get matchName(): string {
    return 'ADBE AV Layer';
  }
  override get parentProperty(): null {
    return null;
  }
  override get propertyDepth(): number {
    return 0;
  }
  override get propertyIndex(): number {
    return this.index;
  }
  override _wrap(data: SimProperty): PropertyBase {
    return this._session.property({ session: this._session, layer: this, parent: this, data });
  }
  override _change(): void {
    if (this._layer.locked) throw aeError(`The layer “${this.name}” is locked.`);
  }

  override get name(): string {
    return this._layer.name;
  }
  override set name(value: unknown) {
    this._change();
    // An empty name is that of the source.
    this._layer.name = String(value) || (this._session.itemById(this._layer.sourceId)?.name ?? '');
  }
  get id(): number {
    const layer = this._layer;
    layer.id ??= Math.max(0, ...this.#comp.layers.map(({ id = 0 }) => id)) + 1;
    return layer.id;
  }
  get index(): number {
    return this.#comp.layers.indexOf(this._layer) + 1;
  }
  get containingComp(): CompItem {
    return this._session.item(this.#comp) as CompItem;
  }
  get isNameSet(): boolean {
    return this._session.itemById(this._layer.sourceId)?.name !== this._layer.name;
  }
  get nullLayer(): boolean {
    return this._layer.kind === 'null';
  }
  get hasVideo(): boolean {
    return false;
  }
  override get enabled(): boolean {
    return this._layer.enabled;
  }
  override set enabled(value: unknown) {
    this._change();
    this._layer.enabled = Boolean(value);
  }
  get solo(): boolean {
    return this._layer.solo === true;
  }
  set solo(value: unknown) {
    this._change();
    this._layer.solo = Boolean(value);
  }
  get shy(): boolean {
    return this._layer.shy === true;
  }
  set shy(value: unknown) {
    this._change();
    this._layer.shy = Boolean(value);
  }
  /** The one attribute of a locked layer that can be set. */
  get locked(): boolean {
    return this._layer.locked === true;
  }
  set locked(value: unknown) {
    this._layer.locked = Boolean(value);
  }
  get comment(): string {
    return this._layer.comment ?? '';
  }
  set comment(text: unknown) {
    this._change();
    this._layer.comment = String(text);
  }
  get label(): number {
    return 1;
  }
  set label(_value: unknown) {}
  get time(): number {
    return 0;
  }

  get inPoint(): number {
    return this._layer.inPoint;
  }
  set inPoint(value: unknown) {
    this._change();
    const time = numberFor('inPoint', value, -10_800, 10_800);
    this._layer.inPoint = Math.max(time, this._begin());
  }
  get outPoint(): number {
    return this._layer.outPoint;
  }
  set outPoint(value: unknown) {
    this._change();
    const time = numberFor('outPoint', value, -10_800, 10_800);
    this._layer.outPoint = Math.min(time, this._end());
  }
  get startTime(): number {
    return this._layer.startTime;
  }
  set startTime(value: unknown) {
    this._change();
    const layer = this._layer;
    const moved = numberFor('startTime', value, -10_800, 10_800) - layer.startTime;
    layer.startTime += moved;
    layer.inPoint += moved;
    layer.outPoint += moved;
  }
  get stretch(): number {
    return this._layer.stretch;
  }
  set stretch(value: unknown) {
    this._change();
    const percent = numberFor('stretch', value, -9900, 9900);
    if (Math.abs(percent) < 1) throw badValue('stretch', `Value ${percent} out of range 1 to 9900.`);
    const layer = this._layer;
    const factor = percent / layer.stretch;
    layer.stretch = percent;
    // Keeps the start; the points move with the time of the source.
    layer.inPoint = layer.startTime + (layer.inPoint - layer.startTime) * factor;
    layer.outPoint = layer.startTime + (layer.outPoint - layer.startTime) * factor;
  }
  /** Where the source ends, in the composition; a layer cannot be longer. */
  _end(): number {
    return Number.POSITIVE_INFINITY;
  }

  /** Where the source begins: what has a time is not there before (not verified, as the end is not). */
  _begin(): number {
    return Number.NEGATIVE_INFINITY;
  }

  override get active(): boolean {
    return this.activeAtTime(0);
  }
  activeAtTime(time: unknown): boolean {
    return this.enabled && Number(time) >= this.inPoint && Number(time) < this.outPoint;
  }

  get parent(): Layer | null {
    const { parent = null } = this._layer;
    const found = this.#comp.layers.find(({ id }) => id !== undefined && id === parent);
    return found ? this._session.layer(this.#comp, found) : null;
  }
  set parent(layer: unknown) {
    this.setParentWithJump(layer);
  }
  setParentWithJump(layer: unknown = null): void {
    this._change();
    if (layer !== null && !(layer instanceof Layer)) throw badValue('parent', 'Value is not a Layer.');
    if (layer === this) throw badValue('parent', 'A layer can not be its own parent.');
    this._layer.parent = layer?.id ?? null;
  }

  get marker(): MarkerProperty {
    this.#marker ??= new MarkerProperty(this);
    return this.#marker;
  }
  /** Also what is in Transform, Text and Audio, and the markers. */
  override property(key: unknown): PropertyBase | null {
    if (key === 'Marker' || key === 'ADBE Marker' || key === 'marker') return this.marker;
    const own = key === 'effect' ? super.property('ADBE Effect Parade') : super.property(key);
    if (own || typeof key !== 'string') return own;
    for (const matchName of ['ADBE Transform Group', 'ADBE Text Properties', 'ADBE Audio Group']) {
      const group = super.property(matchName);
      const found = group instanceof PropertyGroup ? findByName(group._children, key) : undefined;
      if (found && group instanceof PropertyGroup) return group._wrap(found);
    }
    return null;
  }
  get transform(): PropertyBase | null {
    return this.property('ADBE Transform Group');
  }
  get anchorPoint(): PropertyBase | null {
    return this.property('ADBE Anchor Point');
  }
  get position(): PropertyBase | null {
    return this.property('ADBE Position');
  }
  get scale(): PropertyBase | null {
    return this.property('ADBE Scale');
  }
  get rotation(): PropertyBase | null {
    return this.property('ADBE Rotate Z');
  }
  get opacity(): PropertyBase | null {
    return this.property('ADBE Opacity');
  }

  override remove(): void {
    this._change();
    this.#comp.layers.splice(this.index - 1, 1);
  }
  duplicate(): Layer {
    const copy = structuredClone(this._layer);
    delete copy.id;
    this.#comp.layers.splice(this.index - 1, 0, copy);
    return this._session.layer(this.#comp, copy);
  }
  override moveTo(index: unknown): void {
    memberAt(this.#comp.layers, index, 'moveTo');
    this.#move(Number(index) - 1);
  }
  moveToBeginning(): void {
    this.#move(0);
  }
  moveToEnd(): void {
    this.#move(this.#comp.layers.length - 1);
  }
  moveBefore(other: unknown): void {
    const target = this.#indexOf(other, 'moveBefore');
    this.#move(this.index - 1 < target ? target - 1 : target);
  }
  moveAfter(other: unknown): void {
    const target = this.#indexOf(other, 'moveAfter');
    this.#move(this.index - 1 < target ? target : target + 1);
  }
  copyToComp(comp: unknown): void {
    if (!(comp instanceof AVItem) || comp._item.type !== 'comp')
      throw badParameter('copyToComp', 1, 'Value is not a CompItem.');
    const copy = structuredClone(this._layer);
    delete copy.id;
    comp._item.layers.unshift(copy);
  }

  #indexOf(other: unknown, method: string): number {
    const at = other instanceof Layer ? this.#comp.layers.indexOf(other._layer) : -1;
    if (at === -1) throw badParameter(method, 1, 'Value is not a layer of this composition.');
    return at;
  }
  #move(to: number): void {
    this._change();
    const layer = this._layer;
    this.#comp.layers.splice(this.index - 1, 1);
    this.#comp.layers.splice(to, 0, layer);
  }
}

export class AVLayer extends Layer {
  /** Every one has a group of masks, mostly an empty one. */
  override property(key: unknown): PropertyBase | null {
    const found = super.property(key);
    if (found || key !== 'ADBE Mask Parade') return found;
    this._children.push({ name: 'Masks', matchName: 'ADBE Mask Parade', children: [] });
    return super.property(key);
  }
  get source(): AVItem | null {
    return this._session.itemById(this._layer.sourceId) as AVItem | null;
  }
  get isNameFromSource(): boolean {
    return !this.isNameSet;
  }
  get width(): number {
    return this.source?.width ?? this.containingComp.width;
  }
  get height(): number {
    return this.source?.height ?? this.containingComp.height;
  }
  override get hasVideo(): boolean {
    return this.source?.hasVideo ?? true;
  }
  get hasAudio(): boolean {
    return this.source?.hasAudio ?? false;
  }
  get audioActive(): boolean {
    return this.hasAudio && this._layer.audioEnabled;
  }
  get audioEnabled(): boolean {
    return this._layer.audioEnabled;
  }
  set audioEnabled(value: unknown) {
    this._change();
    this._layer.audioEnabled = Boolean(value);
  }
  get threeDLayer(): boolean {
    return this._layer.threeD === true;
  }
  set threeDLayer(value: unknown) {
    this._change();
    this._layer.threeD = Boolean(value);
  }
  get adjustmentLayer(): boolean {
    return this._layer.adjustment === true;
  }
  set adjustmentLayer(value: unknown) {
    this._change();
    this._layer.adjustment = Boolean(value);
  }
  get guideLayer(): boolean {
    return this._layer.guide === true;
  }
  set guideLayer(value: unknown) {
    this._change();
    this._layer.guide = Boolean(value);
  }
  get hasTrackMatte(): boolean {
    return false;
  }
  get isTrackMatte(): boolean {
    return false;
  }
  get effectsActive(): boolean {
    return true;
  }
  get collapseTransformation(): boolean {
    return false;
  }
  set collapseTransformation(_value: unknown) {}
  get canSetCollapseTransformation(): boolean {
    return this._layer.kind === 'comp';
  }
  get quality(): number {
    return ENUMS.LayerQuality.BEST;
  }
  set quality(_value: unknown) {}

  get effect(): PropertyBase | null {
    return this.property('ADBE Effect Parade');
  }
  get mask(): PropertyBase | null {
    return this.property('ADBE Mask Parade');
  }
  get audio(): PropertyBase | null {
    return this.property('ADBE Audio Group');
  }
  get essentialProperty(): PropertyBase | null {
    return this.property('ADBE Layer Overrides');
  }

  get canSetTimeRemapEnabled(): boolean {
    return (this.source?.duration ?? 0) > 0;
  }
  get timeRemap(): PropertyBase | null {
    return this.property('ADBE Time Remapping');
  }
  get timeRemapEnabled(): boolean {
    return this._layer.timeRemapEnabled;
  }
  /** Switched on, it gets keys at the beginning and the end of the source. */
  set timeRemapEnabled(value: unknown) {
    this._change();
    if (value && !this.canSetTimeRemapEnabled)
      throw badValue('timeRemapEnabled', 'The source has no duration.');
    const layer = this._layer;
    if (layer.timeRemapEnabled === Boolean(value)) return;
    layer.timeRemapEnabled = Boolean(value);
    layer.properties = layer.properties.filter(({ matchName }) => matchName !== 'ADBE Time Remapping');
    if (!value) return;
    const duration = this.source?.duration ?? 0;
    layer.properties.push({
      name: 'Time Remap',
      matchName: 'ADBE Time Remapping',
      valueType: 'number',
      value: 0,
      keyframes: [
        { time: layer.startTime, value: 0 },
        { time: layer.startTime + (duration * layer.stretch) / 100, value: duration },
      ],
    });
  }
  get #isEndless(): boolean {
    return this._layer.timeRemapEnabled || (this.source?.duration ?? 0) === 0;
  }
  override _end(): number {
    const { startTime, stretch } = this._layer;
    if (this.#isEndless) return Number.POSITIVE_INFINITY;
    return startTime + ((this.source?.duration ?? 0) * Math.abs(stretch)) / 100;
  }
  override _begin(): number {
    return this.#isEndless ? Number.NEGATIVE_INFINITY : this._layer.startTime;
  }

  /** Position, anchor point and scale stay as they are; a layer longer than its new source ends with it. */
  replaceSource(item: unknown, fixExpressions: unknown): void {
    this._change();
    if (!(item instanceof AVItem)) throw badParameter('replaceSource', 1, 'Value is not an AVItem.');
    if (typeof fixExpressions !== 'boolean')
      throw badParameter('replaceSource', 2, 'Value is not a boolean.');
    if (this._layer.sourceId === null) throw aeError('Can not replace the source of this layer.');
    if (item._shows(this.containingComp)) throw aeError('A composition can not contain itself.');
    const layer = this._layer;
    const hasOwnName = this.isNameSet;
    const { _item: data } = item;
    layer.sourceId = data.id;
    if (!hasOwnName) layer.name = item.name;
    // A null object stays one, and invisible (After Effects Scripting Guide, AVLayer.replaceSource).
    if (layer.kind === 'null') return;
    layer.kind =
      data.type === 'comp'
        ? 'comp'
        : data.type === 'footage' && data.source.kind === 'solid'
          ? 'solid'
          : 'footage';
    layer.outPoint = Math.min(layer.outPoint, this._end());
  }

  sourceRectAtTime(_time: unknown, _extents: unknown): TextRect {
    return { top: 0, left: 0, width: this.width, height: this.height };
  }
}

export class TextLayer extends AVLayer {
  override get matchName(): string {
    return 'ADBE Text Layer';
  }
  override get source(): null {
    return null;
  }
  get text(): PropertyBase | null {
    return this.property('ADBE Text Properties');
  }
  get sourceText(): PropertyBase | null {
    return this.property('ADBE Text Document');
  }
  override sourceRectAtTime(time: unknown, _extents: unknown): TextRect {
    if (typeof time !== 'number') throw badParameter('sourceRectAtTime', 1, 'Value is not a number.');
    const property = this.sourceText as unknown as {
      valueAtTime(time: number, raw: boolean): { _text: never };
    };
    return measureText(property.valueAtTime(time, false)._text, (name) => this._session.fontFile(name));
  }
}

export class ShapeLayer extends AVLayer {
  override get matchName(): string {
    return 'ADBE Vector Layer';
  }
  override get source(): null {
    return null;
  }
  get content(): PropertyBase | null {
    return this.property('ADBE Root Vectors Group');
  }
}

export class CameraLayer extends Layer {
  override get matchName(): string {
    return 'ADBE Camera Layer';
  }
}

export class LightLayer extends Layer {
  override get matchName(): string {
    return 'ADBE Light Layer';
  }
  get lightType(): number {
    return ENUMS.LightType.SPOT;
  }
}
