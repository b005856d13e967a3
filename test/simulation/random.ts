/** Seeded randomness: every kind of decision has a stream of its own, so that leaving one kind out changes little else. */

export interface Random {
  /** 0 ≤ n < 1. */
  next(): number;
  /** An integer, both ends included. */
  int(min: number, max: number): number;
  /** True in this share of cases. */
  chance(share: number): boolean;
  pick<T>(values: readonly T[]): T;
}

/** A stream of its own for this seed and name (sfc32 by Chris Doty-Humphrey, seeded through a string hash). */
export function createRandom(seed: number, name: string): Random {
  let h = 1779033703 ^ name.length;
  for (const char of `${name}#${seed}`) {
    h = Math.imul(h ^ char.charCodeAt(0), 3432918353);
    h = (h << 13) | (h >>> 19);
  }
  const word = (): number => {
    h = Math.imul(h ^ (h >>> 16), 2246822507);
    h = Math.imul(h ^ (h >>> 13), 3266489909);
    h ^= h >>> 16;
    return h >>> 0;
  };
  let [a, b, c, d] = [word(), word(), word(), word()];
  const next = (): number => {
    const t = (((a + b) | 0) + d) | 0;
    d = (d + 1) | 0;
    a = b ^ (b >>> 9);
    b = (c + (c << 3)) | 0;
    c = (((c << 21) | (c >>> 11)) + t) | 0;
    return (t >>> 0) / 2 ** 32;
  };
  for (let i = 0; i < 12; i += 1) next();
  return {
    next,
    int: (min, max) => min + Math.floor(next() * (max - min + 1)),
    chance: (share) => share > 0 && next() < share,
    pick<T>(values: readonly T[]): T {
      return values[Math.floor(next() * values.length)] as T;
    },
  };
}
