/** Reads and writes flatrender.yaml: flag > environment > file > default. */
import { existsSync, readFileSync, statSync } from 'node:fs';
import { isAbsolute, join } from 'node:path';
import { type Document, isMap, isScalar, LineCounter, parseDocument } from 'yaml';
import type { z } from 'zod';
import { closest } from '../lib/did-you-mean.ts';
import { FlatrenderError } from '../lib/errors.ts';
import { packageRoot } from '../lib/paths.ts';
import { replaceFile } from '../lib/replace-file.ts';
import {
  type ControlConfig,
  ControlConfigSchema,
  keysAt,
  optionPaths,
  S3_VARIABLES,
} from './control-schema.ts';
import { homePaths } from './home.ts';

export { type ControlConfig, defaultControlConfig } from './control-schema.ts';

interface LoadOptions {
  /** The state directory; its flatrender.yaml may be missing (all defaults). */
  readonly directory: string;
  readonly env?: NodeJS.ProcessEnv | undefined;
  /** By dotted path, from flags: `{ 'gateway.port': 9000 }`. undefined: not given. */
  readonly flags?: Readonly<Record<string, unknown>> | undefined;
}

/**
 * The configuration of the control plane in this state directory. An option `gateway.publicUrl` can be set by
 * FLATRENDER_GATEWAY_PUBLIC_URL. CONFIG_INVALID names file, line and option, and what was probably meant.
 */
export function loadControlConfig({ directory, env = process.env, flags = {} }: LoadOptions): ControlConfig {
  const file = homePaths(directory).config;
  const lines = new LineCounter();
  const document = parseDocument(existsSync(file) ? readFileSync(file, 'utf8') : '', { lineCounter: lines });
  const broken = document.errors[0];
  if (broken) {
    const at = lines.linePos(broken.pos[0]);
    throw new FlatrenderError('CONFIG_INVALID', `${file}:${at.line}: ${broken.message.split('\n')[0]}`, {
      cause: broken,
    });
  }
  const source = new Map<string, string>();
  const values = valuesOf(document, file);
  const raw =
    typeof values === 'object' && !Array.isArray(values) && values !== null
      ? structuredClone(values)
      : values;
  if (typeof raw === 'object' && raw !== null) {
    for (const path of optionPaths()) {
      const name = variableOf(path);
      const text = env[name];
      if (text !== undefined && text !== '') overlay(raw, path, fromText(text), source, name);
      const secret = secretOf(path, env);
      if (secret !== undefined) overlay(raw, path, secret.value, source, secret.name);
      if (flags[path] !== undefined) overlay(raw, path, flags[path], source, flagOf(path));
    }
  }
  const result = ControlConfigSchema.safeParse(raw);
  if (result.success) return result.data;
  throw describeIssue(result.error.issues[0], { file, document, lines, source, flags });
}

/** CONFIG_INVALID for an alias that leads nowhere, or to too much: the parser finds those only here. */
function valuesOf(document: Document, file: string): unknown {
  try {
    return document.toJS() ?? {};
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause);
    throw new FlatrenderError('CONFIG_INVALID', `${file}: ${why}`, {
      cause,
      hint: 'a value that begins with * or & is put in quotes',
    });
  }
}

/** A secret from its own variable, or from the file that `<variable>_FILE` names (a mounted secret). Always text. */
function secretOf(path: string, env: NodeJS.ProcessEnv): { value: string; name: string } | undefined {
  const short = S3_VARIABLES[path];
  if (short === undefined) return undefined;
  for (const name of [variableOf(path), short]) {
    const value = env[name];
    if (value !== undefined && value !== '') return { value, name };
    const file = env[`${name}_FILE`];
    if (file === undefined || file === '') continue;
    try {
      return { value: readFileSync(file, 'utf8').trim(), name: `${name}_FILE` };
    } catch (cause) {
      const { code } = cause as NodeJS.ErrnoException;
      throw new FlatrenderError('CONFIG_INVALID', `${name}_FILE: cannot read ${file} (${code})`, {
        cause,
        hint: 'a file that holds nothing but the value, readable for the user of the control plane',
      });
    }
  }
  return undefined;
}

/** Environment variable of an option: `gateway.publicUrl` → FLATRENDER_GATEWAY_PUBLIC_URL. */
export function variableOf(path: string): string {
  return `FLATRENDER_${path
    .replace(/([a-z])([A-Z])/g, '$1_$2')
    .replaceAll('.', '_')
    .toUpperCase()}`;
}

/** The flag of an option, where a command has one: `gateway.publicUrl` → --public-url, `objects.bucket` → --s3-bucket. */
function flagOf(path: string): string {
  if (path === 'objects.type') return '--objects';
  const [name = path] = path.split('.').slice(-1);
  const flag = name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
  return path.startsWith('objects.') ? `--s3-${flag}` : `--${flag}`;
}

/** The commented flatrender.yaml that `control init` writes: the shipped template with these options changed. */
export function renderControlConfig(changes: Readonly<Record<string, unknown>> = {}): string {
  const template = readFileSync(join(packageRoot(), 'templates', 'config', 'flatrender.yaml'), 'utf8');
  const document = parseDocument(template);
  for (const [path, value] of Object.entries(changes)) {
    if (value === undefined) continue;
    const node = document.getIn(path.split('.'), true);
    // Setting the scalar in place keeps the comments around it.
    if (isScalar(node) && typeof value !== 'object') node.value = value;
    else document.setIn(path.split('.'), document.createNode(value, { flow: true }));
  }
  return document.toString({ lineWidth: 0 });
}

/** Changes one option in the flatrender.yaml of this state directory; everything around it stays. */
export function setControlOption(directory: string, path: string, value: string): void {
  const file = homePaths(directory).config;
  const document = parseDocument(readFileSync(file, 'utf8'));
  const node = document.getIn(path.split('.'), true);
  if (isScalar(node)) node.value = value;
  else document.setIn(path.split('.'), value);
  const { mode, uid, gid } = statSync(file);
  replaceFile(file, document.toString({ lineWidth: 0 }), { mode: mode & 0o7777, owner: { uid, gid } });
}

/** A path of the configuration, relative ones below the state directory. */
export function resolveInHome(directory: string, path: string): string {
  return isAbsolute(path) ? path : join(directory, path);
}

function overlay(raw: object, path: string, value: unknown, source: Map<string, string>, name: string): void {
  const keys = path.split('.');
  const last = keys.pop() ?? path;
  let at = raw as Record<string, unknown>;
  for (const key of keys) {
    const inner = at[key];
    at[key] = typeof inner === 'object' && inner !== null ? inner : {};
    at = at[key] as Record<string, unknown>;
  }
  at[last] = value;
  source.set(path, name);
}

/** A variable's text as YAML would read it: numbers, booleans and null are what they look like. */
function fromText(text: string): unknown {
  if (/^-?\d+(\.\d+)?$/.test(text)) return Number(text);
  if (text === 'true' || text === 'false') return text === 'true';
  return text === 'null' ? null : text;
}

interface Source {
  readonly file: string;
  readonly document: Document;
  readonly lines: LineCounter;
  readonly source: ReadonlyMap<string, string>;
  /** Options that the command has flags for, given or not. */
  readonly flags: Readonly<Record<string, unknown>>;
}

function describeIssue(issue: z.core.$ZodIssue | undefined, at: Source): FlatrenderError {
  if (!issue) return new FlatrenderError('CONFIG_INVALID', `${at.file} is not valid`);
  const path = issue.path.map(String);
  if (issue.code === 'unrecognized_keys') {
    const key = issue.keys[0] ?? '';
    const known = keysAt(path) ?? [];
    const near = closest(key, known);
    const option = [...path, key].join('.');
    return new FlatrenderError(
      'CONFIG_INVALID',
      `${placeOf([...path, key], at)}: there is no option ${option}`,
      {
        hint: near ? `did you mean "${near}"?` : `options here: ${known.join(', ')}`,
      },
    );
  }
  const option = path.join('.') || 'the file';
  const given = at.source.get(option);
  const detail = issue.message.replace(/^Invalid input: /, '');
  if (given === undefined && !existsSync(at.file)) {
    const name = wayToGive(option, at.flags);
    return new FlatrenderError('CONFIG_INVALID', `${name}: ${detail.replace(` (or ${name})`, '')}`, {
      hint: `give it with ${name}; there is no ${at.file} yet`,
    });
  }
  const where = given?.startsWith('--') ? given : `${given ?? placeOf(path, at)}: ${option}`;
  return new FlatrenderError('CONFIG_INVALID', `${where}: ${detail}`, {
    hint: 'every option is explained in the comments of flatrender.yaml',
  });
}

/** How an option is given that is missing while there is no file: by the command's flag, else by a variable. */
function wayToGive(option: string, flags: Readonly<Record<string, unknown>>): string {
  // A secret on a command line is seen by everybody on the machine.
  const hasFlag = option in flags && option !== 'objects.secretKey';
  return hasFlag ? flagOf(option) : (S3_VARIABLES[option] ?? variableOf(option));
}

function placeOf(path: readonly string[], { file, document, lines }: Source): string {
  let node: unknown = document.contents;
  let offset: number | undefined;
  for (const key of path) {
    if (!isMap(node)) break;
    const pair = node.items.find((item) => isScalar(item.key) && String(item.key.value) === key);
    if (!pair) break;
    if (isScalar(pair.key)) offset = pair.key.range?.[0] ?? offset;
    node = pair.value;
  }
  return offset === undefined ? file : `${file}:${lines.linePos(offset).line}`;
}
