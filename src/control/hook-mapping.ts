/** What a hook makes of a call: the fields of a job, before anything of it is looked up. */
import { isFileInput } from '../bundle/inputs.ts';
import type { Manifest } from '../bundle/manifest.ts';
import { closest } from '../lib/did-you-mean.ts';
import { FlatrenderError } from '../lib/errors.ts';
import type { HookRecord } from './hooks.ts';

/** What callers usually send; a hook's own map goes before it. */
const USUAL: Readonly<Record<string, string>> = {
  machine: 'node',
  template: 'template',
  version: 'version',
  format: 'outputs',
  name: 'name',
  priority: 'priority',
  runAt: 'runAt',
  callback: 'callback',
  idempotencyKey: 'idempotencyKey',
};

/** Fields of a job by their targets, and what of the call was left over. */
export interface MappedCall {
  readonly template: string;
  readonly version: string | undefined;
  /** By target, without inputs, template and version. */
  readonly fields: ReadonlyMap<string, unknown>;
  readonly inputs: Readonly<Record<string, unknown>>;
  readonly ignored: readonly string[];
}

/** Which template a call is for; REQUEST_INVALID when it names none, or another one than the hook's. */
export function templateOf(
  hook: HookRecord,
  call: Readonly<Record<string, unknown>>,
): { readonly name: string; readonly version: string | undefined } {
  const asked = valueFor('template', hook, call);
  const version = hook.version ?? hook.set.version ?? valueFor('version', hook, call);
  const name = hook.template ?? hook.set.template ?? asked;
  if (typeof name !== 'string' || name === '') {
    throw new FlatrenderError('REQUEST_INVALID', 'the call names no template', {
      hint: `send "template", or let the hook name it: flatrender hook add ${hook.name} --replace --template NAME`,
    });
  }
  if (typeof asked === 'string' && asked !== '' && asked !== name) {
    throw new FlatrenderError('REQUEST_INVALID', `this hook renders "${name}" only, not "${asked}"`);
  }
  return { name, version: typeof version === 'string' && version !== '' ? version : undefined };
}

/** Sorts a call's fields by what they are to become of a job with this manifest. */
export function mapCall(
  hook: HookRecord,
  manifest: Manifest,
  call: Readonly<Record<string, unknown>>,
): MappedCall {
  const fields = new Map<string, unknown>();
  const inputs: Record<string, unknown> = {};
  const used = new Set<string>();
  const put = (target: string, value: unknown): void => {
    // What other programs send for "nothing".
    if (value === undefined || value === null || value === '') return;
    if (target.startsWith('inputs.')) inputs[target.slice('inputs.'.length)] = value;
    else fields.set(target, value);
  };
  for (const [field, target] of Object.entries({ ...USUAL, ...hook.map })) {
    const value = at(call, field);
    if (value === undefined) continue;
    used.add(field.split('.')[0] ?? field);
    put(target, value);
  }
  for (const [field, value] of Object.entries(call)) {
    if (used.has(field)) continue;
    if (field === 'inputs' && typeof value === 'object' && value !== null) {
      for (const [name, given] of Object.entries(value)) put(`inputs.${name}`, given);
    } else if (Object.hasOwn(manifest.inputs, field)) put(`inputs.${field}`, value);
    else if (field === 'audioFile' && onlyAudio(manifest) !== null)
      put(`inputs.${onlyAudio(manifest)}`, value);
    else continue;
    used.add(field);
  }
  for (const [target, value] of Object.entries(hook.set)) put(target, value);
  const { name, version } = templateOf(hook, call);
  return {
    template: name,
    version,
    fields,
    inputs,
    ignored: Object.keys(call).filter((field) => !used.has(field)),
  };
}

/** What is wrong with a hook for this template: inputs that it does not have. REQUEST_INVALID. */
export function checkHookInputs(hook: Pick<HookRecord, 'map' | 'set'>, manifest: Manifest): void {
  const targets = [...Object.values(hook.map), ...Object.keys(hook.set)];
  for (const target of targets) {
    if (!target.startsWith('inputs.')) continue;
    const name = target.slice('inputs.'.length);
    if (Object.hasOwn(manifest.inputs, name)) continue;
    const names = Object.keys(manifest.inputs);
    const guess = closest(name, names);
    throw new FlatrenderError('REQUEST_INVALID', `template ${manifest.name} has no input "${name}"`, {
      hint: `${guess ? `did you mean "${guess}"? ` : ''}there are: ${names.join(', ') || 'none'}`,
    });
  }
}

/** The first field of the call that becomes this. */
function valueFor(target: string, hook: HookRecord, call: Readonly<Record<string, unknown>>): unknown {
  for (const [field, each] of Object.entries({ ...USUAL, ...hook.map })) {
    if (each !== target) continue;
    const value = at(call, field);
    if (value !== undefined && value !== null) return value;
  }
  return undefined;
}

function at(call: Readonly<Record<string, unknown>>, field: string): unknown {
  // A field may have dots in its own name.
  if (Object.hasOwn(call, field)) return call[field];
  let value: unknown = call;
  for (const part of field.split('.')) {
    if (typeof value !== 'object' || value === null || !Object.hasOwn(value, part)) return undefined;
    value = (value as Record<string, unknown>)[part];
  }
  return value;
}

/** The sound of a template that has exactly one. */
function onlyAudio(manifest: Manifest): string | null {
  const sounds = Object.entries(manifest.inputs).filter(
    ([, definition]) => isFileInput(definition) && definition.type === 'audio',
  );
  return sounds.length === 1 ? (sounds[0]?.[0] ?? null) : null;
}
