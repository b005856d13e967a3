/** Client tokens: `fr_` and 32 random bytes. The store knows their hash only. */
import { createHash, randomBytes } from 'node:crypto';
import type { Clock } from '../lib/clock.ts';
import { FlatrenderError } from '../lib/errors.ts';
import { newId } from '../lib/ids.ts';
import type { TokenRole } from '../protocol/tokens.ts';
import type { Store, TokenRecord } from '../store/store.ts';

// With several control planes a revocation at another one may not be heard of: it holds here after this time at the latest.
const TRUSTED_MS = 5000;
// Far more than a farm has tokens; bounds the memory all the same.
const CACHED_TOKENS = 1000;
// The scheme in any case (RFC 9110, 11.1), the token as it is.
const FORM = /^[Bb][Ee][Aa][Rr][Ee][Rr] +(fr_[A-Za-z0-9_-]{43})$/;

const RANK: Readonly<Record<TokenRole, number>> = { read: 0, submit: 1, admin: 2 };

/** A new token and the record to store; the token itself is shown once. */
export function makeToken(
  options: { readonly name: string; readonly role: TokenRole; readonly expiresAt: number | null },
  now: number,
): { token: string; record: TokenRecord } {
  const token = `fr_${randomBytes(32).toString('base64url')}`;
  const { name, role, expiresAt } = options;
  const id = newId('c', now);
  return {
    token,
    record: { id, name, role, hash: hashOf(token), createdAt: now, expiresAt, lastUsedAt: null },
  };
}

/** Checks client tokens; remembers the ones in use. */
export class ClientAuth {
  readonly #store: Store;
  readonly #clock: Clock;
  readonly #cache = new Map<string, { readonly record: TokenRecord; readonly readAt: number }>();
  readonly #used = new Map<string, number>();
  readonly #saved = new Map<string, number>();
  #revocations = 0;

  constructor(options: { readonly store: Store; readonly clock: Clock }) {
    this.#store = options.store;
    this.#clock = options.clock;
  }

  /** The token of an Authorization header, when it may do what `role` may. TOKEN_MISSING, TOKEN_INVALID, TOKEN_FORBIDDEN. */
  async verify(authorization: string | undefined, role: TokenRole): Promise<TokenRecord> {
    if (authorization === undefined || authorization === '') {
      throw new FlatrenderError('TOKEN_MISSING', 'this needs an API token', {
        hint: 'send "Authorization: Bearer fr_…", or run "flatrender login"',
      });
    }
    const token = FORM.exec(authorization)?.[1];
    const record = token === undefined ? null : await this.#find(hashOf(token));
    const now = this.#clock.now();
    if (record === null) {
      throw new FlatrenderError('TOKEN_INVALID', 'this API token is not known here', {
        hint: 'it may have been revoked; ask an administrator for "flatrender token create"',
      });
    }
    if (record.expiresAt !== null && record.expiresAt <= now) {
      const at = new Date(record.expiresAt).toISOString();
      throw new FlatrenderError('TOKEN_INVALID', `this API token expired at ${at}`, {
        hint: 'ask an administrator for a new one: "flatrender token create"',
      });
    }
    if (RANK[record.role] < RANK[role]) throw forbidden(record, role);
    this.#used.set(record.id, now);
    return record;
  }

  /** When the token was last used, including what is not written yet. */
  lastUsedAt(record: TokenRecord): number | null {
    const here = this.#used.get(record.id) ?? this.#saved.get(record.id);
    if (here === undefined) return record.lastUsedAt;
    // It may have been used at another control plane since.
    return Math.max(here, record.lastUsedAt ?? 0);
  }

  /** The token must not work any more from this moment on. */
  revoked(id: string): void {
    this.#revocations += 1;
    for (const [hash, { record }] of this.#cache) if (record.id === id) this.#cache.delete(hash);
    this.#used.delete(id);
    this.#saved.delete(id);
  }

  /** Changes elsewhere may have been missed: all tokens are read anew. */
  forgetAll(): void {
    this.#revocations += 1;
    this.#cache.clear();
  }

  /** Writes behind when tokens were last used. */
  async flush(): Promise<void> {
    if (this.#used.size === 0) return;
    const uses = [...this.#used].map(([id, at]) => ({ id, at }));
    for (const { id, at } of uses) this.#saved.set(id, at);
    this.#used.clear();
    await this.#store.saveTokenUse(uses);
  }

  async #find(hash: string): Promise<TokenRecord | null> {
    const readAt = this.#clock.now();
    const cached = this.#cache.get(hash);
    if (cached && (this.#store.shared === null || readAt - cached.readAt < TRUSTED_MS)) return cached.record;
    const before = this.#revocations;
    const record = await this.#store.findToken(hash);
    if (record === null) this.#cache.delete(hash);
    // Revoked while it was being read: it may be this one, so it is not remembered.
    if (record === null || before !== this.#revocations) return record;
    const [oldest] = this.#cache.keys();
    if (oldest !== undefined && this.#cache.size >= CACHED_TOKENS) this.#cache.delete(oldest);
    this.#cache.set(hash, { record, readAt });
    return record;
  }
}

/** Refuses what needs a higher role. */
export function forbidden(record: TokenRecord, role: TokenRole): FlatrenderError {
  return new FlatrenderError(
    'TOKEN_FORBIDDEN',
    `this needs the role ${role}; the token "${record.name}" has ${record.role}`,
    {
      hint: `ask an administrator for "flatrender token create --role ${role}"`,
      details: { token: record.name },
    },
  );
}

function hashOf(token: string): string {
  return createHash('sha256').update(token).digest('hex');
}
