/**
 * Text as a Lottie document holds it: lines separated by \r, tabs as spaces, composed characters. Skottie breaks lines
 * at \r only and draws every other control character as a box.
 */
export function lineBreaks(text: string): string {
  return text
    .normalize('NFC')
    .replace(/\r\n|[\n\v\f\u0003\u0085\u2028\u2029]/g, '\r')
    .replaceAll('\t', '    ');
}
