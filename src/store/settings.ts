/** Small things that operators set while the farm runs, the same for every control plane: hooks, keys of webhooks. */
export interface SettingStore {
  getSetting(key: string): Promise<string | null>;
  /** Puts what `change` makes of the value that is there, in one atomic step; null removes it. Returns what is kept. */
  changeSetting(key: string, change: (value: string | null) => string | null): Promise<string | null>;
  /** Those whose key starts with this, by key. */
  listSettings(prefix: string): Promise<readonly { readonly key: string; readonly value: string }[]>;
}
