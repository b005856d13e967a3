// templates/aftereffects/bind.jsx: the modules of src/engines/aerender/script as one ECMAScript 3 script. Types are
// blanked out and modules put one after the other; nothing else is changed, so that what After Effects runs, and the
// lines that it names in errors, are what was written. Bundlers print anew what they read, in newer JavaScript.
import { readFileSync } from 'node:fs';
import { stripTypeScriptTypes } from 'node:module';
import { dirname, join, relative } from 'node:path';
import { type AnyNode, type Node, parse } from 'acorn';

const root = join(import.meta.dirname, '..');
const entry = join(root, 'src/engines/aerender/script/main.ts');

/** The generated file, relative to the repository. */
export const bindScriptFile = 'templates/aftereffects/bind.jsx';

interface Module {
  /** Relative to the repository. */
  readonly path: string;
  /** ECMAScript 3, without imports and exports. */
  readonly text: string;
}

/** The script. Throws where the source is not what ExtendScript reads. */
export function bindScript(): string {
  const modules: Module[] = [];
  collect(entry, modules, new Set());
  const body = modules.map(({ path, text }) => `// ${path}\n\n${text.trim()}\n`).join('\n');
  const script = [
    '// Puts the inputs of a job into a copy of an After Effects project; started by flatrender.',
    '// Generated from src/engines/aerender/script by "npm run docs"; do not edit.',
    '(function () {',
    '',
    `${body}`,
    'main();',
    '})();',
    '',
  ].join('\n');
  checkScript(script);
  return script;
}

/** Modules in the order in which they have to run: what one imports comes before it. */
function collect(file: string, modules: Module[], seen: Set<string>): void {
  if (seen.has(file)) return;
  seen.add(file);
  const path = relative(root, file).replaceAll('\\', '/');
  const text = stripTypeScriptTypes(readFileSync(file, 'utf8'));
  const cuts: { start: number; end: number }[] = [];
  for (const node of parse(text, { ecmaVersion: 'latest', sourceType: 'module' }).body) {
    if (node.type === 'ImportDeclaration') {
      collect(join(dirname(file), String(node.source.value)), modules, seen);
      if (
        node.specifiers.some((it) => it.type !== 'ImportSpecifier' || it.local.name !== nameOf(it.imported))
      ) {
        throw new Error(`${path}: only "import { name }" can be put into one script`);
      }
      cuts.push(node);
    } else if (node.type === 'ExportNamedDeclaration') {
      if (!node.declaration) throw new Error(`${path}: only declarations can be exported`);
      cuts.push({ start: node.start, end: node.declaration.start });
    } else if (node.type === 'ExportDefaultDeclaration' || node.type === 'ExportAllDeclaration') {
      throw new Error(`${path}: only declarations can be exported`);
    }
  }
  let kept = text;
  for (const { start, end } of cuts.reverse()) kept = kept.slice(0, start) + kept.slice(end);
  // Blanked-out types leave spaces.
  modules.push({ path, text: kept.replace(/[ \t]+$/gm, '').replace(/\n{3,}/g, '\n\n') });
}

function nameOf(node: AnyNode): string {
  return node.type === 'Identifier' ? node.name : '';
}

/**
 * ECMAScript 3, ASCII, every name of the top level once. Nothing that evaluates text; and none of what ExtendScript is
 * said to read differently: a conditional within a conditional, and && beside || without parentheses. That is not verified
 * here; both are easy to do without.
 */
function checkScript(script: string): void {
  const odd = /[^\n\x20-\x7e]/.exec(script);
  if (odd) throw new Error(`not ASCII: ${script.slice(odd.index - 40, odd.index + 1)}`);
  const program = parse(script, { ecmaVersion: 3, sourceType: 'script', locations: true });
  const names = new Set<string>();
  walk(program, [], (node, parents) => {
    const at = `line ${node.loc?.start.line}: ${script.slice(node.start, node.start + 60)}`;
    const parent = parents.at(-1);
    if (node.type === 'Identifier' && (node.name === 'eval' || node.name === 'Function')) {
      throw new Error(`evaluates text, ${at}`);
    }
    if (node.type === 'ConditionalExpression' && parent?.type === 'ConditionalExpression') {
      throw new Error(`a conditional within a conditional, ${at}`);
    }
    if (
      node.type === 'LogicalExpression' &&
      parent?.type === 'LogicalExpression' &&
      parent.operator !== node.operator &&
      !/\(\s*$/.test(script.slice(0, node.start))
    ) {
      throw new Error(`&& beside || without parentheses, ${at}`);
    }
    // Program > ExpressionStatement > CallExpression > FunctionExpression > BlockStatement.
    const depth = parents.filter(({ type }) => type.startsWith('Function')).length;
    const declared =
      (node.type === 'FunctionDeclaration' || node.type === 'VariableDeclarator') &&
      node.id?.type === 'Identifier'
        ? node.id.name
        : undefined;
    if (depth !== 1 || declared === undefined) return;
    if (names.has(declared)) throw new Error(`declared twice, ${at}`);
    names.add(declared);
  });
}

function walk(node: Node, parents: AnyNode[], visit: (node: AnyNode, parents: AnyNode[]) => void): void {
  visit(node as AnyNode, parents);
  const inner = [...parents, node as AnyNode];
  for (const value of Object.values(node)) {
    for (const child of Array.isArray(value) ? value : [value]) {
      if (typeof child === 'object' && child !== null && typeof child.type === 'string')
        walk(child, inner, visit);
    }
  }
}
