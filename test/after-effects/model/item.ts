/** Items of the project panel. */
import { existsSync } from 'node:fs';
import { basename } from 'node:path';
import { ScriptFile } from '../script-host/script-file.ts';
import type { SimComp, SimFolder, SimFootage, SimItem } from '../sim-project.ts';
import { aeError, badParameter, badValue, numberFor } from './ae-error.ts';
import { ItemCollection, LayerCollection } from './collections.ts';
import { type FootageSource, makeSource } from './footage-source.ts';
import type { Layer } from './layer.ts';
import { probeMedia } from './probe-media.ts';
import type { Session } from './session.ts';

/** The object for a description. */
export function makeItem(session: Session, data: SimItem): Item {
  if (data.type === 'folder') return new FolderItem(session, data);
  return data.type === 'comp' ? new CompItem(session, data) : new FootageItem(session, data);
}

export abstract class Item {
  readonly _session: Session;
  readonly #data: SimItem;

  constructor(session: Session, data: SimItem) {
    this._session = session;
    this.#data = data;
  }

  /** What is described; throws when the item is no more. */
  get _item(): SimItem {
    this._session.requireOpen(this.#data);
    return this.#data;
  }
  _isValid(): boolean {
    return this._session.project.items.includes(this.#data);
  }

  get id(): number {
    return this._item.id;
  }
  get name(): string {
    return this._item.name;
  }
  set name(value: unknown) {
    const old = this._item.name;
    this._item.name = String(value);
    // Layers without a name of their own are called like their source.
    for (const item of this._session.project.items) {
      for (const layer of item.type === 'comp' ? item.layers : [])
        if (layer.sourceId === this.id && layer.name === old) layer.name = this._item.name;
    }
  }
  get comment(): string {
    return '';
  }
  set comment(_text: unknown) {}
  get label(): number {
    return 1;
  }
  set label(_value: unknown) {}
  get selected(): boolean {
    return false;
  }
  set selected(_value: unknown) {}
  /** In the language of the user interface in After Effects; here always English. */
  abstract get typeName(): string;

  get parentFolder(): FolderItem {
    const parent = this._session.itemById(this._item.parent);
    return parent instanceof FolderItem ? parent : rootFolder(this._session);
  }
  set parentFolder(folder: unknown) {
    if (!(folder instanceof FolderItem)) throw badValue('parentFolder', 'Value is not a FolderItem.');
    this._item.parent = folder._isRoot ? null : folder.id;
  }

  /** A folder with all in it; layers that show it go too. */
  remove(): void {
    const { project } = this._session;
    const id = this.id;
    for (const inner of project.items.filter(({ parent }) => parent === id))
      this._session.item(inner).remove();
    for (const item of project.items)
      if (item.type === 'comp') item.layers = item.layers.filter(({ sourceId }) => sourceId !== id);
    project.items.splice(project.items.indexOf(this._item), 1);
  }
}

export class FolderItem extends Item {
  /** The top of the project is a folder too, which no description has. */
  readonly _isRoot: boolean;

  constructor(session: Session, data: SimFolder, isRoot = false) {
    super(session, data);
    this._isRoot = isRoot;
  }

  override get _item(): SimItem {
    return this._isRoot ? { type: 'folder', id: 0, name: 'Root', parent: null } : super._item;
  }
  get typeName(): string {
    return 'Folder';
  }
  get items(): ItemCollection {
    return new ItemCollection(this._session, this._isRoot ? null : this.id);
  }
  get numItems(): number {
    return this.items.length;
  }
  item(index: unknown): Item {
    return this.items._at(Number(index));
  }
}

const roots = new WeakMap<Session, FolderItem>();

export function rootFolder(session: Session): FolderItem {
  let root = roots.get(session);
  if (!root) {
    root = new FolderItem(session, { type: 'folder', id: 0, name: 'Root', parent: null }, true);
    roots.set(session, root);
  }
  return root;
}

export abstract class AVItem extends Item {
  abstract get width(): number;
  abstract get height(): number;
  abstract get duration(): number;
  abstract get hasVideo(): boolean;
  abstract get hasAudio(): boolean;

  get pixelAspect(): number {
    return 1;
  }
  get frameRate(): number {
    return 0;
  }
  get frameDuration(): number {
    return this.frameRate > 0 ? 1 / this.frameRate : 0;
  }
  get time(): number {
    return 0;
  }
  get footageMissing(): boolean {
    return false;
  }
  get useProxy(): boolean {
    return false;
  }
  get isMediaReplacementCompatible(): boolean {
    return false;
  }
  get usedIn(): CompItem[] {
    const { items } = this._session.project;
    const users = items.filter(
      (item) => item.type === 'comp' && item.layers.some(({ sourceId }) => sourceId === this.id),
    );
    return users.map((item) => this._session.item(item) as CompItem);
  }

  /** Whether a composition is this one or in it. */
  _shows(comp: CompItem): boolean {
    if (comp.id === this.id) return true;
    const { _item: data } = this;
    if (data.type !== 'comp') return false;
    return data.layers.some(({ sourceId }) => {
      const source = this._session.itemById(sourceId);
      return source instanceof AVItem && source._shows(comp);
    });
  }
}

export class CompItem extends AVItem {
  get #comp(): SimComp {
    return this._item as SimComp;
  }
  get typeName(): string {
    return 'Composition';
  }
  get width(): number {
    return this.#comp.width;
  }
  set width(value: unknown) {
    this.#comp.width = numberFor('width', value, 4, 30_000);
  }
  get height(): number {
    return this.#comp.height;
  }
  set height(value: unknown) {
    this.#comp.height = numberFor('height', value, 4, 30_000);
  }
  override get frameRate(): number {
    return exactFps(this.#comp.fps);
  }
  override set frameRate(value: unknown) {
    this.#comp.fps = numberFor('frameRate', value, 1, 99);
  }
  override get frameDuration(): number {
    return 1 / this.frameRate;
  }
  override set frameDuration(value: unknown) {
    this.#comp.fps = 1 / numberFor('frameDuration', value, 1 / 99, 1);
  }
  get duration(): number {
    return this.#comp.duration;
  }
  set duration(value: unknown) {
    const comp = this.#comp;
    comp.duration = numberFor('duration', value, 0.001, 10_800);
    comp.workArea.start = Math.min(comp.workArea.start, comp.duration - this.frameDuration);
    comp.workArea.duration = Math.min(comp.workArea.duration, comp.duration - comp.workArea.start);
  }
  get workAreaStart(): number {
    return this.#comp.workArea.start;
  }
  set workAreaStart(value: unknown) {
    this.#comp.workArea.start = numberFor(
      'workAreaStart',
      value,
      0,
      this.duration - this.frameDuration + 1e-6,
    );
  }
  get workAreaDuration(): number {
    return this.#comp.workArea.duration;
  }
  set workAreaDuration(value: unknown) {
    const most = this.duration - this.workAreaStart + 1e-6;
    this.#comp.workArea.duration = numberFor('workAreaDuration', value, 0, most);
  }
  get displayStartFrame(): number | undefined {
    return this.#comp.displayStartFrame;
  }
  set displayStartFrame(value: unknown) {
    this.#comp.displayStartFrame = numberFor('displayStartFrame', value);
  }
  get displayStartTime(): number {
    return this.#comp.displayStartFrame * this.frameDuration;
  }
  set displayStartTime(value: unknown) {
    this.#comp.displayStartFrame = Math.round(numberFor('displayStartTime', value) * this.frameRate);
  }
  get dropFrame(): boolean {
    return this.#comp.dropFrame;
  }
  set dropFrame(value: unknown) {
    this.#comp.dropFrame = Boolean(value);
  }
  get bgColor(): number[] {
    return this.#comp.background;
  }
  set bgColor(value: unknown) {
    if (!Array.isArray(value) || value.length !== 3)
      throw badValue('bgColor', 'Value is not an array of 3 numbers.');
    this.#comp.background = value.map((part) => numberFor('bgColor', part, 0, 1)) as [number, number, number];
  }
  get hasVideo(): boolean {
    return true;
  }
  /** Of every composition After Effects says that it has sound. */
  get hasAudio(): boolean {
    return true;
  }
  get numLayers(): number {
    return this.#comp.layers.length;
  }
  get layers(): LayerCollection {
    return new LayerCollection(this._session, this.#comp);
  }
  get motionGraphicsTemplateControllerCount(): number {
    return Object.keys(this.#comp.essential).length;
  }
  getMotionGraphicsTemplateControllerName(index: unknown): string | undefined {
    return Object.keys(this.#comp.essential)[Number(index) - 1];
  }
  get selectedLayers(): Layer[] {
    return [];
  }

  /** By number or name; null where there is none of that name. With a layer and a number: so many further down. */
  layer(key: unknown, offset?: unknown): Layer | null {
    if (typeof key === 'string') return this.layers.byName(key);
    const index = typeof key === 'number' ? key : (key as Layer | undefined)?.index;
    return this.layers._at(Number(index) + Number(offset ?? 0));
  }

  duplicate(): CompItem {
    const copy = this._session.add((id) => ({
      ...structuredClone(this.#comp),
      id,
      name: nextName(this.name),
    }));
    return this._session.item(copy) as CompItem;
  }
  openInViewer(): null {
    return null;
  }
}

export class FootageItem extends AVItem {
  get _footage(): SimFootage {
    return this._item as SimFootage;
  }
  get typeName(): string {
    return 'Footage';
  }
  get mainSource(): FootageSource {
    return makeSource(this);
  }
  /** null for solids and placeholders. */
  get file(): ScriptFile | null {
    const { source } = this._footage;
    return source.kind === 'file' ? new ScriptFile(source.path) : null;
  }
  /** Of placeholders too (After Effects Scripting Guide, AVItem.footageMissing). */
  override get footageMissing(): boolean {
    const { source } = this._footage;
    return source.kind === 'placeholder' || (source.kind === 'file' && !existsSync(source.path));
  }
  get width(): number {
    return this._footage.width;
  }
  set width(value: unknown) {
    this._footage.width = numberFor('width', value, 1, 30_000);
  }
  get height(): number {
    return this._footage.height;
  }
  set height(value: unknown) {
    this._footage.height = numberFor('height', value, 1, 30_000);
  }
  get duration(): number {
    return this._footage.duration * (this._footage.loop ?? 1);
  }
  override get frameRate(): number {
    return this._footage.duration > 0 ? 25 : 0;
  }
  get hasVideo(): boolean {
    return this._footage.width > 0;
  }
  get hasAudio(): boolean {
    return this._footage.hasAudio;
  }

  /** Throws for what cannot be imported. */
  replace(file: unknown): void {
    const { path, media, name } = importable(file, 'replace');
    const footage = this._footage;
    const hadFileName = footage.source.kind === 'file' && basename(footage.source.path) === footage.name;
    footage.source = { kind: 'file', path };
    Object.assign(footage, media);
    delete footage.loop;
    if (hadFileName) this.name = name;
  }
  /** Of a sequence only the first picture is known here; its length stays. */
  replaceWithSequence(file: unknown, forceAlphabetical: unknown): void {
    if (typeof forceAlphabetical !== 'boolean') {
      throw badParameter('replaceWithSequence', 2, 'Value is not a Boolean.');
    }
    const { duration } = this._footage;
    this.replace(file);
    this._footage.duration = duration;
  }
  replaceWithSolid(color: unknown, name: unknown, width: unknown, height: unknown): void {
    const footage = this._footage;
    footage.source = { kind: 'solid', color: color as [number, number, number] };
    Object.assign(footage, { width: Number(width), height: Number(height), duration: 0, hasAudio: false });
    this.name = name;
  }
  replaceWithPlaceholder(
    name: unknown,
    width: unknown,
    height: unknown,
    _rate: unknown,
    duration: unknown,
  ): void {
    const footage = this._footage;
    footage.source = { kind: 'placeholder' };
    Object.assign(footage, { width: Number(width), height: Number(height), duration: Number(duration) });
    this.name = name;
  }
  openInViewer(): null {
    return null;
  }
}

/** A file that After Effects takes, and what is known of it. Throws for any other. */
export function importable(file: unknown, method: string) {
  if (!(file instanceof ScriptFile)) throw badParameter(method, 1, 'Value is not a File.');
  if (!file.exists) throw aeError(`File “${file._path}” does not exist.`);
  const media = probeMedia(file._path);
  if (!media)
    throw aeError(`File “${file._path}” can not be imported: unsupported file type or damaged file.`);
  return { path: file._path, name: file.displayName, media };
}

/** 29.97 and its kind are n·1000/1001. */
function exactFps(fps: number): number {
  const near = (Math.ceil(fps) * 1000) / 1001;
  return Math.abs(fps - near) < 0.005 ? near : fps;
}

/** "main" → "main 2" → "main 3". */
function nextName(name: string): string {
  const match = /^(.*) (\d+)$/.exec(name);
  return match ? `${match[1]} ${Number(match[2]) + 1}` : `${name} 2`;
}
