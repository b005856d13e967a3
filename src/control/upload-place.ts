/** Where a file goes: one signed address, or the addresses of the parts that are missing. */

import { untilAborted } from '../lib/abort.ts';
import { deadline } from '../lib/clock.ts';
import { FlatrenderError } from '../lib/errors.ts';
import type { MultipartUploads, ObjectInfo } from '../objects/object-store.ts';
import type { PartsAnswer } from '../protocol/uploads.ts';
import type { Control } from './context.ts';

export interface FileToUpload {
  readonly key: string;
  readonly sizeBytes: number;
  readonly sha256: string;
  /** See PresignOptions. */
  readonly baseUrl: string;
  /** Whoever asks can send parts. */
  readonly canParts: boolean;
}

export interface UploadPlace {
  readonly key: string;
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly multipart?: PartsAnswer | undefined;
}

// A sender takes a while for these, and asks again then.
const URLS = 64;
// Below the shortest time that senders wait for an answer (15 s); a file that takes longer to read is asked for again.
const VERIFY_MS = 8000;

/** Where this file goes. Asked again, it says what is still missing; OBJECT_CORRUPT when all is there and wrong. */
export async function uploadPlace(control: Control, file: FileToUpload): Promise<UploadPlace> {
  const { objects, config } = control;
  const { key, sizeBytes, sha256, baseUrl } = file;
  const sign = { ttlSeconds: config.objects.presignTtlSeconds, baseUrl };
  const put = await objects.presignPut(key, { sizeBytes, sha256, ...sign });
  const { multipart } = objects;
  if (multipart === null || !file.canParts || sizeBytes <= multipart.partBytes) return { key, ...put };
  const there = await objects.head(key);
  if (there?.sizeBytes === sizeBytes)
    return { key, ...put, multipart: await verified(control, there, file, multipart) };
  const upload = await multipart.begin(key, { sizeBytes });
  const sent = new Set(upload.parts.map(({ number }) => number));
  const sentBytes = upload.parts.reduce((sum, part) => sum + part.sizeBytes, 0);
  const { partBytes, partCount, uploadId } = upload;
  if (sent.size === partCount) {
    const info = await multipart.complete(key, uploadId, { sizeBytes });
    return { key, ...put, multipart: await verified(control, info, file, multipart) };
  }
  const parts: PartsAnswer['parts'] = [];
  for (let number = 1; number <= partCount && parts.length < URLS; number += 1) {
    if (sent.has(number)) continue;
    parts.push({ number, url: await multipart.presignPart(key, uploadId, number, sign) });
  }
  return { key, ...put, multipart: { partBytes, sentBytes, parts, done: false } };
}

async function verified(
  control: Control,
  info: ObjectInfo,
  { key, sizeBytes, sha256 }: FileToUpload,
  { partBytes }: MultipartUploads,
): Promise<PartsAnswer> {
  using limit = deadline(VERIFY_MS, control.clock);
  const all = { partBytes, sentBytes: sizeBytes, parts: [] };
  let isRight: boolean;
  try {
    isRight = await untilAborted(control.verified.has(info, sha256), limit.signal);
  } catch (error) {
    // It is still being read; whoever asks again waits for the same reading.
    if (limit.signal.aborted) return { ...all, done: false };
    throw error;
  }
  if (isRight) return { ...all, done: true };
  await control.objects.remove(key);
  throw new FlatrenderError('OBJECT_CORRUPT', `${key} arrived with another content than announced`, {
    hint: 'send it again from the beginning; something on the way, or on the disk of the sender, changes files',
    details: { key },
  });
}
