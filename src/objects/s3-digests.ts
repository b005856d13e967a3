/**
 * How the server can be made to take only the bytes that were announced. Servers differ: most compare the body of a presigned
 * upload with a signed x-amz-content-sha256 (Ceph, SeaweedFS, MinIO, AWS), some only know the newer x-amz-checksum-sha256
 * (Garage, versitygw), some neither. It is found out once, with two uploads of a few bytes; where nothing is compared, the
 * control plane reads what arrived.
 */
import { createHash, randomBytes } from 'node:crypto';

/** `payload` and `checksum`: the server compares, by one or the other header; `none`: it does not. */
export type DigestCheck = 'payload' | 'checksum' | 'none';

/** What of a presigned upload says which content it is for. */
export interface SignedDigest {
  readonly headers: Readonly<Record<string, string>>;
  /** Signed as the hash of the body; undefined: not signed. */
  readonly payload: string | undefined;
}

/** Name of the metadata that holds an object's digest; only set where it was compared. */
export const DIGEST_METADATA = 'sha256';

/** The headers of an upload of this content (sha256 in hex). */
export function signedDigest(check: DigestCheck, sha256: string): SignedDigest {
  if (check === 'none') return { headers: {}, payload: undefined };
  const metadata = { [`x-amz-meta-${DIGEST_METADATA}`]: sha256 };
  if (check === 'payload')
    return { headers: { 'x-amz-content-sha256': sha256, ...metadata }, payload: sha256 };
  const base64 = Buffer.from(sha256, 'hex').toString('base64');
  return { headers: { 'x-amz-checksum-sha256': base64, ...metadata }, payload: undefined };
}

/** Sends these bytes by a URL that was signed for this digest; resolves with the status of the answer. */
export type TryUpload = (
  check: DigestCheck,
  sha256: string,
  body: Uint8Array<ArrayBuffer>,
) => Promise<number>;

/** Finds out what the server compares. */
export async function findDigestCheck(tryUpload: TryUpload): Promise<DigestCheck> {
  const right = new Uint8Array(randomBytes(16));
  const wrong = new Uint8Array(randomBytes(16));
  const sha256 = createHash('sha256').update(right).digest('hex');
  for (const check of ['payload', 'checksum'] as const) {
    const refused = await tryUpload(check, sha256, wrong);
    // A busy server has not refused the content.
    if (refused < 400 || refused >= 500) continue;
    const taken = await tryUpload(check, sha256, right);
    if (taken >= 200 && taken < 300) return check;
  }
  return 'none';
}
