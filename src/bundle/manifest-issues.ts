/** The schema's complaints in the words of somebody who edits a manifest. */
import { z } from 'zod';
import { didYouMean } from '../lib/did-you-mean.ts';
import { ManifestSchema } from './manifest.ts';
import type { ManifestPath, Problem } from './problems.ts';

type Issue = z.core.$ZodIssue;

/** Every problem of a failed parse, most telling form first; `document` is what was parsed. */
export function issuesToProblems(issues: readonly Issue[], document: unknown): Problem[] {
  return issues.flatMap((issue) => translate(issue, [], document));
}

function translate(issue: Issue, base: ManifestPath, document: unknown): Problem[] {
  const path: ManifestPath = [
    ...base,
    ...issue.path.map((part) => (typeof part === 'number' ? part : String(part))),
  ];
  const value = valueAt(document, path);
  switch (issue.code) {
    case 'unrecognized_keys':
      return issue.keys.map((key) => ({
        path: [...path, key],
        atKey: true,
        message: `there is no such field here${didYouMean(key, knownKeys())}`,
      }));
    case 'invalid_key':
      return [
        {
          path,
          atKey: true,
          message: `not a name: ${issue.issues.map((inner) => inner.message).join(', ')}`,
        },
      ];
    case 'invalid_union':
      return translateUnion(issue, path, value, document);
    case 'invalid_type':
      if (value === undefined) return [{ path, message: `is missing (${kindOf(issue.expected)})` }];
      return [{ path, message: `must be ${kindOf(issue.expected)}, not ${show(value)}` }];
    case 'invalid_value': {
      const options = issue.values.map(String);
      const expected = options.length === 1 ? options[0] : `one of ${options.join(', ')}`;
      if (value === undefined) return [{ path, message: `is missing (${expected})` }];
      return [
        { path, message: `must be ${expected}, not ${show(value)}${didYouMean(String(value), options)}` },
      ];
    }
    case 'too_small':
    case 'too_big':
      return [{ path, message: limitMessage(issue) }];
    case 'invalid_format':
      return [{ path, message: `${show(value)} is not ${issue.message}` }];
    default:
      return [{ path, message: issue.message }];
  }
}

function translateUnion(
  issue: z.core.$ZodIssueInvalidUnion,
  path: ManifestPath,
  value: unknown,
  document: unknown,
): Problem[] {
  if ('options' in issue && Array.isArray(issue.options)) {
    const options = issue.options.map(String);
    if (value === undefined) return [{ path, message: `is missing (one of ${options.join(', ')})` }];
    const guess = didYouMean(String(value), options);
    return [{ path, message: `must be one of ${options.join(', ')}, not ${show(value)}${guess}` }];
  }
  if (value === undefined) return [{ path, message: 'is missing' }];
  // The alternative that was meant is the one whose kind fits and that complains least.
  const fitting = issue.errors
    .filter((errors) => !errors.some((error) => error.code === 'invalid_type' && error.path.length === 0))
    .sort((a, b) => a.length - b.length);
  const [meant] = fitting;
  if (meant) return meant.flatMap((inner) => translate(inner, path, document));
  const kinds = issue.errors
    .flat()
    .flatMap((error) => (error.code === 'invalid_type' ? [kindOf(error.expected)] : []));
  return [{ path, message: `must be ${[...new Set(kinds)].join(' or ')}, not ${show(value)}` }];
}

function limitMessage(issue: z.core.$ZodIssueTooSmall | z.core.$ZodIssueTooBig): string {
  const unit = issue.origin === 'string' ? ' characters' : issue.origin === 'array' ? ' entries' : '';
  if (issue.code === 'too_small') {
    if (issue.minimum === 1 && unit !== '') return 'must not be empty';
    return `must be ${issue.inclusive === false ? 'more than' : 'at least'} ${issue.minimum}${unit}`;
  }
  return `must be ${issue.inclusive === false ? 'less than' : 'at most'} ${issue.maximum}${unit}`;
}

const KINDS: Readonly<Record<string, string>> = {
  string: 'a text',
  number: 'a number',
  int: 'a whole number',
  boolean: 'true or false',
  array: 'a list',
  object: 'a group of fields',
  record: 'a group of fields',
};

function kindOf(expected: string): string {
  return KINDS[expected] ?? expected;
}

function show(value: unknown): string {
  if (value === null) return 'nothing';
  if (Array.isArray(value)) return 'a list';
  if (typeof value === 'object') return 'a group of fields';
  const text = JSON.stringify(value) ?? String(value);
  return text.length > 60 ? `${text.slice(0, 60)}…` : text;
}

function valueAt(document: unknown, path: ManifestPath): unknown {
  let value = document;
  for (const part of path) {
    if (typeof value !== 'object' || value === null || !Object.hasOwn(value, part)) return undefined;
    value = Reflect.get(value, part);
  }
  return value;
}

let keys: ReadonlySet<string> | undefined;

/** Every field name of the format, for "did you mean". */
function knownKeys(): ReadonlySet<string> {
  if (!keys) {
    const found = new Set<string>();
    JSON.stringify(z.toJSONSchema(ManifestSchema, { io: 'input' }), (name, value) => {
      if (name === 'properties') for (const key of Object.keys(value)) found.add(key);
      return value;
    });
    keys = found;
  }
  return keys;
}
