/** Hooks as people read and write them. */
import { FlatrenderError } from '../lib/errors.ts';
import type { HookView } from '../protocol/hooks.ts';
import { formatRelative, table } from './output.ts';

export function hookTable(hooks: readonly HookView[], now: number): string {
  return table(hooks, [
    { title: 'name', value: (hook) => hook.name },
    {
      title: 'template',
      value: (hook) => (hook.template === null ? 'any' : versioned(hook.template, hook.version)),
    },
    { title: 'made', value: (hook) => formatRelative(hook.createdAt, now) },
    { title: 'path', value: (hook) => hook.path },
    { title: 'fields', value: (hook) => pairs(hook.map) },
    { title: 'fixed', value: (hook) => pairs(hook.set) },
  ]);
}

/** `FIELD=TARGET` pairs of one flag; USAGE, naming it, for anything else. */
export function parsePairs(texts: readonly string[], flag: string): Record<string, string> {
  const found: Record<string, string> = {};
  for (const text of texts) {
    const split = text.indexOf('=');
    if (split <= 0 || split === text.length - 1) {
      throw new FlatrenderError('USAGE', `${flag}: "${text}" is no pair`, {
        hint: flag === '--map' ? 'write --map audioFile=inputs.audio' : 'write --set inputs.title=Hello',
      });
    }
    found[text.slice(0, split)] = text.slice(split + 1);
  }
  return found;
}

function versioned(template: string, version: string | null): string {
  return version === null ? template : `${template}@${version}`;
}

function pairs(record: Readonly<Record<string, unknown>>): string {
  return Object.entries(record)
    .map(([key, value]) => `${key}=${value}`)
    .join(' ');
}
