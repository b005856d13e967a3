/** Takes secrets out of texts that people send to others. */

/** What stands for a secret. */
export const REDACTED = '[redacted]';

/** Lines `NAME = value` and `name: value` whose name says that the value is a secret. */
const SECRET_NAME =
  /(secret|token|passw|privatekey|private_key|presharedkey|api_?key|credential|authorization)/i;
const ASSIGNMENT = /^(\s*(?:export\s+|#\s*)?["']?[\w.-]+["']?\s*[=:]\s*)(\S[\s\S]*)$/;

/** Secrets by their shape, wherever they stand. */
const SHAPES: readonly RegExp[] = [
  // Client tokens of flatrender, and what follows "Bearer".
  /\bfr_[A-Za-z0-9_-]{8,}/g,
  /(?<=\bBearer\s+)[A-Za-z0-9._~+/=-]{8,}/gi,
  // Signatures of presigned URLs: ours, and those of S3 and its kin.
  /(?<=[?&](?:sig|signature|token|X-Amz-Signature|X-Amz-Credential|X-Amz-Security-Token)=)[^&\s"']+/gi,
  // user:password@ in an address.
  /(?<=\/\/[^/\s:@]*:)[^/\s@]+(?=@)/g,
  /flatrender-invitation:[A-Za-z0-9_-]+/g,
];

/**
 * The text without secrets: the `known` ones (values of this machine's files) wherever they stand, values whose name
 * says so, and what looks like a token, a signature or a password. Line structure stays.
 */
export function redact(text: string, known: readonly string[] = []): string {
  let result = text;
  // Short ones would also take away harmless words.
  for (const secret of known.filter((each) => each.length >= 8)) result = result.replaceAll(secret, REDACTED);
  result = result.split('\n').map(redactLine).join('\n');
  for (const shape of SHAPES) result = result.replace(shape, REDACTED);
  return result;
}

function redactLine(line: string): string {
  const found = ASSIGNMENT.exec(line);
  if (!found) return redactJson(line);
  const [, before = '', value = ''] = found;
  const name = before.replace(/[=:\s#"']|export/g, '');
  if (!SECRET_NAME.test(name) || /^["']?(\[redacted\]|null|''|"")["']?,?$/.test(value))
    return redactJson(line);
  // Windows line ends stay.
  return `${before}${REDACTED}${value.endsWith('\r') ? '\r' : ''}`;
}

/** Members of JSON within a line, such as a log line's. */
function redactJson(line: string): string {
  return line.replace(/"([^"\\]{1,64})"\s*:\s*"((?:[^"\\]|\\.)*)"/g, (whole, name: string) =>
    SECRET_NAME.test(name) ? `"${name}":"${REDACTED}"` : whole,
  );
}
