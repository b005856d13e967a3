/** Changing single settings of an agent.env that is in use. */
import { readFileSync, statSync } from 'node:fs';
import { closest } from '../lib/did-you-mean.ts';
import { parseEnvFile } from '../lib/env-file.ts';
import { FlatrenderError } from '../lib/errors.ts';
import { replaceFile } from '../lib/replace-file.ts';
import { AGENT_KEYS, type AgentKey, loadAgentConfig } from './agent-config.ts';
import { setEnvLines } from './agent-env.ts';

/** `KEY=value`; USAGE for anything else, and for a key that is no setting. */
export function parseSetting(text: string): { readonly key: AgentKey; readonly value: string } {
  const [, key = '', value = ''] = /^([^=]*)=([\s\S]*)$/.exec(text) ?? [];
  if (Object.hasOwn(AGENT_KEYS, key)) return { key: key as AgentKey, value };
  if (key === '')
    throw new FlatrenderError('USAGE', `"${text}" is not KEY=VALUE`, {
      hint: 'such as MAX_CONCURRENT_JOBS=2',
    });
  const meant = closest(key.toUpperCase(), Object.keys(AGENT_KEYS));
  throw new FlatrenderError('USAGE', `${key} is not a setting`, {
    hint: meant === undefined ? 'all of them: flatrender node config show' : `did you mean ${meant}?`,
  });
}

/**
 * Changes settings in a file, whose comments, mode and owner stay. CONFIG_INVALID for a value that is not valid, and nothing
 * is changed then. The keys whose value is another one now.
 */
export function changeEnvFile(
  path: string,
  values: Readonly<Partial<Record<AgentKey, string>>>,
): readonly AgentKey[] {
  const before = readFileSync(path, 'utf8');
  const { mode, uid, gid } = statSync(path);
  // Every value is checked together with the others of the file, as at the agent's start.
  loadAgentConfig({ envFile: path, flags: values, env: {} });
  const old = parseEnvFile(before, path).values;
  const changed = (Object.keys(values) as AgentKey[]).filter((key) => old[key] !== values[key]);
  const lines = Object.fromEntries(changed.map((key) => [key, quotedEnvValue(values[key] ?? '')]));
  if (changed.length > 0)
    replaceFile(path, setEnvLines(before, lines), { mode: mode & 0o7777, owner: { uid, gid } });
  return changed;
}

/** A value as agent.env has it: quoted where a `#` or a space at an end would mean something else (util.parseEnv of Node). CONFIG_INVALID. */
export function quotedEnvValue(value: string): string {
  if (!/[#"'`\n]|^\s|\s$/.test(value)) return value;
  const quote = ["'", '"', '`'].find((each) => !value.includes(each));
  if (quote !== undefined && !/[\n\r]/.test(value)) return `${quote}${value}${quote}`;
  throw new FlatrenderError('CONFIG_INVALID', 'a value cannot hold line breaks, or every kind of quote', {
    hint: 'shorten it, or write the file by hand',
  });
}

/** Every setting of a file, in the order of the documentation; a secret only as whether there is one. */
export function shownSettings(
  path: string,
): readonly { readonly key: AgentKey; readonly value: string | null }[] {
  const { values } = parseEnvFile(readFileSync(path, 'utf8'), path);
  return (Object.keys(AGENT_KEYS) as AgentKey[]).map((key) => {
    const value = values[key];
    return { key, value: value === undefined ? null : key === 'NODE_HMAC_SECRET' ? '(secret)' : value };
  });
}
