/** Templates as submits need them: looked up once, parsed once. */

import type { Manifest } from '../bundle/manifest.ts';
import { manifestFromData } from '../bundle/manifest-file.ts';
import type { Clock } from '../lib/clock.ts';
import { FlatrenderError } from '../lib/errors.ts';
import type { Store, TemplateRecord } from '../store/store.ts';

/** A stored template with its checked manifest. */
export interface KnownTemplate {
  readonly record: TemplateRecord;
  readonly manifest: Manifest;
}

const CACHED = 500;
// With several control planes a push at another one may not be heard of: it counts here after this time at the latest.
const TRUSTED_MS = 5000;

/** Remembers templates by name and version; forgotten as a whole when any of them changes. */
export class TemplateCache {
  readonly #store: Store;
  readonly #clock: Clock;
  readonly #known = new Map<string, KnownTemplate & { readonly readAt: number }>();
  #changes = 0;

  constructor(store: Store, clock: Clock) {
    this.#store = store;
    this.#clock = clock;
  }

  /** That version, or the newest. TEMPLATE_NOT_FOUND. */
  async require(name: string, version?: string): Promise<KnownTemplate> {
    const key = `${name}@${version ?? ''}`;
    const readAt = this.#clock.now();
    const known = this.#known.get(key);
    if (known && (this.#store.shared === null || readAt - known.readAt < TRUSTED_MS)) return known;
    const before = this.#changes;
    const record = await this.#store.getTemplate(name, version);
    if (record === null) {
      const what = version === undefined ? `"${name}"` : `"${name}" in version ${version}`;
      throw new FlatrenderError('TEMPLATE_NOT_FOUND', `there is no template ${what}`, {
        hint: 'run "flatrender template list"; publish one with "flatrender template push"',
      });
    }
    const found = { record, manifest: manifestFromData(record.manifest, `${name}@${record.version}`) };
    // Changed while it was being read: it may be the old one, so it is not remembered.
    if (before !== this.#changes) return found;
    if (this.#known.size >= CACHED) this.#known.clear();
    this.#known.set(key, { ...found, readAt });
    return found;
  }

  /** A template was pushed or removed. */
  changed(): void {
    this.#changes += 1;
    this.#known.clear();
  }
}
