/** Inputs as people write them (`--set title=Hello`, a CSV row, a YAML file) turned into what the API takes. */
import { readFile, stat } from 'node:fs/promises';
import { basename, resolve } from 'node:path';
import type { InputDefinition } from '../bundle/manifest.ts';
import { FlatrenderError } from '../lib/errors.ts';
import type { AssetRef, InputValue, InputValues } from '../protocol/jobs.ts';

/** A written value: text needs the input's type to be understood; JSON and YAML bring theirs along. */
export type Written = string | number | boolean;

export interface WrittenInputs {
  readonly values: Readonly<Record<string, Written>>;
  /** Where they were written, for messages: `--set`, `songs.csv, line 3`. */
  readonly place: string;
  /** `@file` is relative to this directory. */
  readonly directory: string;
}

export interface InputContext {
  /** `name@version`, for messages. */
  readonly template: string;
  readonly definitions: Readonly<Record<string, InputDefinition>>;
  /** Makes a file available to the farm. */
  readonly upload: (path: string) => Promise<AssetRef>;
  /** Told of each file that the farm is to fetch itself. */
  readonly onAddress?: ((input: string, address: string) => void) | undefined;
}

const FILE_TYPES = new Set(['image', 'audio', 'video', 'font']);

/**
 * Converts values by the types of the template's manifest. `@path` is a file: uploaded for image, audio, video and font
 * inputs (which also take an address, that the control plane fetches), read as UTF-8 for text; `@@…` is a text that starts with one `@`. INPUT_INVALID names the input, the value and
 * the place. Limits (length, range, options) are the control plane's to check: they are the same for every client.
 */
export async function readInputs(written: WrittenInputs, context: InputContext): Promise<InputValues> {
  const result: Record<string, InputValue> = {};
  for (const [name, value] of Object.entries(written.values)) {
    const definition = Object.hasOwn(context.definitions, name) ? context.definitions[name] : undefined;
    if (!definition) throw unknownInput(name, written, context);
    result[name] = await readValue(name, value, definition, written, context);
  }
  return result;
}

async function readValue(
  name: string,
  value: Written,
  definition: InputDefinition,
  written: WrittenInputs,
  context: InputContext,
): Promise<InputValue> {
  const refuse = (what: string, hint?: string): FlatrenderError =>
    new FlatrenderError('INPUT_INVALID', `${written.place}: ${name}: ${what}`, {
      hint: hint ?? definition.description,
      details: { input: name, type: definition.type },
    });
  const { type } = definition;
  if (FILE_TYPES.has(type)) {
    if (typeof value === 'string' && /^https?:\/\//i.test(value)) {
      context.onAddress?.(name, value);
      return value;
    }
    if (typeof value !== 'string' || !/^@[^@]/.test(value)) {
      throw refuse(
        `${show(value)} is not a file`,
        `${name} takes ${article(type)} file: write ${name}=@PATH, or ${name}=https://…`,
      );
    }
    return context.upload(await existingFile(value.slice(1), written, refuse));
  }
  if (type === 'number') {
    const number = typeof value === 'string' && value.trim() !== '' ? Number(value) : value;
    if (typeof number !== 'number' || !Number.isFinite(number))
      throw refuse(`${show(value)} is not a number`);
    return number;
  }
  if (type === 'boolean') {
    const boolean = typeof value === 'string' ? BOOLEANS[value.trim().toLowerCase()] : value;
    if (typeof boolean !== 'boolean') throw refuse(`${show(value)} is neither true nor false`);
    return boolean;
  }
  if (typeof value !== 'string') {
    throw refuse(
      `${show(value)} is a ${typeof value}, wanted is ${article(type)}`,
      'put the value in quotes',
    );
  }
  if (value.startsWith('@@')) return value.slice(1);
  if (!value.startsWith('@') || value === '@') return value;
  if (type !== 'text') throw refuse(`${show(value)} is not ${article(type)}`);
  const path = await existingFile(value.slice(1), written, (what) =>
    refuse(what, `@ reads a file; a text that starts with @ is written ${name}=@${value}`),
  );
  return decodeText(await readFile(path), path, refuse);
}

const BOOLEANS: Readonly<Record<string, boolean>> = {
  true: true,
  yes: true,
  on: true,
  1: true,
  false: false,
  no: false,
  off: false,
  0: false,
};

async function existingFile(
  given: string,
  written: WrittenInputs,
  refuse: (what: string) => FlatrenderError,
): Promise<string> {
  const path = resolve(written.directory, given);
  const info = await stat(path).catch((error: NodeJS.ErrnoException) => {
    throw refuse(
      error.code === 'ENOENT' ? `there is no file ${path}` : `cannot read ${path}: ${error.message}`,
    );
  });
  if (!info.isFile()) throw refuse(`${path} is not a file`);
  return path;
}

function decodeText(bytes: Buffer, path: string, refuse: (what: string) => FlatrenderError): string {
  try {
    // An editor's byte order mark and final line break are not part of the text.
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes).replace(/\r?\n$/, '');
  } catch {
    throw refuse(`${basename(path)} is not a text in UTF-8`);
  }
}

function unknownInput(name: string, written: WrittenInputs, context: InputContext): FlatrenderError {
  const names = Object.keys(context.definitions);
  return new FlatrenderError(
    'INPUT_INVALID',
    `${written.place}: template ${context.template} has no input "${name}"`,
    {
      hint: names.length > 0 ? `its inputs are: ${names.join(', ')}` : 'it has no inputs',
      details: { input: name, inputs: names },
    },
  );
}

function show(value: Written): string {
  return JSON.stringify(typeof value === 'string' && value.length > 60 ? `${value.slice(0, 60)}…` : value);
}

function article(noun: string): string {
  return `${/^[aeiou]/.test(noun) ? 'an' : 'a'} ${noun}`;
}
