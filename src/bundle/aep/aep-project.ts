/** What the inspector reads out of an After Effects project. */

/** An After Effects project without After Effects. Items are in the order of the file. */
export interface AepProject {
  /** Of the After Effects that saved it: "23.5.0x52"; null when the file does not say. */
  readonly version: string | null;
  /** What that After Effects ran on. */
  readonly platform: 'windows' | 'macos' | null;
  readonly folders: readonly AepFolder[];
  readonly compositions: readonly AepComposition[];
  readonly footage: readonly AepFootage[];
  /** Of all text layers, by name. */
  readonly fonts: readonly AepFont[];
  /** Match names of the effects on all layers, sorted: `ADBE Fill`, and those of plug-ins. */
  readonly effects: readonly string[];
}

export interface AepItem {
  /** Unique in the project, never 0. */
  readonly id: number;
  /** Any text; several items may share one. */
  readonly name: string;
  /** `id` of the folder it is in; null: at the top. */
  readonly folder: number | null;
}

export type AepFolder = AepItem;

export interface AepComposition extends AepItem {
  readonly width: number;
  readonly height: number;
  /** To four decimals, as After Effects shows it: 23.976, 29.97. */
  readonly fps: number;
  readonly durationSeconds: number;
  readonly layers: readonly AepLayer[];
}

/**
 * `null` and `adjustment` before what their source is; then what the source is: `composition`, `solid`, `footage` (files and
 * placeholders). `model`: a 3D model. `unknown`: a type that this program does not know, or a source that is not there.
 */
export type AepLayerKind =
  | 'text'
  | 'shape'
  | 'camera'
  | 'light'
  | 'model'
  | 'null'
  | 'adjustment'
  | 'solid'
  | 'composition'
  | 'footage'
  | 'unknown';

export interface AepLayer {
  /** From 1, top to bottom, as in After Effects. */
  readonly index: number;
  /** Its own name, else that of its source. */
  readonly name: string;
  readonly kind: AepLayerKind;
  /** `id` of the item it shows; null: none, or none that is there. */
  readonly sourceId: number | null;
  readonly sourceName: string | null;
  /** The eye. */
  readonly enabled: boolean;
  readonly solo: boolean;
  readonly shy: boolean;
  readonly locked: boolean;
  readonly guide: boolean;
  /** Also of text and shape layers, whose `kind` stays what they are. */
  readonly adjustment: boolean;
  readonly threeD: boolean;
  /** Of a text layer (with keyframes: the first); lines end with "\n". null: not a text layer. */
  readonly text: string | null;
  /** PostScript names of the fonts that its text is set in. */
  readonly fonts: readonly string[];
  /** Top to bottom. */
  readonly effects: readonly AepEffect[];
}

export interface AepEffect {
  /** What scripts and files call it, the same in every language. */
  readonly matchName: string;
  /** What the panel shows: renamed, or in the language of the After Effects that saved it. */
  readonly name: string;
}

export interface AepFootage extends AepItem {
  readonly kind: 'file' | 'solid' | 'placeholder';
  /** As After Effects stored it: absolute, of the machine that saved it. null: not a file, or not stored. */
  readonly path: string | null;
  /**
   * Where After Effects looks when there is nothing at `path`: relative to the folder of the project, with forward slashes
   * ("media/logo.png", "../media/logo.png"). null: not stored.
   */
  readonly relativePath: string | null;
  /** The path is a folder: an image sequence. */
  readonly isSequence: boolean;
  /** 0 × 0: sound alone. */
  readonly width: number;
  readonly height: number;
  /** #rrggbb of a solid. */
  readonly color: string | null;
}

export interface AepFont {
  /** PostScript name. */
  readonly name: string;
  /**
   * Some text is set in it. After Effects lists others with every text (`AdobeInvisFont`, `Myriad-Roman`, the default styles);
   * they are not needed.
   */
  readonly used: boolean;
}
