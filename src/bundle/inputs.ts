/** A job's inputs against the manifest: everything that can be refused before any render is refused here. */
import { didYouMean } from '../lib/did-you-mean.ts';
import { FlatrenderError } from '../lib/errors.ts';
import type { AssetRef, InputValue, InputValues } from '../protocol/jobs.ts';
import { fileProblem } from './input-files.ts';
import type { InputDefinition, Manifest } from './manifest.ts';

/** One input that was refused, by its exact name. */
export interface InputProblem {
  readonly input: string;
  readonly message: string;
}

/** A value that fits, in its canonical form, or why it does not. */
type Checked = { readonly value: InputValue } | { readonly problem: string };

/**
 * The values a job renders with: those given, in canonical form (line ends, colours in lower case), and the defaults of
 * the others except files of the bundle, which the node takes from there. INPUT_INVALID names every problem at once;
 * `details.problems` has them one by one.
 */
export function checkInputs(manifest: Manifest, given: Readonly<Record<string, unknown>>): InputValues {
  const problems: InputProblem[] = [];
  const values: Record<string, InputValue> = {};
  const names = Object.keys(manifest.inputs);
  for (const [name, definition] of Object.entries(manifest.inputs)) {
    let value = Object.hasOwn(given, name) ? given[name] : undefined;
    if (value === undefined && !isFileInput(definition)) value = definition.default;
    if (value === undefined) {
      if (definition.required) {
        problems.push({ input: name, message: `is required (${article(definition.type)})` });
      }
      continue;
    }
    const checked = checkValue(definition, value);
    if ('problem' in checked) problems.push({ input: name, message: checked.problem });
    else values[name] = checked.value;
  }
  for (const name of Object.keys(given)) {
    if (Object.hasOwn(manifest.inputs, name)) continue;
    const known = names.length === 0 ? '; this template has none' : '';
    problems.push({ input: name, message: `there is no such input${didYouMean(name, names) || known}` });
  }
  if (problems.length > 0) throw inputInvalid(manifest, problems);
  return values;
}

/** Whether an input takes a file. */
export function isFileInput(
  definition: InputDefinition,
): definition is Extract<InputDefinition, { type: 'image' | 'audio' | 'video' | 'font' }> {
  return ['image', 'audio', 'video', 'font'].includes(definition.type);
}

/** The value in canonical form, or the problem with it. A file must be an AssetRef. */
export function checkValue(definition: InputDefinition, value: unknown): Checked {
  switch (definition.type) {
    case 'text':
      return checkText(definition, value);
    case 'number':
      return checkNumber(definition, value);
    case 'color':
      if (typeof value !== 'string' || !/^#[0-9a-fA-F]{6}([0-9a-fA-F]{2})?$/.test(value)) {
        return { problem: `must be a colour such as #ff3366, not ${show(value)}` };
      }
      return { value: value.toLowerCase() };
    case 'boolean':
      return typeof value === 'boolean'
        ? { value }
        : { problem: `must be true or false, not ${show(value)}` };
    case 'choice': {
      const { options } = definition;
      if (typeof value === 'string' && options.includes(value)) return { value };
      const guess = typeof value === 'string' ? didYouMean(value, options) : '';
      const shown =
        options.length > 20
          ? `${options.slice(0, 20).join(', ')}, … (${options.length})`
          : options.join(', ');
      return { problem: `must be one of ${shown}, not ${show(value)}${guess}` };
    }
    default: {
      if (!isAsset(value)) return { problem: `must be ${article(definition.type)}, not ${show(value)}` };
      const problem = fileProblem(definition, value);
      return problem === null ? { value } : { problem };
    }
  }
}

function checkText(definition: Extract<InputDefinition, { type: 'text' }>, value: unknown): Checked {
  if (typeof value !== 'string') return { problem: `must be a text, not ${show(value)}` };
  const text = definition.multiline ? value.replace(/\r\n?/g, '\n') : value;
  if (!text.isWellFormed()) {
    return {
      problem: `contains half of a character (a lone surrogate) at position ${loneSurrogate(text) + 1}`,
    };
  }
  const control = (definition.multiline ? /[\0-\x09\x0b-\x1f\x7f-\x9f]/ : /[\0-\x1f\x7f-\x9f]/).exec(text);
  if (control) {
    const what =
      control[0] === '\n' || control[0] === '\r'
        ? 'a line break'
        : `the control character ${codePoint(control[0])}`;
    return {
      problem: `contains ${what} at position ${control.index + 1}; ${definition.multiline ? 'only line breaks' : 'none'} allowed`,
    };
  }
  const { minLength, maxLength } = definition;
  // People's characters are never more than code units: most texts need no counting.
  if (text.length > maxLength || text.length < minLength || minLength > 1) {
    const length = graphemes(text);
    if (length > maxLength) return { problem: `has ${count(length)}; at most ${maxLength} are allowed` };
    if (length < minLength) return { problem: `has ${count(length)}; at least ${minLength} are needed` };
  }
  return { value: text };
}

function checkNumber(definition: Extract<InputDefinition, { type: 'number' }>, value: unknown): Checked {
  if (typeof value !== 'number' || !Number.isFinite(value)) {
    return { problem: `must be a number, not ${show(value)}` };
  }
  const { min, max, integer } = definition;
  if (integer && !Number.isSafeInteger(value)) return { problem: `must be a whole number, not ${value}` };
  if (min !== undefined && value < min) return { problem: `is ${value}; at least ${min} is allowed` };
  if (max !== undefined && value > max) return { problem: `is ${value}; at most ${max} is allowed` };
  return { value };
}

const segmenter = new Intl.Segmenter(undefined, { granularity: 'grapheme' });

/** Length of a text in characters as people count them: a flag or a family emoji is one. */
function graphemes(text: string): number {
  let count = 0;
  for (const _ of segmenter.segment(text)) count += 1;
  return count;
}

function isAsset(value: unknown): value is AssetRef {
  return (
    typeof value === 'object' && value !== null && 'asset' in value && 'sizeBytes' in value && 'name' in value
  );
}

function inputInvalid(manifest: Manifest, problems: readonly InputProblem[]): FlatrenderError {
  const template = `${manifest.name}@${manifest.version}`;
  const lines = problems.map(({ input, message }) => `input ${JSON.stringify(input)} ${message}`);
  const message = lines.length === 1 ? lines[0] : `${lines.length} inputs are wrong\n${lines.join('\n')}`;
  return new FlatrenderError('INPUT_INVALID', `template ${template}: ${message}`, {
    hint: `run "flatrender template show ${template}" to see its inputs and their limits`,
    details: { template, problems },
  });
}

function article(type: InputDefinition['type']): string {
  if (type === 'image' || type === 'audio') return `an ${type}${type === 'audio' ? ' file' : ''}`;
  return `a ${type}${type === 'video' || type === 'font' ? ' file' : ''}`;
}

function count(length: number): string {
  return length === 1 ? '1 character' : `${length} characters`;
}

function loneSurrogate(text: string): number {
  return /(?<![\ud800-\udbff])[\udc00-\udfff]|[\ud800-\udbff](?![\udc00-\udfff])/.exec(text)?.index ?? 0;
}

function codePoint(char: string): string {
  return `U+${char.charCodeAt(0).toString(16).toUpperCase().padStart(4, '0')}`;
}

function show(value: unknown): string {
  if (isAsset(value)) return `the file ${JSON.stringify(value.name)}`;
  if (value === null) return 'nothing';
  if (typeof value === 'object') return 'a group of values';
  const text = JSON.stringify(value) ?? String(value);
  return text.length > 60 ? `${text.slice(0, 60)}…` : text;
}
