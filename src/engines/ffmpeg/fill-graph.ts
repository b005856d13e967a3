import { fillPlaceholders } from '../../bundle/placeholders.ts';
import { FlatrenderError } from '../../lib/errors.ts';
import type { EngineInput } from '../engine.ts';
import { escapeFilterPath, escapeFilterValue, filterColor, filterNumber } from './filter-escape.ts';
import { CHECKED_FONT, CHECKED_TEXT, checkGraph } from './graph-policy.ts';

export interface GraphValues {
  readonly width: number;
  readonly height: number;
  readonly fps: number;
  /** Seconds. */
  readonly duration: number;
  readonly inputs: Readonly<Record<string, EngineInput>>;
  /** Absolute path of the file that holds a text input, by the input's name. */
  readonly textFiles: Readonly<Record<string, string>>;
}

/**
 * Replaces the placeholders of a graph or a lavfi source and checks what it may do. Fonts stay relative: ffmpeg runs in
 * the bundle's directory. Throws TEMPLATE_INVALID.
 */
export function fillGraph(graph: string, where: string, values: GraphValues): string {
  const fill = (font: (path: string) => string, text: (name: string) => string): string =>
    fillPlaceholders(graph, ({ text: written, placeholder }) => {
      switch (placeholder.kind) {
        case 'value':
          return filterNumber(values[placeholder.name]);
        case 'input':
          return literalOf(placeholder.name, values.inputs[placeholder.name], where);
        case 'file':
          return text(placeholder.name);
        case 'font':
          return font(placeholder.path);
        default:
          throw new FlatrenderError(
            'TEMPLATE_INVALID',
            `engines.ffmpeg.${where}: ${written} means nothing here`,
          );
      }
    });
  const checked = fill(
    () => CHECKED_FONT,
    () => CHECKED_TEXT,
  );
  checkGraph(checked, where);
  return fill(escapeFilterPath, (name) => {
    const file = values.textFiles[name];
    if (file !== undefined) return escapeFilterPath(file);
    throw new FlatrenderError(
      'TEMPLATE_INVALID',
      `engines.ffmpeg.${where}: {file.${name}} is for a text input`,
    );
  });
}

function literalOf(name: string, input: EngineInput | undefined, where: string): string {
  if (input === undefined) {
    throw new FlatrenderError(
      'INPUT_INVALID',
      `input "${name}" has no value, and the filter graph needs one`,
      {
        hint: `set it, or give it a default in template.yaml (engines.ffmpeg.${where} uses it)`,
      },
    );
  }
  switch (input.type) {
    case 'number':
      return filterNumber(input.value);
    case 'boolean':
      return input.value ? '1' : '0';
    case 'color':
      return filterColor(input.value);
    case 'choice':
      return escapeFilterValue(input.value);
    default:
      throw new FlatrenderError(
        'TEMPLATE_INVALID',
        `engines.ffmpeg.${where}: {input.${name}} is a ${input.type}; only numbers, colours, booleans and choices can stand in a graph`,
      );
  }
}
