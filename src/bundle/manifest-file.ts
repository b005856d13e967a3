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
  type Node as YamlNode,
} from 'yaml';
import { type Manifest, ManifestSchema } from './manifest.ts';
import { checkManifest } from './manifest-checks.ts';
import { issuesToProblems } from './manifest-issues.ts';
import { formatPath, type LocatedProblem, type Problem, templateInvalid } from './problems.ts';

/** The manifest's name at the root of a bundle. */
export const MANIFEST_FILE = 'template.yaml';
/** Far above any manifest that people write; keeps the parser's time bounded. */
export const LONGEST_MANIFEST = 1024 * 1024;
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
  const document = parseDocument(text, { lineCounter: lines, prettyErrors: false });
  if (document.errors.length > 0) {
    throw fail(
      document.errors.map((error) => {
        const { line, col } = lines.linePos(error.pos[0]);
        return { path: '', message: `not YAML: ${error.message}`, line, column: col };
      }),
    );
  }
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
  if (manifest === null) throw fail(inOrder(problems.map(locate)));
  return manifest;
}

/** A manifest that came as data (from the store, over the wire); TEMPLATE_INVALID as {@link parseManifest}. */
export function manifestFromData(data: unknown, name: string): Manifest {
  const { manifest, problems } = check(data);
  if (manifest !== null) return manifest;
  throw templateInvalid(
    name,
    problems.map(({ path, message }) => ({ path: formatPath(path), message, line: null, column: null })),
  );
}

function check(data: unknown): { manifest: Manifest | null; problems: Problem[] } {
  const parsed = ManifestSchema.safeParse(data);
  if (!parsed.success) return { manifest: null, problems: issuesToProblems(parsed.error.issues, data) };
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
