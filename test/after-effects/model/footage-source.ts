/** What footage comes from. */
import type { ScriptFile } from '../script-host/script-file.ts';
import type { SimFootage } from '../sim-project.ts';
import { badValue, numberFor } from './ae-error.ts';
import { ENUMS } from './enums.ts';
import type { FootageItem } from './item.ts';

/** One for each look at it: what it knows is kept in the item. */
export function makeSource(item: FootageItem): FootageSource {
  const { kind } = item._footage.source;
  if (kind === 'file') return new FileSource(item);
  return kind === 'solid' ? new SolidSource(item) : new PlaceholderSource(item);
}

export abstract class FootageSource {
  readonly _of: FootageItem;

  constructor(item: FootageItem) {
    this._of = item;
  }

  get _footage(): SimFootage {
    return this._of._footage;
  }
  get isStill(): boolean {
    return this._footage.duration === 0;
  }
  get hasAlpha(): boolean {
    return false;
  }
  get alphaMode(): number {
    return ENUMS.AlphaMode.STRAIGHT;
  }
  set alphaMode(_value: unknown) {}
  get loop(): number {
    return this._footage.loop ?? 1;
  }
  set loop(value: unknown) {
    if (this.isStill) throw badValue('loop', 'A still can not be looped.');
    this._footage.loop = numberFor('loop', value, 1, 9999);
  }
  get displayFrameRate(): number {
    return this._of.frameRate;
  }
  get nativeFrameRate(): number {
    return this._of.frameRate;
  }
  get conformFrameRate(): number {
    return 0;
  }
  set conformFrameRate(_value: unknown) {}
  guessAlphaMode(): void {}
}

export class FileSource extends FootageSource {
  get file(): ScriptFile | null {
    return this._of.file;
  }
  /** Where a file was that is not there; empty for those that are. */
  get missingFootagePath(): string {
    return this._of.footageMissing ? (this._of.file?._path ?? '') : '';
  }
  reload(): void {}
}

export class SolidSource extends FootageSource {
  get color(): number[] {
    const { source } = this._footage;
    return source.kind === 'solid' ? source.color : [0, 0, 0];
  }
  set color(value: unknown) {
    const { source } = this._footage;
    if (!Array.isArray(value) || value.length !== 3)
      throw badValue('color', 'Value is not an array of 3 numbers.');
    const [red = 0, green = 0, blue = 0] = value.map((part) => numberFor('color', part, 0, 1));
    if (source.kind === 'solid') source.color = [red, green, blue];
  }
}

export class PlaceholderSource extends FootageSource {}
