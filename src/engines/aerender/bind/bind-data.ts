/**
 * What the engine and the script in After Effects tell each other: one JSON file in, one out, beside the script. ASCII
 * only (`\uXXXX`), because ExtendScript guesses encodings. Paths are absolute and native.
 */

/** `data.json`: what the script shall do. */
export interface BindData {
  readonly format: 1;
  /** The project of the bundle; only read. */
  readonly project: string;
  /** Where the bound copy is saved. */
  readonly saveTo: string;
  /** Where footage is looked for that is not at its place: the project's folder, then those above it, in the bundle. */
  readonly footageFolders: readonly string[];
  /** Composition to render: a name or "Folder/Name". */
  readonly composition: string;
  /** Length that the composition gets, seconds; null: as it is. */
  readonly durationSeconds: number | null;
  readonly missingFonts: 'refuse' | 'substitute';
  readonly missingFootage: 'refuse' | 'ignore';
  /** In this order. */
  readonly operations: readonly BindOperation[];
  /** The template's own scripts, run last. */
  readonly scripts: readonly string[];
  /** For those scripts (`flatrender.inputs`): values, and paths of files. */
  readonly inputs: Readonly<Record<string, string | number | boolean>>;
}

export interface LayerAddress {
  /** null: the rendered composition, then those in it. */
  readonly composition: string | null;
  /** Name, "Precomp/Layer", or number from 1. */
  readonly layer: string | number;
}

/** Red, green, blue, alpha, each 0 to 1. */
export type Rgba = readonly [number, number, number, number];

/** One change; `at` says whence it comes, for messages: `bind[2] (input "title")`. */
export type BindOperation = { readonly at: string } & (
  | {
      readonly op: 'text';
      readonly layer: LayerAddress;
      readonly text: string;
      readonly font: string | null;
      readonly size: number | null;
      readonly color: Rgba | null;
      readonly align: 'left' | 'center' | 'right' | 'justify' | null;
      readonly shrink: boolean;
    }
  | {
      readonly op: 'footage';
      /** Either a layer or a project item. */
      readonly layer: LayerAddress | null;
      readonly item: string | null;
      readonly file: string;
      readonly fit: 'contain' | 'cover' | 'stretch' | 'none';
      readonly time: 'keep' | 'trim' | 'loop' | 'stretch';
    }
  | {
      readonly op: 'color';
      readonly layer: LayerAddress;
      readonly color: Rgba;
      /** null: by the kind of the layer. */
      readonly property: string | null;
      readonly shape: string | null;
      readonly stroke: boolean;
    }
  | {
      readonly op: 'property';
      readonly layer: LayerAddress;
      readonly property: string;
      readonly value: string | number | boolean | Rgba;
    }
  | { readonly op: 'visible'; readonly layer: LayerAddress; readonly visible: boolean }
  | { readonly op: 'source'; readonly layer: LayerAddress; readonly composition: string }
  | {
      readonly op: 'expression';
      readonly layer: LayerAddress;
      readonly property: string;
      readonly expression: string;
    }
);

/** `result.json`, written last and renamed into place: its being there means that the script came to its end. */
export type BindResult = {
  readonly format: 1;
  /** `app.version`, e.g. "24.2x1". */
  readonly version: string;
  /** `app.isoLanguage`, e.g. "de_DE". */
  readonly language: string;
  /** What people should know; the render goes on. */
  readonly warnings: readonly string[];
  /** Names of templates that this After Effects has; empty: it would not say. */
  readonly renderSettings: readonly string[];
  readonly outputModules: readonly string[];
} & (BindDone | BindFailed);

export interface BindDone {
  readonly ok: true;
  readonly composition: {
    /** Unique in the bound copy: aerender takes names only. */
    readonly name: string;
    readonly width: number;
    readonly height: number;
    readonly fps: number;
    readonly frames: number;
    /** Number that After Effects gives the first frame. */
    readonly startFrame: number;
    readonly dropFrame: boolean;
    readonly hasAudio: boolean;
    /** Colour behind the layers, 0 to 1: what people see in After Effects; transparent in movies with an alpha channel. */
    readonly background: readonly [number, number, number];
  };
  /** Files that are not there (with `missingFootage: ignore`). */
  readonly missingFootage: readonly MissingFootage[];
  /** Fonts that this machine lacks (with `missingFonts: substitute`). */
  readonly missingFonts: readonly string[];
  /** PostScript names of the fonts that the rendered layers use, after the inputs are in. */
  readonly fonts: readonly string[];
}

export interface BindFailed {
  readonly ok: false;
  readonly error: {
    readonly code: BindErrorCode;
    readonly message: string;
    /** The operation's `at`, where it was one. */
    readonly at: string | null;
    /** Where a script failed. */
    readonly file: string | null;
    readonly line: number | null;
    /** What was meant, perhaps: names of layers, compositions, properties. */
    readonly candidates: readonly string[];
    readonly missingFootage: readonly MissingFootage[];
    readonly missingFonts: readonly string[];
  };
}

export interface MissingFootage {
  readonly name: string;
  readonly path: string;
}

export type BindErrorCode =
  /** Somebody works in this After Effects: it was left as it is. */
  | 'AE_OTHER_INSTANCE'
  | 'AE_PROJECT_INVALID'
  | 'AE_SCRIPT_ERROR'
  | 'AE_COMP_NOT_FOUND'
  | 'AE_LAYER_NOT_FOUND'
  | 'AE_PROPERTY_NOT_FOUND'
  | 'AE_MISSING_FOOTAGE'
  | 'AE_MISSING_FONT'
  | 'MEDIA_INVALID'
  /** A value that the property does not take: out of its range. */
  | 'INPUT_INVALID'
  /** A binding that does not suit its layer or property. */
  | 'TEMPLATE_INVALID';

/**
 * Files beside the script. `started` is written first: After Effects is up and runs it. It is written again before every
 * step and names it ("open", "bind[2] (input "title")"): a sign of life, and the last words of one that hangs.
 */
export const BIND_FILES = {
  script: 'bind.jsx',
  data: 'data.json',
  started: 'started',
  result: 'result.json',
} as const;

/**
 * With what After Effects ends after the script. 13: it could write no file, most likely because
 * "Allow Scripts to Write Files and Access Network" is off in its preferences (not verified against a real one).
 */
export const BIND_EXIT_CODES = { done: 0, failed: 1, cannotWrite: 13 } as const;
