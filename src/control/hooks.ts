/** The hooks of the farm: who may call them, and what they make of a call. They are settings of the store. */
import { createHash, randomBytes, timingSafeEqual } from 'node:crypto';
import { FlatrenderError } from '../lib/errors.ts';
import type { HookRequest } from '../protocol/hooks.ts';
import type { SettingStore } from '../store/settings.ts';

const PREFIX = 'hook.';
const TOKEN = /^frh_[A-Za-z0-9_-]{43}$/;
// The scheme in any case (RFC 9110, 11.1), the token as it is.
const BEARER = /^bearer +(\S+)$/i;

/** A hook as it is stored. */
export interface HookRecord extends Pick<HookRequest, 'name' | 'map' | 'set'> {
  readonly template: string | null;
  readonly version: string | null;
  /** sha256 of the token, hex. */
  readonly tokenHash: string;
  readonly createdAt: number;
}

/** Every hook, by name. */
export async function listHooks(store: SettingStore): Promise<readonly HookRecord[]> {
  return (await store.listSettings(PREFIX)).map(({ value }) => JSON.parse(value) as HookRecord);
}

/** HOOK_NOT_FOUND. */
export async function requireHook(store: SettingStore, name: string): Promise<HookRecord> {
  const value = await store.getSetting(PREFIX + name);
  if (value === null) throw notFound(name);
  return JSON.parse(value) as HookRecord;
}

/**
 * Makes a hook, or changes it (`replace`). The token is returned when it is a new one, and stored as its digest only.
 * HOOK_EXISTS.
 */
export async function saveHook(
  store: SettingStore,
  request: HookRequest,
  now: number,
): Promise<{ readonly hook: HookRecord; readonly token: string | null; readonly isNew: boolean }> {
  const { name, template = null, version = null, map, set } = request;
  const fresh = `frh_${randomBytes(32).toString('base64url')}`;
  let kept: HookRecord | null = null;
  const value = await store.changeSetting(PREFIX + name, (old) => {
    if (old !== null && !request.replace) {
      throw new FlatrenderError('HOOK_EXISTS', `there is a hook "${name}" already`, {
        hint: `--replace changes it and keeps its token; or "flatrender hook remove ${name}" first`,
      });
    }
    kept = old === null ? null : (JSON.parse(old) as HookRecord);
    const { tokenHash, createdAt } = kept ?? { tokenHash: hashOf(fresh), createdAt: now };
    const hash = request.newToken ? hashOf(fresh) : tokenHash;
    return JSON.stringify({ name, template, version, map, set, tokenHash: hash, createdAt });
  });
  const hook = JSON.parse(value ?? '') as HookRecord;
  return { hook, token: hook.tokenHash === hashOf(fresh) ? fresh : null, isNew: kept === null };
}

/** HOOK_NOT_FOUND. */
export async function removeHook(store: SettingStore, name: string): Promise<void> {
  await store.changeSetting(PREFIX + name, (old) => {
    if (old === null) throw notFound(name);
    return null;
  });
}

/**
 * The hook of that name, when the caller has its token: as `Authorization: Bearer`, in the header X-Hook-Token, or as
 * `?token=` where a program can send nothing but an address. TOKEN_MISSING; TOKEN_INVALID, also when there is no such hook:
 * nobody learns names here.
 */
export async function authenticateHook(
  store: SettingStore,
  name: string,
  given: {
    readonly authorization?: string | undefined;
    readonly header?: unknown;
    readonly query?: unknown;
  },
): Promise<HookRecord> {
  const bearer = given.authorization === undefined ? undefined : BEARER.exec(given.authorization)?.[1];
  const token = [bearer, given.header, given.query].find((value) => value !== undefined && value !== '');
  if (token === undefined) {
    throw new FlatrenderError('TOKEN_MISSING', 'this hook needs its token', {
      hint: 'send "Authorization: Bearer frh_…", as "flatrender hook add" printed it',
    });
  }
  const value = await store.getSetting(PREFIX + name);
  const hook = value === null ? null : (JSON.parse(value) as HookRecord);
  const isRight = typeof token === 'string' && TOKEN.test(token) && isSame(hashOf(token), hook?.tokenHash);
  if (hook !== null && isRight) return hook;
  throw new FlatrenderError('TOKEN_INVALID', 'this token is not the one of a hook of that name', {
    hint: '"flatrender hook list" shows the hooks; "flatrender hook add NAME --replace --new-token" makes a new token',
  });
}

function isSame(hash: string, wanted: string | undefined): boolean {
  // Compared also when there is nothing to compare with: it takes as long.
  const other = Buffer.from(wanted ?? '0'.repeat(64), 'hex');
  return timingSafeEqual(Buffer.from(hash, 'hex'), other) && wanted !== undefined;
}

function hashOf(token: string): string {
  return createHash('sha256').update(token).digest('hex');
}

function notFound(name: string): FlatrenderError {
  return new FlatrenderError('HOOK_NOT_FOUND', `there is no hook "${name}"`, {
    hint: 'run "flatrender hook list"',
  });
}
