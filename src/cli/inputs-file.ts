/** `job submit --inputs FILE`: YAML or JSON (an object is a job, a list is several), or CSV (a row is a job). */
import { readFile } from 'node:fs/promises';
import { dirname, extname } from 'node:path';
import { FlatrenderError } from '../lib/errors.ts';
import type { Written, WrittenInputs } from './input-values.ts';

/** Reads the inputs of one job or many, in the file's order. CONFIG_INVALID names the file and the line. */
export async function readInputsFile(path: string): Promise<readonly WrittenInputs[]> {
  const text = await readFile(path, 'utf8').catch((cause: NodeJS.ErrnoException) => {
    const what =
      cause.code === 'ENOENT' ? `there is no file ${path}` : `cannot read ${path}: ${cause.message}`;
    throw new FlatrenderError('CONFIG_INVALID', what, { cause, hint: 'check --inputs' });
  });
  const clean = text.replace(/^\uFEFF/, '');
  switch (extname(path).toLowerCase()) {
    case '.csv':
      return readCsv(clean, path);
    case '.json':
      return fromDocument(parseJson(clean, path), path);
    case '.yaml':
    case '.yml':
      return fromDocument(await parseYaml(clean, path), path);
    default:
      throw invalid(path, 'is neither .yaml, .json nor .csv', 'rename it, or convert it');
  }
}

interface CsvRow {
  readonly info: { readonly lines: number };
  readonly record: string[];
}

async function readCsv(text: string, path: string): Promise<readonly WrittenInputs[]> {
  const { parse } = await import('csv-parse/sync');
  // Spreadsheets write ; where the decimal comma is used, and tabs when copied: the header line decides.
  const head = text.slice(0, text.search(/\r?\n|$/));
  const delimiter = [',', ';', '\t'].sort((a, b) => head.split(b).length - head.split(a).length)[0] ?? ',';
  let rows: CsvRow[];
  try {
    // With `info` a record comes with its line; the types of csv-parse do not say so.
    rows = parse(text, {
      delimiter,
      info: true,
      skip_empty_lines: true,
      relax_column_count: true,
      trim: true,
    }) as unknown as CsvRow[];
  } catch (cause) {
    throw invalid(
      path,
      `is not CSV: ${cause instanceof Error ? cause.message : cause}`,
      'quote cells that contain the separator or quotes',
      cause,
    );
  }
  const [header, ...records] = rows;
  if (!header || records.length === 0)
    throw invalid(path, 'has no rows', 'the first line names the inputs, each further line is a job');
  const names = header.record;
  const twice = names.find((name, index) => names.indexOf(name) !== index);
  if (twice !== undefined) throw invalid(path, `has two columns named "${twice}"`, 'a column is an input');
  return records.map(({ record, info }) => {
    const place = `${path}, line ${info.lines}`;
    if (record.length > names.length)
      throw invalid(
        place,
        `has ${record.length} cells, the header has ${names.length}`,
        'quote cells that contain the separator',
      );
    // An empty cell is an input not given: the template's default.
    const cells = names
      .map((name, index) => [name, record[index] ?? ''] as const)
      .filter(([, cell]) => cell !== '');
    return { values: Object.fromEntries(cells), place, directory: dirname(path) };
  });
}

function parseJson(text: string, path: string): unknown {
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw invalid(
      path,
      `is not JSON: ${cause instanceof Error ? cause.message : cause}`,
      'check the place it names',
      cause,
    );
  }
}

async function parseYaml(text: string, path: string): Promise<unknown> {
  const { parse } = await import('yaml');
  try {
    return parse(text);
  } catch (cause) {
    throw invalid(
      path,
      // Below the first line the parser draws the place.
      `is not YAML: ${String(cause instanceof Error ? cause.message : cause).split('\n', 1)[0]}`,
      'check the place it names',
      cause,
    );
  }
}

function fromDocument(document: unknown, path: string): readonly WrittenInputs[] {
  const list = Array.isArray(document) ? document : [document];
  if (list.length === 0) throw invalid(path, 'is an empty list', 'each entry is the inputs of one job');
  return list.map((entry: unknown, index) => {
    const place = Array.isArray(document) ? `${path}, entry ${index + 1}` : path;
    if (typeof entry !== 'object' || entry === null || Array.isArray(entry)) {
      throw invalid(place, 'is not a set of inputs', 'write "name: value" lines, or a list of such sets');
    }
    const values: Record<string, Written> = {};
    for (const [name, value] of Object.entries(entry)) {
      if (value === null) continue;
      if (typeof value !== 'string' && typeof value !== 'number' && typeof value !== 'boolean') {
        throw invalid(place, `${name} is neither text, number nor boolean`, 'a file is written as "@path"');
      }
      values[name] = value;
    }
    return { values, place, directory: dirname(path) };
  });
}

function invalid(place: string, what: string, hint: string, cause?: unknown): FlatrenderError {
  return new FlatrenderError('CONFIG_INVALID', `${place}: ${what}`.replace(/: (is|has) /, ' $1 '), {
    hint,
    cause,
  });
}
