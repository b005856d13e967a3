/** The render queue. What is in it is not saved: projects that are described have none. */
import { Indexed } from '../script-host/realm.ts';
import type { ScriptFile } from '../script-host/script-file.ts';
import { aeError, badParameter, memberAt } from './ae-error.ts';
import { ENUMS } from './enums.ts';
import { CompItem } from './item.ts';
import type { ModelConfig } from './session.ts';

export class RenderQueue {
  readonly #config: ModelConfig;
  readonly _items: RenderQueueItem[] = [];

  constructor(config: ModelConfig) {
    this.#config = config;
  }

  get items(): RQItemCollection {
    return new RQItemCollection(this, this.#config);
  }
  get numItems(): number {
    return this._items.length;
  }
  get rendering(): boolean {
    return false;
  }
  get canQueueInAME(): boolean {
    return false;
  }
  item(index: unknown): RenderQueueItem {
    return memberAt(this._items, index, 'item');
  }
  /** Rendering is the business of aerender. */
  render(): void {
    throw aeError('Rendering within After Effects is not simulated.');
  }
}

export class RQItemCollection extends Indexed {
  readonly #queue: RenderQueue;
  readonly #config: ModelConfig;

  constructor(queue: RenderQueue, config: ModelConfig) {
    super();
    this.#queue = queue;
    this.#config = config;
  }

  get length(): number {
    return this.#queue._items.length;
  }
  _at(index: number): RenderQueueItem {
    return this.#queue.item(index);
  }
  add(comp: unknown): RenderQueueItem {
    if (!(comp instanceof CompItem)) throw badParameter('add', 1, 'Value is not a CompItem.');
    const made = new RenderQueueItem(this.#queue, this.#config, comp);
    this.#queue._items.push(made);
    return made;
  }
}

export class RenderQueueItem {
  readonly #queue: RenderQueue;
  readonly #config: ModelConfig;
  readonly #comp: CompItem;
  readonly #modules: OutputModule[];
  #isOn = true;

  constructor(queue: RenderQueue, config: ModelConfig, comp: CompItem) {
    this.#queue = queue;
    this.#config = config;
    this.#comp = comp;
    this.#modules = [new OutputModule(config)];
  }

  get comp(): CompItem {
    return this.#comp;
  }
  get templates(): readonly string[] {
    return [...this.#config.renderSettings, '_HIDDEN X-Factor 16'];
  }
  get status(): number {
    const { QUEUED, UNQUEUED, NEEDS_OUTPUT } = ENUMS.RQItemStatus;
    return this.#modules.some(({ file }) => !file) ? NEEDS_OUTPUT : this.#isOn ? QUEUED : UNQUEUED;
  }
  get render(): boolean {
    return this.#isOn;
  }
  set render(value: unknown) {
    this.#isOn = Boolean(value);
  }
  get timeSpanStart(): number {
    return this.#comp.workAreaStart;
  }
  set timeSpanStart(_value: unknown) {}
  get timeSpanDuration(): number {
    return this.#comp.workAreaDuration;
  }
  set timeSpanDuration(_value: unknown) {}
  get numOutputModules(): number {
    return this.#modules.length;
  }
  get outputModules(): readonly OutputModule[] {
    return this.#modules;
  }
  outputModule(index: unknown): OutputModule {
    return memberAt(this.#modules, index, 'outputModule');
  }
  applyTemplate(name: unknown): void {
    if (!this.templates.includes(String(name))) throw aeError(`Template “${String(name)}” not found.`);
  }
  remove(): void {
    const at = this.#queue._items.indexOf(this);
    if (at === -1) throw aeError('Object is invalid');
    this.#queue._items.splice(at, 1);
  }
}

export class OutputModule {
  readonly #config: ModelConfig;
  #file: ScriptFile | null = null;
  #name = 'Lossless';

  constructor(config: ModelConfig) {
    this.#config = config;
  }

  get name(): string {
    return this.#name;
  }
  get templates(): readonly string[] {
    return this.#config.outputModules;
  }
  get file(): ScriptFile | null {
    return this.#file;
  }
  set file(value: unknown) {
    this.#file = value as ScriptFile;
  }
  applyTemplate(name: unknown): void {
    if (!this.templates.includes(String(name))) throw aeError(`Template “${String(name)}” not found.`);
    this.#name = String(name);
  }
}
