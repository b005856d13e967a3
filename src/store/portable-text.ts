/**
 * Text as every database can hold it: PostgreSQL has no NUL, in json as little as in text, and no half of a surrogate pair.
 * Both become U+FFFD; nobody reads them anyway.
 */

/** The same text, or one without what PostgreSQL refuses. */
export function portableText(text: string): string {
  return (text.includes('\0') ? text.replaceAll('\0', '\u{fffd}') : text).toWellFormed();
}

/** The value as JSON, without what PostgreSQL refuses in strings. */
export function portableJson(value: unknown): string {
  const text = JSON.stringify(value);
  if (!/\\u(?:0000|d[89a-f])/i.test(text)) return text;
  return JSON.stringify(value, (_, inner: unknown) => {
    if (typeof inner === 'string') return portableText(inner);
    return inner;
  });
}
