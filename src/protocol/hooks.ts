/** Addresses of the farm that automation calls (n8n, Zapier, a shell script) to have something rendered. */
import { z } from 'zod';
import { JobRequest, JobState } from './jobs.ts';
import { Instant, Name, Version } from './names.ts';

/** What of a job a field of the call may become. */
const HookTarget = z
  .string()
  .regex(
    /^(template|version|name|priority|node|runAt|outputs|callback|idempotencyKey|inputs\.[A-Za-z][A-Za-z0-9_]{0,62})$/,
    'a target is template, version, name, priority, node, runAt, outputs, callback, idempotencyKey or inputs.NAME',
  );

/** A field of the call; dots lead into objects (`body.song.file`). */
const HookField = z
  .string()
  .regex(/^[^.\s]{1,100}(\.[^.\s]{1,100}){0,5}$/, 'the name of a field, such as audioFile or data.title');

export const HookRequest = z
  .object({
    name: Name,
    template: Name.optional().describe('render this one only; default: the one that the call names'),
    version: Version.optional(),
    map: z
      .record(HookField, HookTarget)
      .refine((map) => Object.keys(map).length <= 50, 'at most 50 fields')
      .default({})
      .describe('which field of the call becomes what of the job, on top of the usual ones'),
    set: z
      .record(HookTarget, z.union([z.string().max(10_000), z.number(), z.boolean()]))
      .refine((set) => Object.keys(set).length <= 50, 'at most 50 values')
      .default({})
      .describe('fixed values; no call can change them'),
    replace: z.boolean().default(false).describe('change the hook of that name; its token stays'),
    newToken: z.boolean().default(false).describe('with replace: give it a new token'),
  })
  .strict();
export type HookRequest = z.infer<typeof HookRequest>;

export const HookView = z.object({
  name: Name,
  path: z.string().describe('POST here'),
  template: z.string().nullable(),
  version: z.string().nullable(),
  map: z.record(z.string(), z.string()),
  set: z.record(z.string(), z.union([z.string(), z.number(), z.boolean()])),
  createdAt: Instant,
});
export type HookView = z.infer<typeof HookView>;
export const HookList = z.object({ hooks: z.array(HookView) });
/** The token is shown this once; null: the one it had stays. */
export const HookCreated = z.object({ hook: HookView, url: z.string(), token: z.string().nullable() });
export type HookCreated = z.infer<typeof HookCreated>;

/** Whatever the other program sends. */
export const HookCall = z.record(z.string(), z.unknown());

export const HookAnswer = z.object({
  job: z.string(),
  state: JobState,
  repeated: z.boolean().describe('the same call came before: this is its job'),
  ignored: z.array(z.string()).describe('fields of the call that mean nothing to this hook'),
  warning: z.string().optional(),
  links: z
    .object({ job: z.string(), output: z.string() })
    .describe('GET with a token of the role read; the output is there when the job has succeeded'),
});
export type HookAnswer = z.infer<typeof HookAnswer>;

export const HookTested = z.object({
  job: JobRequest.describe('what would be submitted'),
  ignored: z.array(z.string()),
});
export type HookTested = z.infer<typeof HookTested>;
