/** What is open in this After Effects, and the objects that stand for its parts. */
import type { SimComp, SimItem, SimLayer, SimProject, SimProperty } from '../sim-project.ts';
import { aeError } from './ae-error.ts';
import { type Item, makeItem } from './item.ts';
import { type Layer, makeLayer } from './layer.ts';
import { Property } from './property.ts';
import { type PropertyBase, PropertyGroup, type PropertyPlace } from './property-base.ts';

/** The installation, as scripts see it. */
export interface ModelConfig {
  /** "24.2.1x2". */
  readonly version: string;
  /** "en_US". */
  readonly isoLanguage: string;
  readonly fonts: readonly { readonly postScriptName: string; readonly file: string | null }[];
  readonly renderSettings: readonly string[];
  readonly outputModules: readonly string[];
}

export class Session {
  readonly config: ModelConfig;
  /** The open project: always one, a new one has no items. */
  project: SimProject;
  /** Its file; null: never saved. */
  path: string | null = null;
  #items = new WeakMap<SimItem, Item>();
  #layers = new WeakMap<SimLayer, Layer>();
  #properties = new WeakMap<SimProperty, PropertyBase>();
  /** Called before every save: where faults strike. */
  onSave: () => void = () => {};

  constructor(config: ModelConfig) {
    this.config = config;
    this.project = this.#empty();
  }

  /** Opens a project in place of the one that is open. */
  open(project: SimProject, path: string | null): void {
    this.project = project;
    this.path = path;
  }

  close(): void {
    this.open(this.#empty(), null);
  }

  item(data: SimItem): Item {
    let item = this.#items.get(data);
    if (!item) {
      item = makeItem(this, data);
      this.#items.set(data, item);
    }
    return item;
  }

  itemById(id: number | null): Item | null {
    const data = this.project.items.find((item) => item.id === id);
    return data ? this.item(data) : null;
  }

  layer(comp: SimComp, data: SimLayer): Layer {
    let layer = this.#layers.get(data);
    if (!layer) {
      layer = makeLayer(this, comp, data);
      this.#layers.set(data, layer);
    }
    return layer;
  }

  property(place: PropertyPlace): PropertyBase {
    let property = this.#properties.get(place.data);
    if (!property) {
      property = place.data.children ? new PropertyGroup(place) : new Property(place);
      this.#properties.set(place.data, property);
    }
    return property;
  }

  /** Adds an item with the next id. */
  add<T extends SimItem>(make: (id: number) => T): T {
    const made = make(Math.max(0, ...this.project.items.map(({ id }) => id)) + 1);
    this.project.items.push(made);
    return made;
  }

  /** Throws when an item is no more in the open project. */
  requireOpen(data: SimItem): void {
    if (!this.project.items.includes(data)) throw aeError('Object is invalid');
  }

  fontFile(postScriptName: string): string | null {
    return this.config.fonts.find((font) => font.postScriptName === postScriptName)?.file ?? null;
  }

  #empty(): SimProject {
    return { version: this.config.version, items: [] };
  }
}
