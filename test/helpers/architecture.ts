import { posix } from 'node:path';
import { parseAst } from 'rolldown/parseAst';

export interface SourceFile {
  /** Relative to the repository, with slashes: src/lib/exec.ts. */
  path: string;
  text: string;
}

export interface Import {
  specifier: string;
  line: number;
}

export interface Rules {
  /** Folder below src/ → rank; `commands` is above all. A file imports lower ranks and its own folder. */
  ranks: Record<string, number>;
  /** Pairs that are forbidden although the ranks allow them (or would, one day). */
  never: { from: string; to: string[] }[];
  /** Pairs that are allowed although the ranks forbid them. */
  allowed: { from: string; to: string; reason: string }[];
  /** Package → the only places (a file, or a folder ending in /) that import it; `**` means everywhere. */
  homes: Record<string, string[]>;
}

/** Returns all imports of a module: static, `export … from`, dynamic, type-only, and resolve() of a package. */
export function importsOf(file: SourceFile): { imports: Import[]; computed: number[] } {
  const imports: Import[] = [];
  const computed: number[] = [];
  const lineOf = (offset: number) => file.text.slice(0, offset).split('\n').length;
  const visit = (node: unknown): void => {
    if (Array.isArray(node)) for (const child of node) visit(child);
    if (!isNode(node)) return;
    const source = sourceOf(node);
    if (source) {
      const specifier = literal(source);
      if (specifier === undefined) computed.push(lineOf(node.start));
      else imports.push({ specifier, line: lineOf(node.start) });
    }
    for (const child of Object.values(node)) visit(child);
  };
  visit(parseAst(file.text, { lang: 'ts' }, file.path));
  return { imports, computed };
}

/** Returns one line per breach of the rules; empty when there is none. */
export function checkArchitecture(files: SourceFile[], rules: Rules): string[] {
  return files.flatMap((file) => {
    const { imports, computed } = importsOf(file);
    return [
      ...computed.map((line) => `${file.path}:${line}: import of a computed name; nobody can check it`),
      ...imports.flatMap(({ specifier, line }) => {
        const breach = specifier.startsWith('.')
          ? checkRank(file.path, posix.join(posix.dirname(file.path), specifier), rules)
          : checkHome(file.path, specifier, rules);
        return breach ? [`${file.path}:${line}: ${breach}`] : [];
      }),
    ];
  });
}

function checkRank(from: string, to: string, rules: Rules): string | undefined {
  const source = folderOf(from);
  const target = folderOf(to);
  if (!source || !target) return `${from} → ${to}: only folders of src/ and commands/ are modules`;
  for (const folder of [source, target]) {
    if (rules.ranks[folder] === undefined) return `give the folder ${folder} a rank`;
  }
  if (source === target) return undefined;
  if (rules.never.some((rule) => rule.from === source && rule.to.includes(target))) {
    return `${source} must never import ${target} (${to})`;
  }
  if (rules.allowed.some((rule) => rule.from === source && rule.to === target)) return undefined;
  const [own = 0, other = 0] = [rules.ranks[source], rules.ranks[target]];
  return other < own ? undefined : `${source} (rank ${own}) must not import ${target} (rank ${other}): ${to}`;
}

function checkHome(from: string, specifier: string, rules: Rules): string | undefined {
  const name = packageOf(specifier);
  const home = rules.homes[name];
  if (!home) return name.startsWith('node:') ? undefined : `give it a home: ${name}`;
  const isHome = home.some(
    (place) => place === '**' || (place.endsWith('/') ? from.startsWith(place) : from === place),
  );
  return isHome ? undefined : `${name} belongs to ${home.join(', ')}`;
}

/** src/engines/lottie/x.ts → engines; commands/job/list.ts → commands. */
function folderOf(path: string): string | undefined {
  const [top, folder, rest] = path.split('/');
  if (top === 'commands') return 'commands';
  return top === 'src' && rest !== undefined ? folder : undefined;
}

/** The package of a specifier: @a/b/c → @a/b, a/b → a. */
export function packageOf(specifier: string): string {
  if (specifier.startsWith('node:')) return specifier;
  const parts = specifier.split('/');
  return parts.slice(0, specifier.startsWith('@') ? 2 : 1).join('/');
}

interface Node {
  type: string;
  start: number;
  [key: string]: unknown;
}

function isNode(value: unknown): value is Node {
  return typeof value === 'object' && value !== null && typeof (value as Node).type === 'string';
}

/** The node that holds what is imported, or undefined when the node imports nothing. */
function sourceOf(node: Node): Node | undefined {
  switch (node.type) {
    case 'ImportDeclaration':
    case 'ExportAllDeclaration':
    case 'ExportNamedDeclaration':
    case 'ImportExpression':
    case 'TSImportType':
      return isNode(node.source) ? node.source : undefined;
    case 'TSExternalModuleReference':
      return isNode(node.expression) ? node.expression : undefined;
    case 'CallExpression':
      return loadingCall(node);
    default:
      return undefined;
  }
}

/** require('x'), require.resolve('x'), import.meta.resolve('x'), process.getBuiltinModule('x'). */
function loadingCall(node: Node): Node | undefined {
  const callee = node.callee as Node;
  const argument = (node.arguments as Node[])[0];
  if (callee.type === 'Identifier') return callee.name === 'require' ? argument : undefined;
  if (callee.type !== 'MemberExpression') return undefined;
  const { object, property } = callee as unknown as { object: Node; property: Node };
  const isLoader =
    (property.name === 'resolve' && (object.name === 'require' || object.type === 'MetaProperty')) ||
    property.name === 'getBuiltinModule';
  return isLoader ? argument : undefined;
}

function literal(node: Node): string | undefined {
  if (node.type === 'Literal' && typeof node.value === 'string') return node.value;
  if (node.type !== 'TemplateLiteral') return undefined;
  const quasis = node.quasis as { value: { cooked: string } }[];
  return quasis.length === 1 ? quasis[0]?.value.cooked : undefined;
}
