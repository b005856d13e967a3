/** The project that the stand-in for After Effects works on: a description in JSON behind the RIFX data of an .aep file. */

/** A project. Items in the order of the project panel; ids are unique and not 0. */
export interface SimProject {
  /** Of the After Effects that saved it, e.g. "23.5". */
  readonly version: string;
  /** Where it was saved: footage that lies as it lay from there is found elsewhere too. Default: where it is written. */
  savedAs?: string;
  items: SimItem[];
}

export type SimItem = SimFolder | SimComp | SimFootage;

interface SimItemBase {
  readonly id: number;
  name: string;
  /** Id of its folder; null: at the top. */
  parent: number | null;
}

export interface SimFolder extends SimItemBase {
  readonly type: 'folder';
}

export interface SimComp extends SimItemBase {
  readonly type: 'comp';
  width: number;
  height: number;
  /** 29.97 and 23.976 mean n·1000/1001. */
  fps: number;
  dropFrame: boolean;
  /** Seconds. */
  duration: number;
  displayStartFrame: number;
  /** Red, green, blue, 0 to 1. */
  background: [number, number, number];
  /** Seconds. */
  workArea: { start: number; duration: number };
  /** Top to bottom. */
  layers: SimLayer[];
  /** Properties offered in Essential Graphics, by name → path in the composition ("Layer/Transform/Opacity"). */
  essential: Record<string, string>;
}

export interface SimFootage extends SimItemBase {
  readonly type: 'footage';
  source:
    | { kind: 'file'; path: string }
    | { kind: 'solid'; color: [number, number, number] }
    | { kind: 'placeholder' };
  /** 0: sound alone. */
  width: number;
  height: number;
  /** Seconds; 0: a still. */
  duration: number;
  hasAudio: boolean;
  /** How often it is played; default: once. */
  loop?: number;
}

export type SimLayerKind = 'text' | 'shape' | 'null' | 'footage' | 'solid' | 'comp' | 'camera' | 'light';

export interface SimLayer {
  name: string;
  kind: SimLayerKind;
  /** Of the item it shows; null: none. */
  sourceId: number | null;
  enabled: boolean;
  audioEnabled: boolean;
  /** Seconds in the composition. */
  inPoint: number;
  outPoint: number;
  startTime: number;
  /** Percent; 100 is the speed of the source. */
  stretch: number;
  timeRemapEnabled: boolean;
  locked?: boolean;
  threeD?: boolean;
  adjustment?: boolean;
  guide?: boolean;
  shy?: boolean;
  solo?: boolean;
  /** Unique in the composition; needed only for what others name as their parent. */
  id?: number;
  /** `id` of the layer that it follows. */
  parent?: number | null;
  comment?: string;
  /** Top-level groups: "ADBE Text Properties", "ADBE Transform Group", "ADBE Effect Parade", "ADBE Root Vectors Group", … */
  properties: SimProperty[];
  markers: { time: number; comment: string }[];
}

/** A group (with `children`) or a property (with `value`). */
export interface SimProperty {
  name: string;
  readonly matchName: string;
  enabled?: boolean;
  children?: SimProperty[];
  /** What `PropertyValueType` it has. */
  valueType?: 'text' | 'color' | 'number' | 'boolean' | 'point' | 'layer' | 'shape' | 'none';
  value?: SimValue;
  /** Linear between them; times in seconds. */
  keyframes?: { time: number; value: SimValue }[];
  /** What overrules the value. */
  expression?: string;
  /** An expression that is switched off. */
  disabledExpression?: string;
  min?: number;
  max?: number;
}

export type SimValue = number | number[] | string | boolean | SimText | SimShape;

/** A text document. Lines end with "\r", as in After Effects. */
export interface SimText {
  text: string;
  font: string;
  fontFamily: string;
  fontStyle: string;
  fontSize: number;
  fillColor: [number, number, number];
  applyFill: boolean;
  strokeColor: [number, number, number];
  strokeWidth: number;
  applyStroke: boolean;
  justification: 'left' | 'center' | 'right' | 'justify';
  leading: number;
  tracking: number;
  /** What not all characters have alike; the value is that of the first. */
  mixed?: ('fontSize' | 'fillColor')[];
  /** Fonts of later characters, from the one with this index on. */
  moreFonts?: { from: number; font: string }[];
  /** Paragraph text has a box; point text has none. */
  box: { size: [number, number]; pos: [number, number] } | null;
}

/** A rectangle or ellipse of a shape layer, in pixels around the layer's anchor. */
export interface SimShape {
  shape: 'rectangle' | 'ellipse';
  size: [number, number];
  /** Corners of a path that a script made, in the coordinates of its layer. */
  vertices?: [number, number][];
}
