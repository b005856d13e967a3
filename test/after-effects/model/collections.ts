/** Collections of items and layers, from 1. */
import { completeLayer, property, textDocument } from '../default-properties.ts';
import { layerOf } from '../project-builder.ts';
import { Indexed } from '../script-host/realm.ts';
import type { SimComp, SimFootage, SimItem, SimLayer } from '../sim-project.ts';
import { badParameter, memberAt } from './ae-error.ts';
import { AVItem, type CompItem, type FolderItem, type Item } from './item.ts';
import type { AVLayer, Layer } from './layer.ts';
import type { Session } from './session.ts';
import { TextDocument } from './text-document.ts';

export class ItemCollection extends Indexed {
  readonly #session: Session;
  readonly #parent: number | null;

  constructor(session: Session, parent: number | null) {
    super();
    this.#session = session;
    this.#parent = parent;
  }

  get length(): number {
    return this.#items.length;
  }
  _at(index: number): Item {
    return this.#session.item(memberAt(this.#items, index, 'item'));
  }
  addFolder(name: unknown): FolderItem {
    const made = this.#session.add((id) => ({
      type: 'folder',
      id,
      name: String(name),
      parent: this.#parent,
    }));
    return this.#session.item(made) as FolderItem;
  }
  addComp(
    name: unknown,
    width: unknown,
    height: unknown,
    pixelAspect: unknown,
    duration: unknown,
    fps: unknown,
  ): CompItem {
    for (const [position, value] of [width, height, pixelAspect, duration, fps].entries())
      if (typeof value !== 'number') throw badParameter('addComp', position + 2, 'Value is not a number.');
    const made = this.#session.add(
      (id): SimComp => ({
        type: 'comp',
        id,
        name: String(name),
        parent: this.#parent,
        width: Number(width),
        height: Number(height),
        fps: Number(fps),
        dropFrame: false,
        duration: Number(duration),
        displayStartFrame: 0,
        background: [0, 0, 0],
        workArea: { start: 0, duration: Number(duration) },
        layers: [],
        essential: {},
      }),
    );
    return this.#session.item(made) as CompItem;
  }

  get #items(): readonly SimItem[] {
    return this.#session.project.items.filter(({ parent }) => parent === this.#parent);
  }
}

export class LayerCollection extends Indexed {
  readonly #session: Session;
  readonly #comp: SimComp;

  constructor(session: Session, comp: SimComp) {
    super();
    this.#session = session;
    this.#comp = comp;
  }

  get length(): number {
    return this.#comp.layers.length;
  }
  _at(index: number): Layer {
    return this.#session.layer(this.#comp, memberAt(this.#comp.layers, index, 'layer'));
  }
  /** The first of that name; null: there is none. */
  byName(name: unknown): Layer | null {
    const found = this.#comp.layers.find((layer) => layer.name === name);
    return found ? this.#session.layer(this.#comp, found) : null;
  }
  add(item: unknown, duration?: unknown): AVLayer {
    if (!(item instanceof AVItem)) throw badParameter('add', 1, 'Value is not an AVItem.');
    const { _item: data } = item;
    const kind = data.type === 'comp' ? 'comp' : 'footage';
    const lasts = typeof duration === 'number' ? duration : item.duration || this.#comp.duration;
    return this.#add({ ...layerOf(kind, item.name, data), outPoint: lasts });
  }
  addNull(duration?: unknown): AVLayer {
    return this.#add(this.#lasting(layerOf('null', 'Null 1', null), duration));
  }
  addSolid(
    color: unknown,
    name: unknown,
    width: unknown,
    height: unknown,
    _pixelAspect: unknown,
    duration?: unknown,
  ): AVLayer {
    if (!Array.isArray(color) || color.length !== 3)
      throw badParameter('addSolid', 1, 'Value is not a colour.');
    const solid = this.#session.add(
      (id): SimFootage => ({
        type: 'footage',
        id,
        name: String(name),
        parent: null,
        source: { kind: 'solid', color: color as [number, number, number] },
        width: Number(width),
        height: Number(height),
        duration: 0,
        hasAudio: false,
      }),
    );
    return this.#add(this.#lasting(layerOf('solid', solid.name, solid), duration));
  }
  addText(text: unknown = ''): AVLayer {
    const value = text instanceof TextDocument ? text._text : textDocument({ text: String(text) });
    const source = property('Source Text', 'ADBE Text Document', 'text', value);
    const group = { name: 'Text', matchName: 'ADBE Text Properties', children: [source] };
    return this.#add(this.#lasting(layerOf('text', value.text, null, { groups: [group] }), undefined));
  }
  addShape(): AVLayer {
    return this.#add(this.#lasting(layerOf('shape', 'Shape Layer 1', null), undefined));
  }

  #lasting(layer: SimLayer, duration: unknown): SimLayer {
    return { ...layer, outPoint: typeof duration === 'number' ? duration : this.#comp.duration };
  }
  #add(layer: SimLayer): AVLayer {
    completeLayer(layer, this.#comp, this.#session.project.items);
    this.#comp.layers.unshift(layer);
    return this.#session.layer(this.#comp, layer) as AVLayer;
  }
}
