/** Names of inputs out of names of layers, which may be anything. */

/** Of an input's name; leaves room for a number behind it. */
const LONGEST = 40;

/** No good names for fields of a YAML file: some readers take them for something else than a text. */
const YAML_WORD = /^(null|true|false|yes|no|on|off|y|n)$/i;

/** Letters that Unicode does not take apart into a Latin one and a mark. */
const LATIN: Readonly<Record<string, string>> = {
  ß: 'ss',
  æ: 'ae',
  œ: 'oe',
  ø: 'o',
  ł: 'l',
  đ: 'd',
  ð: 'd',
  þ: 'th',
  ı: 'i',
};

/**
 * A valid name for an input, not yet in `taken` (where case does not count), which it is added to: "Main Title" → `mainTitle`,
 * "logo.png" → `logo`. Of what has no Latin letters `fallback` is left, a valid name itself.
 */
export function inputNameFrom(text: string, fallback: string, taken: Set<string>): string {
  const found = baseName(text) || fallback;
  const base = YAML_WORD.test(found) ? `${fallback}${found.charAt(0).toUpperCase()}${found.slice(1)}` : found;
  for (let number = 1; ; number += 1) {
    const name = number === 1 ? base : `${base}${/\d$/.test(base) ? '_' : ''}${number}`;
    const key = name.toLowerCase();
    if (taken.has(key)) continue;
    taken.add(key);
    return name;
  }
}

function baseName(text: string): string {
  const latin = text
    .slice(0, 500)
    .toWellFormed()
    .replace(/\.[A-Za-z0-9]{2,4}$/, '')
    .normalize('NFKD')
    .replace(/\p{M}/gu, '')
    .replace(/[ßæœøłđðþı]/giu, (letter) => LATIN[letter.toLowerCase()] ?? '')
    // "mainTitle" and "TITLE 2" are words already.
    .replace(/([a-z\d])([A-Z])/g, '$1 $2');
  const words = latin.split(/[^A-Za-z0-9]+/).filter((word) => word !== '');
  while (words[0] !== undefined && /^\d/.test(words[0])) {
    const rest = words[0].replace(/^\d+/, '');
    if (rest === '') words.shift();
    else words[0] = rest;
  }
  let name = '';
  for (const word of words) {
    const lower = word.toLowerCase();
    const next = name === '' ? lower : lower.charAt(0).toUpperCase() + lower.slice(1);
    if (name !== '' && name.length + next.length > LONGEST) break;
    name += next;
  }
  return name.slice(0, LONGEST);
}
