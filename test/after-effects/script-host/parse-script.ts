/** Takes a script as ExtendScript takes one: preprocessor lines, then ECMAScript 3 and nothing newer. */
import { readFileSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { type AnyNode, type Node, parse } from 'acorn';

/** A script that can be run; its lines are those of the given text, or of what it includes. */
export interface ParsedScript {
  /** With calls of {@link HOOKS} put in, on the same lines. */
  readonly code: string;
  /** File and line (from 1) that each line comes from. */
  readonly lines: readonly { readonly file: string; readonly line: number }[];
}

/** Functions that the code calls. */
export const HOOKS = {
  /** Of what `catch` caught: the error as ExtendScript has it. */
  caught: '__simCaught',
  /** Of what is called although it came out of a call: `layer.effect("Fill")("Color")`. */
  callee: '__simCallee',
} as const;

/** A script that is no ECMAScript 3. */
export class ScriptSyntaxError extends Error {
  readonly file: string;
  readonly line: number;

  constructor(message: string, file: string, line: number) {
    super(message);
    this.file = file;
    this.line = line;
  }
}

/** Parses a script of a file. Throws a {@link ScriptSyntaxError}. */
export function parseScript(source: string, file: string): ParsedScript {
  const lines = withIncludes(source, file, 0);
  const text = lines.map((line) => line.text).join('\n');
  let program: Node;
  try {
    program = parse(text, {
      ecmaVersion: 3,
      sourceType: 'script',
      allowReserved: 'never',
      locations: true,
      allowHashBang: false,
    });
  } catch (error) {
    const at = lines[((error as { loc?: { line: number } }).loc?.line ?? 1) - 1];
    // The wording of the parser's own reason is not that of ExtendScript, but says more.
    throw new ScriptSyntaxError(`Syntax error: ${(error as Error).message}`, at?.file ?? file, at?.line ?? 1);
  }
  return { code: withHooks(text, program), lines };
}

/**
 * What ExtendScript reads differently from ECMAScript 3, as people who write for it say: conditional expressions within each
 * other, and `&&` beside `||`, without parentheses. Not verified here; code without them is safe either way. Line numbers.
 */
export function extendScriptTraps(source: string): string[] {
  const traps: string[] = [];
  const program = parse(source, {
    ecmaVersion: 3,
    sourceType: 'script',
    locations: true,
    preserveParens: true,
  });
  walk(program, (node) => {
    const say = (what: string) => traps.push(`line ${node.loc?.start.line}: ${what}`);
    if (node.type === 'ConditionalExpression') {
      for (const part of [node.test, node.consequent, node.alternate])
        if (part.type === 'ConditionalExpression') say('a conditional expression in another one');
    }
    if (node.type === 'LogicalExpression') {
      for (const side of [node.left, node.right])
        if (side.type === 'LogicalExpression' && side.operator !== node.operator) say('&& beside ||');
    }
  });
  return traps;
}

interface SourceLine {
  readonly text: string;
  readonly file: string;
  readonly line: number;
}

/** Resolves `#include` and `//@include`; other preprocessor lines (`#target`, `#targetengine`) say nothing here. */
function withIncludes(source: string, file: string, depth: number): SourceLine[] {
  return source.split(/\r\n|[\r\n]/).flatMap((text, index): SourceLine[] => {
    const place = { file, line: index + 1 };
    const match = /^\s*(?:#|\/\/@\s*)(\w+)\b\s*(.*?)\s*;?\s*$/.exec(text);
    if (!match) return [{ text, ...place }];
    if (match[1] !== 'include') return [{ text: '', ...place }];
    if (depth > 20) throw new ScriptSyntaxError('files include each other', file, index + 1);
    const path = resolve(dirname(file), (match[2] ?? '').replace(/^(["'])(.*)\1$/, '$2'));
    let included: string;
    try {
      included = readFileSync(path, 'utf8');
    } catch {
      throw new ScriptSyntaxError(`Could not find include file ${path}`, file, index + 1);
    }
    return withIncludes(included.replace(/^\ufeff/, ''), path, depth + 1);
  });
}

function withHooks(text: string, program: Node): string {
  const inserts: { readonly at: number; readonly text: string }[] = [];
  walk(program, (node) => {
    if (node.type === 'CatchClause' && node.param?.type === 'Identifier') {
      const { name } = node.param;
      inserts.push({ at: node.body.start + 1, text: `${name}=${HOOKS.caught}(${name});` });
    }
    if (node.type === 'CallExpression' && isGroup(node.callee)) {
      inserts.push({ at: node.callee.start, text: `${HOOKS.callee}(` });
      inserts.push({ at: node.callee.end, text: ')' });
    }
  });
  let code = '';
  let from = 0;
  for (const insert of inserts.sort((a, b) => a.at - b.at)) {
    code += text.slice(from, insert.at) + insert.text;
    from = insert.at;
  }
  return code + text.slice(from);
}

/** `layer.effect("Fill")("Color")`: both are groups that are called. */
function isGroup(callee: AnyNode): boolean {
  if (callee.type === 'CallExpression') return true;
  return (
    callee.type === 'MemberExpression' &&
    callee.property.type === 'Identifier' &&
    ['effect', 'Effects'].includes(callee.property.name)
  );
}

function walk(node: Node, visit: (node: AnyNode) => void): void {
  visit(node as AnyNode);
  for (const value of Object.values(node)) {
    for (const child of Array.isArray(value) ? value : [value])
      if (typeof child === 'object' && child !== null && typeof child.type === 'string') walk(child, visit);
  }
}
