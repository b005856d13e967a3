/** The files through which the engine and the script in After Effects talk: see `bind-data.ts`. */
import { copyFile, open, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { FlatrenderError } from '../../../lib/errors.ts';
import { BIND_FILES, type BindData, type BindFailed, type BindResult } from './bind-data.ts';
import { bindScriptPath } from './script-path.ts';

/** A result lists names only; one that is longer than this was not written by our script. */
const MAX_RESULT_BYTES = 4 * 1024 * 1024;

const Names = z.array(z.string().max(10_000)).max(20_000);
const Missing = z.array(z.object({ name: z.string(), path: z.string() })).max(20_000);

const Share = z.number().min(0).max(1);

const common = {
  format: z.literal(1),
  version: z.string().max(200),
  language: z.string().max(200),
  warnings: Names,
  renderSettings: Names,
  outputModules: Names,
};

const Result = z.discriminatedUnion('ok', [
  z.object({
    ...common,
    ok: z.literal(true),
    composition: z.object({
      name: z.string().min(1),
      width: z.number().positive(),
      height: z.number().positive(),
      fps: z.number().positive(),
      frames: z.int().positive(),
      startFrame: z.int(),
      dropFrame: z.boolean(),
      hasAudio: z.boolean(),
      background: z.tuple([Share, Share, Share]),
    }),
    missingFootage: Missing,
    missingFonts: Names,
    fonts: Names,
  }),
  z.object({
    ...common,
    ok: z.literal(false),
    error: z.object({
      code: z.enum([
        'AE_OTHER_INSTANCE',
        'AE_PROJECT_INVALID',
        'AE_SCRIPT_ERROR',
        'AE_COMP_NOT_FOUND',
        'AE_LAYER_NOT_FOUND',
        'AE_PROPERTY_NOT_FOUND',
        'AE_MISSING_FOOTAGE',
        'AE_MISSING_FONT',
        'MEDIA_INVALID',
        'INPUT_INVALID',
        'TEMPLATE_INVALID',
      ]),
      message: z.string(),
      at: z.string().nullable(),
      file: z.string().nullable(),
      line: z.number().nullable(),
      candidates: Names,
      missingFootage: Missing,
      missingFonts: Names,
    }),
  }),
]);

/** Puts the script and its data into `directory`, which must exist; returns the path of the script. */
export async function writeBindFiles(directory: string, data: BindData): Promise<string> {
  const script = join(directory, BIND_FILES.script);
  await writeFile(join(directory, BIND_FILES.data), asciiJson(data));
  await copyFile(bindScriptPath(), script);
  return script;
}

/** JSON of ASCII characters alone: ExtendScript guesses encodings, and no guess reads ASCII wrongly. */
export function asciiJson(value: unknown): string {
  return JSON.stringify(value).replace(
    // One UTF-16 unit at a time, so that halves of surrogate pairs are kept as they are. DEL is no printable one.
    /[\u007f-\uffff]/g,
    (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
}

/** What the script said. AE_SCRIPT_ERROR when there is nothing, or nothing that it would write. */
export async function readBindResult(directory: string): Promise<BindResult> {
  const path = join(directory, BIND_FILES.result);
  let text: string;
  try {
    text = await readBounded(path);
  } catch (cause) {
    throw damaged(`After Effects left no result of binding the inputs (${path})`, cause);
  }
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch (cause) {
    throw damaged(`the result of binding the inputs is not JSON (${path})`, cause);
  }
  const result = Result.safeParse(json);
  if (result.success) return result.data;
  const issue = result.error.issues[0];
  throw damaged(
    `the result of binding the inputs is damaged at "${issue?.path.join('.') ?? ''}": ${issue?.message} (${path})`,
    result.error,
  );
}

async function readBounded(path: string): Promise<string> {
  await using file = await open(path);
  const { size } = await file.stat();
  if (size > MAX_RESULT_BYTES) throw new Error(`${size} bytes, more than ${MAX_RESULT_BYTES}`);
  return await file.readFile('utf8');
}

function damaged(message: string, cause: unknown): FlatrenderError {
  return new FlatrenderError('AE_SCRIPT_ERROR', message, {
    cause,
    hint: 'see the log of the attempt; another script or plug-in may have ended After Effects meanwhile',
    // Not the template's doing as far as anybody knows.
    retryable: true,
  });
}

/**
 * The error of a script that failed, with the names that help to mend the template. `bundleDir`: where the bundle's files
 * were for After Effects.
 *
 * Worth another attempt, which goes to another node: a font that is not there may be installed elsewhere, and so may a
 * file outside the bundle; a file that the bundle should have is missing everywhere.
 */
export function bindFailure(result: BindResult & BindFailed, bundleDir?: string): FlatrenderError {
  const { error } = result;
  const place = error.at === null ? '' : `${error.at}: `;
  const script = error.file === null ? '' : ` (${error.file}${error.line === null ? '' : `:${error.line}`})`;
  return new FlatrenderError(error.code, `${place}${error.message}${script}`, {
    hint: hintOf(error),
    retryable: retryable(error, bundleDir),
    details: {
      ...(error.at === null ? {} : { at: error.at }),
      ...(error.file === null ? {} : { file: error.file }),
      ...(error.line === null ? {} : { line: error.line }),
      ...(error.candidates.length === 0 ? {} : { candidates: error.candidates }),
      ...(error.missingFootage.length === 0 ? {} : { missingFootage: error.missingFootage }),
      ...(error.missingFonts.length === 0 ? {} : { missingFonts: error.missingFonts }),
      version: result.version,
    },
  });
}

function retryable(error: BindFailed['error'], bundleDir: string | undefined): boolean | undefined {
  if (error.code !== 'AE_MISSING_FOOTAGE' || bundleDir === undefined) return undefined;
  return error.missingFootage.every(({ path }) => !isInside(path, bundleDir));
}

/** Paths as After Effects writes them: either slash, and on Windows and macOS either case. */
function isInside(path: string, directory: string): boolean {
  const plain = (text: string) => text.replaceAll('\\', '/').toLowerCase();
  return plain(path).startsWith(`${plain(directory).replace(/\/+$/, '')}/`);
}

function hintOf(error: BindFailed['error']): string {
  const { candidates } = error;
  const known = candidates.length === 0 ? '' : `; there are: ${candidates.slice(0, 20).join(', ')}`;
  switch (error.code) {
    case 'AE_OTHER_INSTANCE':
      return 'close After Effects on the node, or drain the node while somebody works there';
    case 'AE_PROJECT_INVALID':
      return 'open the project in this version of After Effects; "flatrender template inspect" shows who saved it';
    case 'AE_COMP_NOT_FOUND':
      return `name one composition, or "Folder/Name"${known}`;
    case 'AE_LAYER_NOT_FOUND':
      return `name one layer, "Precomp/Layer" or its number${known}`;
    case 'AE_PROPERTY_NOT_FOUND':
      return `name one property by its names or match names, separated by dots${known}`;
    case 'AE_MISSING_FOOTAGE':
      return 'put the files into the bundle and link them in the project, or set missingFootage: ignore';
    case 'AE_MISSING_FONT':
      return 'list the font in engines.aerender.fonts, install it on the node, or set missingFonts: substitute';
    case 'MEDIA_INVALID':
      return 'try the file in After Effects; another format may do';
    case 'INPUT_INVALID':
      return 'set min and max of the input in the manifest to what the property takes';
    case 'TEMPLATE_INVALID':
      return `templates/MANIFEST.md describes every binding${known}`;
    case 'AE_SCRIPT_ERROR':
      // An error of After Effects in one of our lines is no fault of the template's scripts.
      return error.file === null || /(^|[\\/])bind\.jsx$/.test(error.file)
        ? 'see the log of the attempt; the project may hold what After Effects does not let scripts change'
        : 'run the script in After Effects with the same project';
  }
}
