/** Reading `template.yaml`: the schema, the checks across fields, and the place of each problem in the file. */
import {
  type Document,
  isAlias,
  isMap,
  isNode,
  isScalar,
  isSeq,
  LineCounter,
  parseDocument,
  visit,
  type Node as YamlNode,
} from 'yaml';
import { type Manifest, ManifestSchema } from './manifest.ts';
import { checkManifest } from './manifest-checks.ts';
import { issuesToProblems } from './manifest-issues.ts';
import { formatPath, type LocatedProblem, type Problem, templateInvalid } from './problems.ts';

/** The manifest's name at the root of a bundle. */
export const MANIFEST_FILE = 'template.yaml';
/** Far above any manifest that people write; keeps the parser's time bounded. */
export const LONGEST_MANIFEST = 256 * 1024;
/** Nobody reads more; what follows often comes from the same mistake. */
const MOST_PROBLEMS = 100;
/** Aliases may not make a document explode ("billion laughs"). */
const MOST_ALIASES = 100;

/**
 * Parses and checks a manifest. TEMPLATE_INVALID lists every problem with its line, column and path; `file` is the name
 * shown in it. The details carry them as `problems`.
 */
export function parseManifest(text: string, file: string = MANIFEST_FILE): Manifest {
  const lines = new LineCounter();
  const fail = (problems: readonly LocatedProblem[]) => templateInvalid(file, problems);
  const atRoot = (message: string): LocatedProblem => ({ path: '', message, line: 1, column: 1 });
  if (text.length > LONGEST_MANIFEST) throw fail([atRoot(`is longer than ${LONGEST_MANIFEST} characters`)]);
  const document = parseDocument(text, { lineCounter: lines, prettyErrors: false, uniqueKeys: false });
  const tooDeep = document.errors.find((error) => /call stack/.test(error.message));
  if (tooDeep) throw fail([atRoot('is nested too deeply')]);
  if (document.errors.length > 0) {
    throw fail(
      document.errors.slice(0, MOST_PROBLEMS).map((error) => {
        const { line, col } = lines.linePos(error.pos[0]);
        return { path: '', message: `not YAML: ${error.message}`, line, column: col };
      }),
    );
  }
  const hazards = findHazards(document, lines);
  if (hazards.length > 0) throw fail(hazards);
  const locate = (problem: Problem): LocatedProblem => {
    const { line, col } = lines.linePos(offsetOf(document, problem));
    return { path: formatPath(problem.path), message: problem.message, line, column: col };
  };
  let data: unknown;
  try {
    data = document.toJS({ maxAliasCount: MOST_ALIASES });
  } catch (error) {
    throw fail([atRoot(`not a manifest: ${error instanceof Error ? error.message : String(error)}`)]);
  }
  if (data === null || data === undefined) throw fail([atRoot('is empty')]);
  const { manifest, problems } = check(data);
  if (manifest === null) throw fail(inOrder(problems.slice(0, MOST_PROBLEMS).map(locate)));
  return manifest;
}

/** A manifest that came as data (from the store, over the wire); TEMPLATE_INVALID as {@link parseManifest}. */
export function manifestFromData(data: unknown, name: string): Manifest {
  const { manifest, problems } = check(data);
  if (manifest !== null) return manifest;
  throw templateInvalid(
    name,
    problems
      .slice(0, MOST_PROBLEMS)
      .map(({ path, message }) => ({ path: formatPath(path), message, line: null, column: null })),
  );
}

/**
 * Keys given twice, and more aliases than anybody writes. The parser's own checks of both take quadratic time: a minute
 * for a file of 600 kB.
 */
function findHazards(document: Document, lines: LineCounter): LocatedProblem[] {
  const problems: LocatedProblem[] = [];
  let aliases = 0;
  const add = (node: unknown, message: string): void => {
    const { line, col } = lines.linePos(startOf(node, 0));
    if (problems.length < MOST_PROBLEMS) problems.push({ path: '', message, line, column: col });
  };
  visit(document, {
    Alias(_key, node) {
      aliases += 1;
      if (aliases > MOST_ALIASES) {
        add(node, `has more than ${MOST_ALIASES} aliases`);
        return visit.BREAK;
      }
    },
    Map(_key, map) {
      const seen = new Set<string>();
      for (const { key } of map.items) {
        const name = String(isScalar(key) ? key.value : key);
        if (seen.has(name)) add(key, `the field ${JSON.stringify(name)} is there twice`);
        seen.add(name);
      }
    },
  });
  return problems;
}

function check(data: unknown): { manifest: Manifest | null; problems: Problem[] } {
  const parsed = ManifestSchema.safeParse(data);
  if (!parsed.success)
    return { manifest: null, problems: issuesToProblems(parsed.error.issues.slice(0, MOST_PROBLEMS), data) };
  const problems = checkManifest(parsed.data);
  return { manifest: problems.length === 0 ? parsed.data : null, problems };
}

function inOrder(problems: readonly LocatedProblem[]): LocatedProblem[] {
  return problems.toSorted((a, b) => (a.line ?? 0) - (b.line ?? 0) || (a.column ?? 0) - (b.column ?? 0));
}

/** Where a path is in the text; of what is missing, the nearest thing around it. */
function offsetOf(document: Document, problem: Problem): number {
  let node: unknown = document.contents;
  let offset = 0;
  for (const [depth, part] of problem.path.entries()) {
    if (isAlias(node)) node = node.resolve(document);
    if (isMap(node)) {
      const pair = node.items.find(
        (item) => String(isScalar(item.key) ? item.key.value : item.key) === String(part),
      );
      if (!pair) return offset;
      offset = startOf(pair.key, offset);
      if (problem.atKey && depth === problem.path.length - 1) return offset;
      node = pair.value;
      // The value of the last key; of the others the key, should the next one be missing.
      if (depth === problem.path.length - 1) offset = startOf(node, offset);
    } else if (isSeq(node)) {
      node = node.items[Number(part)];
      offset = startOf(node, offset);
    } else return offset;
  }
  return offset;
}

function startOf(node: unknown, otherwise: number): number {
  return isNode(node) ? ((node as YamlNode).range?.[0] ?? otherwise) : otherwise;
}
