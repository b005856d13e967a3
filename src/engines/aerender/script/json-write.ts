/** JSON of ASCII characters; ExtendScript has no JSON object that one could rely on. */

/** Strings, finite numbers, booleans, null, arrays and plain objects of them. */
export function writeJson(value: unknown): string {
  if (value === null || value === undefined) return 'null';
  if (typeof value === 'string') return writeString(value);
  if (typeof value === 'number') return isFinite(value) ? String(value) : 'null';
  if (typeof value === 'boolean') return value ? 'true' : 'false';
  var parts: string[] = [];
  if (value instanceof Array) {
    for (var index = 0; index < value.length; index++) parts.push(writeJson(value[index]));
    return '[' + parts.join(',') + ']';
  }
  var object = value as Record<string, unknown>;
  for (var name in object) {
    if (Object.prototype.hasOwnProperty.call(object, name)) {
      parts.push(writeString(name) + ':' + writeJson(object[name]));
    }
  }
  return '{' + parts.join(',') + '}';
}

function writeString(text: string): string {
  var escaped = '';
  var from = 0;
  for (var at = 0; at < text.length; at++) {
    var unit = text.charCodeAt(at);
    if (unit >= 0x20 && unit < 0x7f && unit !== 0x22 && unit !== 0x5c) continue;
    var digits = unit.toString(16);
    escaped += text.substring(from, at) + '\\u' + '0000'.substring(digits.length) + digits;
    from = at + 1;
  }
  return '"' + escaped + text.substring(from) + '"';
}
