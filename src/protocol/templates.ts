import { z } from 'zod';
import { Instant, Name, Sha256, Version } from './names.ts';
import { MultipartField } from './uploads.ts';

/** A manifest on the wire; its own schema is in `bundle/manifest.ts`. */
const ManifestDocument = z.record(z.string(), z.unknown());

export const TemplateView = z.object({
  name: Name,
  version: Version,
  title: z.string().nullable(),
  description: z.string().nullable(),
  engines: z.array(z.string()),
  sha256: Sha256,
  sizeBytes: z.int(),
  pushedAt: Instant,
  latest: z.boolean(),
  manifest: ManifestDocument.optional(),
});
export type TemplateView = z.infer<typeof TemplateView>;
export const TemplateList = z.object({ templates: z.array(TemplateView) });

/** `POST /v1/templates`: registers a bundle that was uploaded as an object before. */
export const TemplateRequest = z.object({ sha256: Sha256 }).strict();
export const TemplateAnswer = z.object({ template: TemplateView, already: z.boolean() });
export type TemplateAnswer = z.infer<typeof TemplateAnswer>;

/** `POST /v1/uploads`: content-addressed; `url` is null when the object is already there. */
export const ObjectUploadRequest = z
  .object({ kind: z.enum(['asset', 'bundle']), sha256: Sha256, sizeBytes: z.int().nonnegative() })
  .strict();
export type ObjectUploadRequest = z.infer<typeof ObjectUploadRequest>;
/** In the query, not in the body: a control plane that does not know it must not refuse the request. */
export const ObjectUploadQuery = z.object({ parts: z.enum(['1', '0']).optional() });
export const ObjectUploadAnswer = z.object({
  key: z.string(),
  url: z.string().nullable(),
  headers: z.record(z.string(), z.string()),
  ...MultipartField,
});
export type ObjectUploadAnswer = z.infer<typeof ObjectUploadAnswer>;
