/** The files that describe services to a machine, from templates/config/. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { packageRoot } from '../lib/paths.ts';

/** Fills `{{name}}` in a template; a line that is nothing but an empty value goes. */
export function unitText(template: string, values: Readonly<Record<string, string | number>>): string {
  const text = readFileSync(join(packageRoot(), 'templates', 'config', template), 'utf8');
  return text
    .replace(/^\{\{(\w+)\}\}\r?\n/gm, (whole, key: string) => (values[key] === '' ? '' : whole))
    .replace(/\{\{(\w+)\}\}/g, (whole, key: string) => String(values[key] ?? whole));
}

/** For the text of an XML element or attribute (XML 1.0, section 2.4). */
export function xmlText(text: string): string {
  return text
    .replaceAll('&', '&amp;')
    .replaceAll('<', '&lt;')
    .replaceAll('>', '&gt;')
    .replaceAll('"', '&quot;');
}
