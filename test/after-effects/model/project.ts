/** `app.project`. */
import { existsSync } from 'node:fs';
import { dirname } from 'node:path';
import { writeProject } from '../project-file.ts';
import { Indexed } from '../script-host/realm.ts';
import { ScriptFile } from '../script-host/script-file.ts';
import type { SimFootage } from '../sim-project.ts';
import { aeError, badParameter, memberAt } from './ae-error.ts';
import { ENUMS } from './enums.ts';
import { type CompItem, type FolderItem, type Item, importable, rootFolder } from './item.ts';
import { RenderQueue } from './render-queue.ts';
import type { Session } from './session.ts';

export class Project {
  readonly #session: Session;
  #queue: RenderQueue;

  constructor(session: Session) {
    this.#session = session;
    this.#queue = new RenderQueue(session.config);
  }

  get file(): ScriptFile | null {
    return this.#session.path === null ? null : new ScriptFile(this.#session.path);
  }
  get rootFolder(): FolderItem {
    return rootFolder(this.#session);
  }
  get items(): ProjectItems {
    return new ProjectItems(this.#session);
  }
  get numItems(): number {
    return this.#session.project.items.length;
  }
  get activeItem(): null {
    return null;
  }
  get selection(): readonly Item[] {
    return [];
  }
  get renderQueue(): RenderQueue {
    return this.#queue;
  }
  get bitsPerChannel(): number {
    return 8;
  }
  set bitsPerChannel(_value: unknown) {}
  get expressionEngine(): string {
    return 'javascript-1.0';
  }
  set expressionEngine(_value: unknown) {}
  get dirty(): boolean {
    return true;
  }
  get revision(): number {
    return 1;
  }

  item(index: unknown): Item {
    return this.#session.item(memberAt(this.#session.project.items, index, 'item'));
  }
  itemByID(id: unknown): Item | null {
    return typeof id === 'number' ? this.#session.itemById(id) : null;
  }

  /** Throws for a missing file or one that cannot be imported. */
  importFile(options: unknown): Item {
    if (!(options instanceof ImportOptions))
      throw badParameter('importFile', 1, 'Value is not an ImportOptions.');
    const { path, name, media } = importable(options.file, 'importFile');
    const made = this.#session.add(
      (id): SimFootage => ({
        type: 'footage',
        id,
        name,
        parent: null,
        source: { kind: 'file', path },
        ...media,
      }),
    );
    return this.#session.item(made);
  }
  importPlaceholder(name: unknown, width: unknown, height: unknown, _rate: unknown, duration: unknown): Item {
    const made = this.#session.add(
      (id): SimFootage => ({
        type: 'footage',
        id,
        name: String(name),
        parent: null,
        source: { kind: 'placeholder' },
        width: Number(width),
        height: Number(height),
        duration: Number(duration),
        hasAudio: false,
      }),
    );
    return this.#session.item(made);
  }

  /** Without a file: where it was. A project that was never saved would ask; nobody answers. */
  save(file?: unknown): void {
    const path = file instanceof ScriptFile ? file._path : this.#session.path;
    this.#session.onSave();
    if (path === null) throw aeError('The project has no file yet.');
    if (!existsSync(dirname(path))) throw aeError(`Can not save “${path}”: the folder does not exist.`);
    const { project, config } = this.#session;
    writeProject(path, { ...project, version: config.version, savedAs: path });
    this.#session.path = path;
  }

  close(options: unknown): boolean {
    const { CloseOptions } = ENUMS;
    if (options === CloseOptions.SAVE_CHANGES) this.save();
    else if (options !== CloseOptions.DO_NOT_SAVE_CHANGES)
      throw badParameter('close', 1, 'Nobody answers a question.');
    this.#session.close();
    this._emptyQueue();
    return true;
  }
  removeUnusedFootage(): number {
    const { project } = this.#session;
    const used = new Set(
      project.items
        .flatMap((item) => (item.type === 'comp' ? item.layers : []))
        .map((layer) => layer.sourceId),
    );
    const before = project.items.length;
    project.items = project.items.filter((item) => item.type !== 'footage' || used.has(item.id));
    return before - project.items.length;
  }
  autoFixExpressions(): void {}
  showWindow(): void {}

  _emptyQueue(): void {
    this.#queue = new RenderQueue(this.#session.config);
  }
}

/** `app.project.items`: all items, also those in folders. */
export class ProjectItems extends Indexed {
  readonly #session: Session;

  constructor(session: Session) {
    super();
    this.#session = session;
  }

  get length(): number {
    return this.#session.project.items.length;
  }
  _at(index: number): Item {
    return this.#session.item(memberAt(this.#session.project.items, index, 'item'));
  }
  addFolder(name: unknown): FolderItem {
    return rootFolder(this.#session).items.addFolder(name);
  }
  addComp(...parts: readonly unknown[]): CompItem {
    const [name, width, height, aspect, duration, fps] = parts;
    return rootFolder(this.#session).items.addComp(name, width, height, aspect, duration, fps);
  }
}

export class ImportOptions {
  #file: ScriptFile | null;
  #importAs: number = ENUMS.ImportAsType.FOOTAGE;
  #sequence = false;

  /** `new ImportOptions(file)`. */
  constructor(file: unknown) {
    if (file !== undefined && !(file instanceof ScriptFile))
      throw badParameter('ImportOptions', 1, 'Value is not a File.');
    if (file && !file.exists) throw aeError(`File “${file._path}” does not exist.`);
    this.#file = file ?? null;
  }

  get file(): ScriptFile | null {
    return this.#file;
  }
  set file(value: unknown) {
    this.#file = value as ScriptFile;
  }
  get importAs(): number {
    return this.#importAs;
  }
  set importAs(value: unknown) {
    this.#importAs = Number(value);
  }
  get sequence(): boolean {
    return this.#sequence;
  }
  set sequence(value: unknown) {
    this.#sequence = Boolean(value);
  }
  get forceAlphabetical(): boolean {
    return false;
  }
  set forceAlphabetical(_value: unknown) {}
  canImportAs(type: unknown): boolean {
    return type === ENUMS.ImportAsType.FOOTAGE;
  }
}
