/**
 * Builds project descriptions, written as people think of them:
 *
 *     const build = new ProjectBuilder();
 *     const logo = build.file('logo', '/a/logo.png', { width: 200, height: 100 });
 *     build.comp('main', { layers: [textLayer('Title', 'Hello', { fontSize: 60 }), footageLayer(logo)] });
 *     writeProject('/a/project.aep', build.project);
 */
import { completeLayer, property, textDocument } from './default-properties.ts';
import type {
  SimComp,
  SimFolder,
  SimFootage,
  SimItem,
  SimLayer,
  SimLayerKind,
  SimProject,
  SimProperty,
  SimText,
} from './sim-project.ts';

export type Rgb = [number, number, number];

/** A project that grows; ids are given in order. */
export class ProjectBuilder {
  readonly project: SimProject;
  #lastId = 0;

  /** Of the After Effects that "saved" it; `savedAs`: where it was on the machine of its author. */
  constructor(parts: { readonly version?: string; readonly savedAs?: string } = {}) {
    this.project = { version: parts.version ?? '24.2', items: [] };
    if (parts.savedAs !== undefined) this.project.savedAs = parts.savedAs;
  }

  folder(name: string, parent: SimFolder | null = null): SimFolder {
    return this.#add({ type: 'folder', id: this.#id(), name, parent: parent?.id ?? null });
  }

  /** 320 × 180 at 25 fps, 2 s, black. Layers that say nothing else last as long as it and are in its middle. */
  comp(name: string, parts: Partial<Omit<SimComp, 'type' | 'id' | 'name'>> = {}): SimComp {
    const duration = parts.duration ?? 2;
    const comp: SimComp = {
      type: 'comp',
      id: this.#id(),
      name,
      parent: null,
      width: 320,
      height: 180,
      fps: 25,
      dropFrame: false,
      duration,
      displayStartFrame: 0,
      background: [0, 0, 0],
      workArea: { start: 0, duration },
      layers: [],
      essential: {},
      ...parts,
    };
    for (const layer of comp.layers) {
      if (layer.outPoint === Number.POSITIVE_INFINITY) layer.outPoint = comp.duration;
      completeLayer(layer, comp, this.project.items);
    }
    return this.#add(comp);
  }

  /** Footage of a file; a still unless `duration` says otherwise. */
  file(name: string, path: string, parts: Partial<Omit<SimFootage, 'source'>> = {}): SimFootage {
    return this.#footage(name, { kind: 'file', path }, parts);
  }

  /** Footage that can be heard alone. */
  audio(name: string, path: string, duration: number, parts: Partial<SimFootage> = {}): SimFootage {
    return this.file(name, path, { width: 0, height: 0, duration, hasAudio: true, ...parts });
  }

  solid(name: string, color: Rgb, parts: Partial<SimFootage> = {}): SimFootage {
    return this.#footage(name, { kind: 'solid', color }, parts);
  }

  placeholder(name: string, parts: Partial<SimFootage> = {}): SimFootage {
    return this.#footage(name, { kind: 'placeholder' }, parts);
  }

  #footage(name: string, source: SimFootage['source'], parts: Partial<SimFootage>): SimFootage {
    const base = { width: 320, height: 180, duration: 0, hasAudio: false };
    return this.#add({ type: 'footage', id: this.#id(), name, parent: null, ...base, ...parts, source });
  }

  #id(): number {
    this.#lastId += 1;
    return this.#lastId;
  }

  #add<T extends SimItem>(item: T): T {
    this.project.items.push(item);
    return item;
  }
}

/** What all layers can be given besides what their own functions take. */
export interface LayerParts extends Partial<Omit<SimLayer, 'name' | 'kind' | 'sourceId' | 'properties'>> {
  readonly name?: string;
  readonly position?: readonly number[];
  readonly anchor?: readonly number[];
  /** Percent. */
  readonly scale?: readonly number[];
  readonly rotation?: number;
  /** Percent. */
  readonly opacity?: number;
  readonly effects?: readonly SimProperty[];
  /** More top-level groups. */
  readonly groups?: readonly SimProperty[];
}

/** A layer of any kind. */
export function layerOf(
  kind: SimLayerKind,
  name: string,
  source: SimItem | null,
  parts: LayerParts = {},
): SimLayer {
  const { position, anchor, scale, rotation, opacity, effects, groups = [], name: own, ...rest } = parts;
  const transform = [
    ...(anchor ? [property('Anchor Point', 'ADBE Anchor Point', 'point', [...anchor])] : []),
    ...(position ? [property('Position', 'ADBE Position', 'point', [...position])] : []),
    ...(scale ? [property('Scale', 'ADBE Scale', 'point', [...scale])] : []),
    ...(rotation === undefined ? [] : [property('Rotation', 'ADBE Rotate Z', 'number', rotation)]),
    ...(opacity === undefined
      ? []
      : [property('Opacity', 'ADBE Opacity', 'number', opacity, { min: 0, max: 100 })]),
  ];
  const properties = [
    ...groups,
    ...(effects ? [{ name: 'Effects', matchName: 'ADBE Effect Parade', children: [...effects] }] : []),
    { name: 'Transform', matchName: 'ADBE Transform Group', children: transform },
  ];
  return {
    kind,
    name: own ?? name,
    sourceId: source?.id ?? null,
    enabled: true,
    audioEnabled: true,
    inPoint: 0,
    outPoint: Number.POSITIVE_INFINITY,
    startTime: 0,
    stretch: 100,
    timeRemapEnabled: false,
    markers: [],
    ...rest,
    properties,
  };
}

/** White text; a `box` makes it paragraph text. Lines end with "\n" or "\r". */
export function textLayer(
  name: string,
  text: string,
  document: Partial<Omit<SimText, 'text'>> = {},
  parts: LayerParts = {},
): SimLayer {
  const value = textDocument({ fillColor: [1, 1, 1], ...document, text: text.replaceAll('\n', '\r') });
  const source = property('Source Text', 'ADBE Text Document', 'text', value);
  const group = { name: 'Text', matchName: 'ADBE Text Properties', children: [source] };
  return layerOf('text', name, null, { ...parts, groups: [group, ...(parts.groups ?? [])] });
}

/** A layer that shows footage, a placeholder, or plays sound. */
export function footageLayer(item: SimFootage, parts: LayerParts = {}): SimLayer {
  const kind = item.source.kind === 'solid' ? 'solid' : 'footage';
  return layerOf(kind, item.name, item, parts);
}

/** A layer that shows another composition. */
export function compLayer(comp: SimComp, parts: LayerParts = {}): SimLayer {
  return layerOf('comp', comp.name, comp, parts);
}

/** A shape layer of what {@link rectangle} and {@link ellipse} make. */
export function shapeLayer(name: string, contents: readonly SimProperty[], parts: LayerParts = {}): SimLayer {
  const group = { name: 'Contents', matchName: 'ADBE Root Vectors Group', children: [...contents] };
  return layerOf('shape', name, null, { ...parts, groups: [group, ...(parts.groups ?? [])] });
}

interface ShapeParts {
  readonly size: [number, number];
  readonly fill?: Rgb;
  readonly stroke?: Rgb;
  readonly strokeWidth?: number;
  readonly position?: [number, number];
}

/** A group of a shape layer: a rectangle with its fill and stroke. */
export function rectangle(name: string, parts: ShapeParts): SimProperty {
  return shapeGroup(name, 'Rect', 'Rectangle', parts);
}

/** A group of a shape layer: an ellipse with its fill and stroke. */
export function ellipse(name: string, parts: ShapeParts): SimProperty {
  return shapeGroup(name, 'Ellipse', 'Ellipse', parts);
}

function shapeGroup(name: string, kind: 'Rect' | 'Ellipse', label: string, parts: ShapeParts): SimProperty {
  const { size, fill, stroke, strokeWidth = 2, position = [0, 0] } = parts;
  const path: SimProperty = {
    name: `${label} Path 1`,
    matchName: `ADBE Vector Shape - ${kind}`,
    children: [
      property('Size', `ADBE Vector ${kind} Size`, 'point', [...size]),
      property('Position', `ADBE Vector ${kind} Position`, 'point', [0, 0]),
    ],
  };
  const paint = (type: 'Fill' | 'Stroke', color: Rgb, more: readonly SimProperty[]): SimProperty => ({
    name: `${type} 1`,
    matchName: `ADBE Vector Graphic - ${type}`,
    children: [
      property('Color', `ADBE Vector ${type} Color`, 'color', [...color, 1]),
      property('Opacity', `ADBE Vector ${type} Opacity`, 'number', 100, { min: 0, max: 100 }),
      ...more,
    ],
  });
  const width = property('Stroke Width', 'ADBE Vector Stroke Width', 'number', strokeWidth, { min: 0 });
  const contents = [
    path,
    ...(stroke ? [paint('Stroke', stroke, [width])] : []),
    ...(fill ? [paint('Fill', fill, [])] : []),
  ];
  const transform = [
    property('Anchor Point', 'ADBE Vector Anchor', 'point', [0, 0]),
    property('Position', 'ADBE Vector Position', 'point', [...position]),
    property('Scale', 'ADBE Vector Scale', 'point', [100, 100]),
    property('Rotation', 'ADBE Vector Rotation', 'number', 0),
    property('Opacity', 'ADBE Vector Group Opacity', 'number', 100, { min: 0, max: 100 }),
  ];
  return {
    name,
    matchName: 'ADBE Vector Group',
    children: [
      { name: 'Contents', matchName: 'ADBE Vectors Group', children: contents },
      { name: 'Transform', matchName: 'ADBE Vector Transform Group', children: transform },
    ],
  };
}

/** The effect Fill. */
export function fillEffect(color: Rgb, name = 'Fill'): SimProperty {
  return effect(name, 'ADBE Fill', [
    property('Fill Mask', 'ADBE Fill-0001', 'number', 0),
    property('All Masks', 'ADBE Fill-0007', 'boolean', 0),
    property('Color', 'ADBE Fill-0002', 'color', [...color, 1]),
    property('Invert', 'ADBE Fill-0006', 'boolean', 0),
    property('Opacity', 'ADBE Fill-0005', 'number', 1, { min: 0, max: 1 }),
  ]);
}

export function sliderControl(name: string, value: number): SimProperty {
  const range = { min: -1_000_000, max: 1_000_000 };
  return effect(name, 'ADBE Slider Control', [
    property('Slider', 'ADBE Slider Control-0001', 'number', value, range),
  ]);
}

export function checkboxControl(name: string, isOn: boolean): SimProperty {
  return effect(name, 'ADBE Checkbox Control', [
    property('Checkbox', 'ADBE Checkbox Control-0001', 'boolean', isOn ? 1 : 0),
  ]);
}

export function colorControl(name: string, color: Rgb): SimProperty {
  return effect(name, 'ADBE Color Control', [
    property('Color', 'ADBE Color Control-0001', 'color', [...color, 1]),
  ]);
}

export function dropShadow(name = 'Drop Shadow'): SimProperty {
  return effect(name, 'ADBE Drop Shadow', [
    property('Shadow Color', 'ADBE Drop Shadow-0001', 'color', [0, 0, 0, 1]),
    property('Opacity', 'ADBE Drop Shadow-0002', 'number', 127.5, { min: 0, max: 255 }),
    property('Direction', 'ADBE Drop Shadow-0003', 'number', 135),
    property('Distance', 'ADBE Drop Shadow-0004', 'number', 5, { min: 0, max: 4000 }),
    property('Softness', 'ADBE Drop Shadow-0005', 'number', 0, { min: 0, max: 4000 }),
    property('Shadow Only', 'ADBE Drop Shadow-0006', 'boolean', 0),
  ]);
}

/** An effect; its parameters by match names of any kind. */
export function effect(name: string, matchName: string, children: SimProperty[]): SimProperty {
  return { name, matchName, children };
}
