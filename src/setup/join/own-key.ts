/** This machine's own WireGuard key: made once, on disk before anybody hears of it, never sent anywhere. */
import { readFileSync } from 'node:fs';
import type { ServicePlatform } from '../../config/machine-paths.ts';
import { FlatrenderError } from '../../lib/errors.ts';
import type { PlanStep } from '../../lib/plan.ts';
import { generateKeyPair, isKey, type KeyPair, publicKeyOf } from '../../mesh/keys.ts';
import { fileAccessSteps } from '../../service/windows/file-access.ts';

/** The key in the file; null: there is none yet. CONFIG_INVALID when it is damaged, ELEVATION_NEEDED when it is hidden. */
function readOwnKey(file: string): KeyPair | null {
  let text: string;
  try {
    text = readFileSync(file, 'utf8').trim();
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException;
    if (code === 'ENOENT' || code === 'ENOTDIR') return null;
    throw new FlatrenderError('ELEVATION_NEEDED', `${file} cannot be read: ${(cause as Error).message}`, {
      cause,
      hint: 'run as administrator (Windows) or with sudo',
    });
  }
  if (isKey(text)) return { privateKey: text, publicKey: publicKeyOf(text) };
  throw new FlatrenderError('CONFIG_INVALID', `${file} is not a WireGuard private key`, {
    hint: 'remove the file: a new key is made, for which this machine needs a new invitation (flatrender node invite)',
  });
}

/** The key of the file, or a new one and the steps that write it there. */
export function planOwnKey(
  file: string,
  platform: ServicePlatform,
): { readonly keys: KeyPair; readonly isNew: boolean; readonly steps: readonly PlanStep[] } {
  const known = readOwnKey(file);
  if (known) return { keys: known, isNew: false, steps: [] };
  const keys = generateKeyPair();
  return {
    keys,
    isNew: true,
    steps: keyFileSteps(file, keys.privateKey, platform, 'this machine’s own key'),
  };
}

/** Writes a private key alone into a file, as `wg set … private-key FILE` reads it. */
export function keyFileSteps(
  file: string,
  privateKey: string,
  platform: ServicePlatform,
  what: string,
): PlanStep[] {
  return [
    {
      kind: 'write',
      path: file,
      text: `${privateKey}\n`,
      mode: 0o600,
      isSecret: true,
      what: `write ${what}`,
    },
    ...(platform === 'win32' ? fileAccessSteps(file, what) : []),
  ];
}
