/** The numbers and the pre-release of a version as `Version` in `protocol/names.ts` allows it. */
function parse(version: string): { readonly numbers: readonly number[]; readonly pre: readonly string[] } {
  const dash = version.indexOf('-');
  const core = dash < 0 ? version : version.slice(0, dash);
  return { numbers: core.split('.').map(Number), pre: dash < 0 ? [] : version.slice(dash + 1).split('.') };
}

/** Order of semantic versions (semver.org, 2.0.0, rule 11): negative when `a` is older. */
export function compareVersions(a: string, b: string): number {
  const left = parse(a);
  const right = parse(b);
  for (const [i, number] of left.numbers.entries()) {
    const difference = number - (right.numbers[i] ?? 0);
    if (difference !== 0) return difference;
  }
  if (left.pre.length === 0 || right.pre.length === 0) return right.pre.length - left.pre.length;
  for (const [i, part] of left.pre.entries()) {
    const other = right.pre[i];
    if (other === undefined) return 1;
    const difference = comparePart(part, other);
    if (difference !== 0) return difference;
  }
  return left.pre.length - right.pre.length;
}

/** Numbers by value and before words, words by character code. */
function comparePart(a: string, b: string): number {
  const isNumber = (text: string): boolean => /^\d+$/.test(text);
  if (isNumber(a) && isNumber(b)) return Number(a) - Number(b);
  if (isNumber(a) !== isNumber(b)) return isNumber(a) ? -1 : 1;
  return a === b ? 0 : a < b ? -1 : 1;
}

/** The newest release; the newest pre-release when there is no release; undefined for none at all. */
export function newestVersion(versions: readonly string[]): string | undefined {
  const releases = versions.filter((version) => !version.includes('-'));
  return [...(releases.length > 0 ? releases : versions)].sort(compareVersions).at(-1);
}
