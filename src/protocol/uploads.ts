/** Files that are too large to be sent again from the beginning after each cut. */
import { z } from 'zod';

/**
 * A file in parts. Send the missing ones, ask again, until `done`: what arrived is remembered by the object store, so the same
 * question also continues an upload after a restart, or when the addresses have expired.
 */
export const PartsAnswer = z.object({
  partBytes: z.int().positive().describe('of every part but the last'),
  sentBytes: z.int().nonnegative().describe('what is there already'),
  parts: z
    .array(z.object({ number: z.int().positive().describe('from 1'), url: z.string() }))
    .describe('missing ones, maybe not all of them; none and not done: ask again in a moment'),
  done: z.boolean().describe('the whole file is there and right'),
});
export type PartsAnswer = z.infer<typeof PartsAnswer>;

/** Added to the answer about an upload when whoever asked can send parts, and the file is worth it. */
export const MultipartField = { multipart: PartsAnswer.nullish() } as const;
