import { z } from 'zod';
import { EngineName, InputName, Instant, Label, Name, Sha256, Version } from './names.ts';

/** Where a task stands. Which event leads where is decided in `jobs/`. */
export const TaskState = z.enum(['blocked', 'queued', 'running', 'succeeded', 'failed', 'cancelled']);
export type TaskState = z.infer<typeof TaskState>;

/** A job's state, derived from its tasks; `scheduled` = waits for its start time. */
export const JobState = z.enum(['scheduled', 'queued', 'running', 'succeeded', 'failed', 'cancelled']);
export type JobState = z.infer<typeof JobState>;

/** How one claim of a task ended; null while it runs. */
export const AttemptOutcome = z.enum([
  'succeeded',
  'failed',
  'interrupted',
  'lost',
  'cancelled',
  'superseded',
]);
export type AttemptOutcome = z.infer<typeof AttemptOutcome>;

/** What the node is doing for a task, in order. */
export const TaskPhase = z.enum([
  'claimed',
  'download',
  'prepare',
  'render',
  'encode',
  'verify',
  'upload',
  'done',
]);
export type TaskPhase = z.infer<typeof TaskPhase>;

/** A file given as an input, stored once under its sha256 (`assets/<sha256>`). */
export const AssetRef = z.object({
  asset: Sha256,
  name: z
    .string()
    .min(1)
    .max(255)
    .describe('the file name the user gave, for messages and the extension only'),
  sizeBytes: z.int().nonnegative(),
});
export type AssetRef = z.infer<typeof AssetRef>;

/** One input's value: text, colour (#rrggbb[aa]), choice, number, boolean, or a file. */
export const InputValue = z.union([z.string().max(100_000), z.number(), z.boolean(), AssetRef]);
export type InputValue = z.infer<typeof InputValue>;
export const InputValues = z.record(InputName, InputValue);
export type InputValues = z.infer<typeof InputValues>;

/** The file that one task makes, fully resolved from the manifest and its preset. */
export const OutputSpec = z.object({
  name: Name,
  container: z.enum(['mp4', 'mov', 'webm', 'gif', 'png']),
  width: z.int().min(2).max(16_384),
  height: z.int().min(2).max(16_384),
  fps: z.number().min(1).max(240),
  durationSeconds: z
    .number()
    .positive()
    .max(86_400)
    .nullable()
    .describe('null: follows the input named in durationFrom'),
  durationFrom: InputName.nullable().describe('audio or video input that gives the length'),
  atSeconds: z.number().nonnegative().nullable().describe('the instant of a still; null: the middle'),
  fit: z
    .enum(['contain', 'cover', 'stretch'])
    .describe('how a composition of another aspect ratio fills the frame'),
  background: z.string().describe('#rrggbb behind transparent and letterboxed areas'),
  quality: z.int().min(0).max(51).describe('x264/vp9 constant rate factor'),
});
export type OutputSpec = z.infer<typeof OutputSpec>;

/** `POST /v1/jobs`: one job, or many as a batch. */
export const JobRequest = z
  .object({
    template: Name,
    version: Version.optional().describe('default: the newest pushed version'),
    inputs: InputValues.default({}),
    outputs: z
      .array(Name)
      .min(1)
      .max(16)
      .refine((names) => new Set(names).size === names.length, 'the same output twice')
      .optional()
      .describe('output or preset names; default: the manifest’s first'),
    name: Label.max(200).optional(),
    priority: z.int().min(0).max(100).default(50),
    runAt: Instant.optional().describe('do not start before'),
    node: Name.optional().describe('render on this node'),
    fallback: z.boolean().default(true).describe('with node: may another take it when that one is offline'),
    webhook: z
      .url({ protocol: /^https?$/, error: 'must be an address such as https://example.com/done' })
      .max(2048)
      .optional(),
    tags: z.array(Name).max(16).default([]).describe('node tags it needs'),
    ifNoNode: z
      .enum(['queue', 'refuse'])
      .default('queue')
      .describe('when no node that is online can render it: wait for one, or NO_CAPABLE_NODE at once'),
  })
  .strict();
export type JobRequest = z.infer<typeof JobRequest>;

export const SubmitRequest = z.union([
  JobRequest,
  z.object({ jobs: z.array(JobRequest).min(1).max(1000) }).strict(),
]);
export type SubmitRequest = z.infer<typeof SubmitRequest>;

/** An error as stored with a task, an attempt or a job. */
export const TaskError = z.object({
  code: z.string().max(64),
  message: z.string().max(4096),
  hint: z.string().max(4096).optional(),
  retryable: z.boolean().optional(),
  details: z.record(z.string(), z.unknown()).optional(),
});
export type TaskError = z.infer<typeof TaskError>;

/** The verified result of a task. */
export const TaskResult = z.object({
  key: z.string().max(512).describe('object key of the output'),
  sha256: Sha256,
  sizeBytes: z.int().positive(),
  frames: z.int().positive(),
  durationMs: z.int().nonnegative(),
  width: z.int().positive(),
  height: z.int().positive(),
  codec: z.string().max(32),
  renderMs: z.int().nonnegative().describe('time in the engine'),
  overheadMs: z.int().nonnegative().describe('everything else of the attempt'),
  mock: z
    .literal(true)
    .optional()
    .describe('test pictures of a node in mock mode, without After Effects; absent: a render'),
});
export type TaskResult = z.infer<typeof TaskResult>;

export const AttemptView = z.object({
  epoch: z.int(),
  node: z.string(),
  startedAt: Instant,
  endedAt: Instant.nullable(),
  outcome: AttemptOutcome.nullable(),
  error: TaskError.nullable(),
});
export type AttemptView = z.infer<typeof AttemptView>;

export const TaskView = z.object({
  id: z.string(),
  output: OutputSpec,
  state: TaskState,
  epoch: z.int(),
  engines: z.array(EngineName),
  node: z.string().nullable(),
  phase: TaskPhase.nullable(),
  frame: z.int(),
  frames: z.int().nullable(),
  fps: z.number().nullable(),
  failures: z.int(),
  losses: z.int(),
  result: TaskResult.nullable(),
  error: TaskError.nullable(),
  startedAt: Instant.nullable(),
  endedAt: Instant.nullable(),
  attempts: z.array(AttemptView).optional(),
  waiting: z
    .string()
    .nullable()
    .optional()
    .describe('why no node takes this queued task; null: those that can are busy'),
});
export type TaskView = z.infer<typeof TaskView>;

/** A job as the API shows it; `tasks` only where one job is asked for. */
export const JobView = z.object({
  id: z.string(),
  batch: z.string().nullable(),
  name: z.string().nullable(),
  template: z.string(),
  version: z.string(),
  state: JobState,
  priority: z.int(),
  progress: z.number().min(0).max(1),
  node: z.string().nullable().describe('the node it was sent to by name'),
  nodes: z.array(z.string()).optional().describe('the nodes that render or rendered its tasks'),
  createdAt: Instant,
  runAt: Instant.nullable(),
  startedAt: Instant.nullable(),
  endedAt: Instant.nullable(),
  error: TaskError.nullable(),
  inputs: InputValues.optional(),
  webhook: z.string().nullable().optional(),
  tasks: z.array(TaskView).optional(),
});
export type JobView = z.infer<typeof JobView>;

export const JobList = z.object({ jobs: z.array(JobView), next: z.string().nullable() });
export const SubmitAnswer = z.object({
  jobs: z.array(JobView),
  batch: z.string().nullable(),
  warning: z.string().optional().describe('why the jobs may wait long, e.g. no node has the engine'),
});
export type SubmitAnswer = z.infer<typeof SubmitAnswer>;

/** `GET /v1/jobs/:id/output`: where to fetch each finished output. */
export const OutputAnswer = z.object({
  outputs: z.array(
    TaskResult.extend({ task: z.string(), name: z.string(), fileName: z.string(), url: z.string() }),
  ),
});
export type OutputAnswer = z.infer<typeof OutputAnswer>;

/** `GET /v1/jobs/:id/logs`: the complete logs that engines left, gzipped, oldest attempt first. */
export const LogFilesAnswer = z.object({
  logs: z.array(
    z.object({
      task: z.string(),
      epoch: z.int(),
      fileName: z.string().describe('e.g. aerender.log.gz'),
      sizeBytes: z.int().describe('compressed'),
      sha256: Sha256,
      url: z.string(),
    }),
  ),
});
export type LogFilesAnswer = z.infer<typeof LogFilesAnswer>;

/** `GET /v1/jobs/:id/log?after=`: log text from a cursor on. */
export const LogAnswer = z.object({
  lines: z.array(
    z.object({
      task: z.string(),
      epoch: z.int(),
      at: Instant,
      stream: z.enum(['agent', 'engine']),
      line: z.string(),
    }),
  ),
  next: z.string().describe('cursor for the next call'),
  ended: z.boolean().describe('the job is over: nothing more will come'),
});
export type LogAnswer = z.infer<typeof LogAnswer>;
