/** What deserves a warning about an agent.env that is valid all the same. */
import { statSync } from 'node:fs';
import { closest, editDistance } from '../lib/did-you-mean.ts';
import { type EnvFile, placeOf } from '../lib/env-file.ts';

export interface AgentConfigWarning {
  /** Its name in the log. */
  readonly event: 'config.unknown-key' | 'config.readable-by-others';
  readonly message: string;
}

/** What is odd about an agent.env that may have these keys. */
export function warningsOf(file: EnvFile, known: readonly string[]): AgentConfigWarning[] {
  return [
    ...unknownKeys(file, known).map((message) => ({ event: 'config.unknown-key', message }) as const),
    ...openToOthers(file).map((message) => ({ event: 'config.readable-by-others', message }) as const),
  ];
}

/** Keys that look like settings but are none: a misspelt one would otherwise be ignored in silence. */
export function unknownKeys(file: EnvFile, known: readonly string[]): string[] {
  return Object.keys(file.values)
    .filter((key) => !known.includes(key))
    .flatMap((key) => {
      const near = known.find((candidate) => editDistance(candidate, key.toUpperCase()) <= 2);
      if (near === undefined && FOREIGN.test(key)) return [];
      const meant = near ?? closest(key, known);
      return [
        `${placeOf(key, file, {})} is not a setting${meant === undefined ? '' : `; did you mean ${meant}?`}`,
      ];
    });
}
/** A service manager gives the same file to the process as its environment: what the runtime and others read there. */
const FOREIGN =
  /^(?:\w+_PROXY|NODE_(?:OPTIONS|EXTRA_CA_CERTS|USE_\w+|TLS_\w+)|SSL_\w+|OTEL_\w+|UV_\w+|FLATRENDER_\w+|WINE\w*|LC_\w+|LANG|TZ|PATH|HOME|TMPDIR|TMP|TEMP|DEBUG|DISPLAY|NO_COLOR|FORCE_COLOR)$/i;

/** A secret that every account of the machine can read is none. Windows has no mode bits; there ACLs protect the file. */
function openToOthers(file: EnvFile): string[] {
  if (process.platform === 'win32') return [];
  const { mode, uid } = statSync(file.path);
  // Root's file with a group is the one of a service, whose user is in it.
  const [allowed, safe] = uid === 0 ? [0o640, '640'] : [0o700, '600'];
  if ((mode & 0o777 & ~allowed) === 0 || !file.values.NODE_HMAC_SECRET) return [];
  return [`others on this machine may read ${file.path} and the secret in it: chmod ${safe} ${file.path}`];
}
