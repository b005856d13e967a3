/** The candidate that was probably meant, or undefined when none is close. Case does not count as a difference. */
export function closest(word: string, candidates: Iterable<string>): string | undefined {
  // Longer words bear more typos; beyond a third of the letters it is another word.
  const limit = Math.max(1, Math.floor(word.length / 3));
  let best: string | undefined;
  let bestDistance = limit + 1;
  for (const candidate of candidates) {
    const distance = isBeginning(word, candidate)
      ? 1
      : editDistance(word.toLowerCase(), candidate.toLowerCase());
    if (distance < bestDistance) {
      best = candidate;
      bestDistance = distance;
    }
  }
  return best;
}

/** `; did you mean "title"?`, or nothing. For the end of a message that names what is wrong. */
export function didYouMean(word: string, candidates: Iterable<string>): string {
  const found = closest(word, candidates);
  return found === undefined ? '' : `; did you mean "${found}"?`;
}

/** One is the other cut short: "maxLen" for "maxLength". */
function isBeginning(word: string, candidate: string): boolean {
  const [short, long] = word.length < candidate.length ? [word, candidate] : [candidate, word];
  return (
    short.length >= 4 && short.length < long.length && long.toLowerCase().startsWith(short.toLowerCase())
  );
}

/** Levenshtein, with a swap of neighbours as one step (optimal string alignment). */
export function editDistance(a: string, b: string): number {
  // Names of this program are short; a hostile one of a million characters is not worth comparing.
  if (a.length > 100 || b.length > 100) return Number.POSITIVE_INFINITY;
  let before: number[] = [];
  let last = Array.from({ length: b.length + 1 }, (_, j) => j);
  for (let i = 1; i <= a.length; i += 1) {
    const row = [i];
    for (let j = 1; j <= b.length; j += 1) {
      const same = a[i - 1] === b[j - 1];
      let cost = Math.min((last[j] ?? 0) + 1, (row[j - 1] ?? 0) + 1, (last[j - 1] ?? 0) + (same ? 0 : 1));
      if (i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1]) {
        cost = Math.min(cost, (before[j - 2] ?? 0) + 1);
      }
      row.push(cost);
    }
    before = last;
    last = row;
  }
  return last[b.length] ?? 0;
}
