/**
 * How the server can be made to take only the bytes that were announced. Servers differ: most compare the body of a presigned
 * upload with a signed x-amz-content-sha256 (Ceph, SeaweedFS, MinIO, AWS), some only know the newer x-amz-checksum-sha256
 * (Garage, versitygw), some neither. It is found out once, with two uploads of a few bytes; where nothing is compared, and as
 * long as that is not known, the control plane reads what arrived.
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

/** What the server said to an upload. */
export interface UploadVerdict {
  readonly status: number;
  /** Its own code of an error; empty when it gave none. */
  readonly code: string;
}

/** Sends these bytes by a URL that was signed for this digest. */
export type TryUpload = (
  check: DigestCheck,
  sha256: string,
  body: Uint8Array<ArrayBuffer>,
) => Promise<UploadVerdict>;

// As AWS, Ceph, SeaweedFS, MinIO, Garage and versitygw say it, of the one header or of the other.
const OTHER_CONTENT = new Set([
  'XAmzContentSHA256Mismatch',
  'XAmzContentChecksumMismatch',
  'BadDigest',
  'InvalidDigest',
]);

/**
 * Finds out what the server compares. null: it cannot be told now, because something was refused for another reason than its
 * content (a busy server, a proxy, a signature), which says nothing of what is done with the next upload.
 */
export async function findDigestCheck(tryUpload: TryUpload): Promise<DigestCheck | null> {
  const right = new Uint8Array(randomBytes(16));
  const wrong = new Uint8Array(randomBytes(16));
  const sha256 = createHash('sha256').update(right).digest('hex');
  let isCertain = true;
  for (const check of ['payload', 'checksum'] as const) {
    const first = await tryUpload(check, sha256, wrong);
    if (wasTaken(first)) continue;
    if (wasOtherContent(first) && wasTaken(await tryUpload(check, sha256, right))) return check;
    isCertain = false;
  }
  return isCertain ? 'none' : null;
}

function wasTaken({ status }: UploadVerdict): boolean {
  return status >= 200 && status < 300;
}

function wasOtherContent({ status, code }: UploadVerdict): boolean {
  return status >= 400 && status < 500 && OTHER_CONTENT.has(code);
}
