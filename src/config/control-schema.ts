/** The options of a control plane: what flatrender.yaml may say, and what holds when it does not. */
import { z } from 'zod';
import { isListenAddress } from './listen-address.ts';

const seconds = (fallback: number, min = 1, max = 7 * 86_400) =>
  z.number().min(min).max(max).default(fallback);
const count = (fallback: number, min: number, max: number) => z.int().min(min).max(max).default(fallback);

const MiB = 1024 * 1024;
const GiB = 1024 * MiB;

const Gateway = z.strictObject({
  host: z
    .string()
    .min(1)
    .max(255)
    .refine(isListenAddress, {
      error: ({ input }) => `"${input}" is not an address to listen on, such as 127.0.0.1 or 10.66.0.1`,
    })
    .default('127.0.0.1'),
  port: z.int().min(0).max(65_535).default(8088),
  publicUrl: z
    .url({ protocol: /^https?$/, error: 'an address such as http://10.66.0.1:8088' })
    .nullable()
    .default(null),
  allow: z.array(z.cidrv4().or(z.cidrv6())).max(100).nullable().default(null),
  tls: z
    .strictObject({ cert: z.string().min(1), key: z.string().min(1) })
    .nullable()
    .default(null),
});

/** Scheme, host and port: S3 signs the path, so there is nothing in front of the bucket. */
const s3Address = z
  .url({ protocol: /^https?$/, error: 'an address such as http://10.66.0.1:9000' })
  .refine((text) => /^https?:\/\/[^/?#@]+\/?$/.test(text), {
    error:
      'scheme, host and port alone, such as http://10.66.0.1:9000: no path, no user, and the bucket is objects.bucket',
  })
  .transform((text) => text.replace(/\/$/, ''))
  .nullable()
  .default(null);

const Objects = z.strictObject({
  type: z.enum(['fs', 's3']).default('fs'),
  path: z.string().min(1).default('objects'),
  publicUrl: z
    .url({ protocol: /^https?$/, error: 'an address such as https://files.example.com' })
    .nullable()
    .default(null),
  checkOutputs: z.boolean().default(true),
  presignTtlSeconds: z
    .int()
    .min(60)
    .max(7 * 86_400)
    .default(6 * 3600),
  endpoint: s3Address,
  presignEndpoint: s3Address,
  region: z.string().min(1).max(64).default('us-east-1'),
  bucket: z
    .string()
    .regex(/^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$/, '3 to 63 characters of a-z, 0-9, - and .')
    .default('flatrender'),
  accessKey: z.string().min(1).max(256).nullable().default(null),
  secretKey: z.string().min(1).max(256).nullable().default(null),
  pathStyle: z.boolean().default(true),
  // S3 demands 5 MiB of every part but the last.
  partBytes: count(16 * MiB, 5 * MiB, 5 * GiB),
  createBucket: z.boolean().default(false),
});

/** Variables for secrets that are named after what they are for; `…_FILE` names a file that holds the value. */
export const S3_VARIABLES: Readonly<Record<string, string>> = {
  'objects.accessKey': 'FLATRENDER_S3_ACCESS_KEY',
  'objects.secretKey': 'FLATRENDER_S3_SECRET_KEY',
};

const Leases = z.strictObject({
  heartbeatSeconds: seconds(5, 0.1, 60),
  suspectSeconds: seconds(20, 0.3, 600),
  leaseSeconds: seconds(60, 0.5, 3600),
  offlineSeconds: seconds(120, 0.5, 3600),
});

const Agents = z.strictObject({
  claimWaitSeconds: seconds(30, 0, 60),
  previewSeconds: seconds(1, 0.1, 60),
  keepRenderingSeconds: seconds(900, 0, 86_400),
});

// Three tries show whether it was chance. Losses are rarely the task's fault (a machine switched off, a line cut), but
// a task that takes its machine down with it must not walk through the whole farm.
const Retries = z.strictObject({
  maxFailures: count(3, 1, 100),
  maxLosses: count(5, 1, 100),
  blockAfter: count(3, 1, 100),
  quarantineAfter: count(3, 1, 100),
});

const Retention = z.strictObject({
  cron: z.string().min(9).max(100).default('17 * * * *'),
  finishedDays: z.number().min(0).max(36_500).default(30),
  keepFinished: count(100_000, 0, 100_000_000),
  keepOutputsDays: z.number().min(0).max(36_500).default(30),
  unusedAssetsDays: z.number().min(0).max(36_500).default(7),
  idempotencyHours: z.number().min(1).max(8760).default(48),
  webhookDays: z.number().min(0).max(36_500).default(30),
  auditDays: z.number().min(0).max(36_500).default(365),
});

const Limits = z.strictObject({
  bodyBytes: count(8 * MiB, 16_384, 256 * MiB),
  jsonDepth: count(32, 8, 256),
  headerSeconds: seconds(10, 0.1, 600),
  requestSeconds: seconds(30, 0.1, 600),
  uploadBytes: count(20 * GiB, 1024, 1024 * GiB),
  uploadIdleSeconds: seconds(60, 0.1, 3600),
  urlLength: count(8192, 1024, 65_536),
  connections: count(30_000, 10, 1_000_000),
  logBytesPerAttempt: count(MiB, 1024, 1024 * MiB),
  previewBytes: count(64 * MiB, MiB, 4 * GiB),
  eventClients: count(500, 1, 100_000),
  // 0: no limit. An agent with eight tasks makes some 20 requests a second and sends at most 6 MiB; a token is often shared
  // by several machines.
  nodeRequestsPerSecond: count(200, 0, 1_000_000),
  nodeBytesPerSecond: count(16 * MiB, 0, 16 * GiB),
  tokenRequestsPerSecond: count(500, 0, 1_000_000),
  refusedPerSecond: count(50, 0, 1_000_000),
});

const allowHosts = z
  .array(
    z
      .string()
      .regex(
        /^(\*\.)?[A-Za-z0-9:._-]{1,253}$/,
        'a host such as files.example.com, *.example.com or 10.66.0.1',
      ),
  )
  .max(100)
  .default([]);

const Webhooks = z.strictObject({
  allowPrivate: z.boolean().default(false),
  allowHosts,
  // The Standard Webhooks specification recommends 15 to 30 s.
  timeoutSeconds: seconds(15, 0.1, 60),
});

const Inputs = z.strictObject({
  urls: z
    .strictObject({
      enabled: z.boolean().default(true),
      allowPrivate: z.boolean().default(false),
      allowHosts,
      maxBytes: count(512 * MiB, 1024, 1024 * GiB),
      // A client waits for the answer to its submit while the files are fetched.
      timeoutSeconds: seconds(60, 1, 600),
    })
    .prefault({}),
});

const Hooks = z.strictObject({
  files: z.string().min(1).nullable().default(null),
});

const Mesh = z.strictObject({
  interface: z.string().min(1).max(15).default('wg0'),
  directory: z.string().min(1).default('/etc/wireguard'),
  socket: z.string().min(1).default('/run/flatrender/mesh.sock'),
});

const Tracing = z.strictObject({
  endpoint: z
    .url({
      protocol: /^https?$/,
      error: 'the address of an OpenTelemetry collector, such as http://127.0.0.1:4318',
    })
    .nullable()
    .default(null),
});

/** flatrender.yaml; every option has a default, an unknown one is refused. */
export const ControlConfigSchema = z
  .strictObject({
    farm: z.strictObject({ name: z.string().min(1).max(100).default('farm') }).prefault({}),
    gateway: Gateway.prefault({}),
    store: z
      .string()
      .regex(/^(sqlite:.+|postgres(ql)?:\/\/.+)/, {
        error: 'sqlite:PATH, relative to the state directory, or postgres://USER:PASSWORD@HOST/DATABASE',
      })
      .default('sqlite:flatrender.db'),
    objects: Objects.prefault({}),
    leases: Leases.prefault({}),
    agents: Agents.prefault({}),
    retries: Retries.prefault({}),
    retention: Retention.prefault({}),
    limits: Limits.prefault({}),
    webhooks: Webhooks.prefault({}),
    inputs: Inputs.prefault({}),
    hooks: Hooks.prefault({}),
    mesh: Mesh.prefault({}),
    tracing: Tracing.prefault({}),
  })
  .superRefine(({ objects }, context) => {
    if (objects.type !== 's3') return;
    for (const name of ['endpoint', 'accessKey', 'secretKey'] as const) {
      if (objects[name] !== null) continue;
      const message = `objects.type: s3 needs it${name === 'endpoint' ? ', such as http://10.66.0.1:9000' : ` (or ${S3_VARIABLES[`objects.${name}`]})`}`;
      context.addIssue({ code: 'custom', path: ['objects', name], message });
    }
  })
  .superRefine(({ leases }, context) => {
    // Out of order, a node would lose its work before anybody notices that it is late, or never be called offline.
    const order = ['heartbeatSeconds', 'suspectSeconds', 'leaseSeconds', 'offlineSeconds'] as const;
    for (const [i, name] of order.slice(1).entries()) {
      const before = order[i] ?? 'heartbeatSeconds';
      if (leases[name] > leases[before]) continue;
      const message = `${leases[name]} is not more than ${before} (${leases[before]})`;
      context.addIssue({ code: 'custom', path: ['leases', name], message });
    }
  });

/** A complete configuration. */
export type ControlConfig = z.output<typeof ControlConfigSchema>;

/** What a caller may give: any part of it. */
export type ControlConfigInput = z.input<typeof ControlConfigSchema>;

/** Everything at its default. */
export function defaultControlConfig(): ControlConfig {
  return ControlConfigSchema.parse({});
}

/** Dotted paths of all options, in the order of the schema. */
export function optionPaths(schema: z.ZodType = ControlConfigSchema, prefix = ''): string[] {
  const shape = shapeOf(schema);
  if (!shape) return prefix === '' ? [] : [prefix];
  return Object.entries(shape).flatMap(([key, inner]) =>
    optionPaths(inner, prefix === '' ? key : `${prefix}.${key}`),
  );
}

/** The keys an object of the configuration may have; undefined when there is no object at this path. */
export function keysAt(path: readonly PropertyKey[]): string[] | undefined {
  let schema: z.ZodType | undefined = ControlConfigSchema;
  for (const key of path) schema = schema && shapeOf(schema)?.[String(key)];
  const shape = schema && shapeOf(schema);
  return shape && Object.keys(shape);
}

function shapeOf(schema: z.ZodType): Record<string, z.ZodType> | undefined {
  let inner: z.ZodType = schema;
  while (inner instanceof z.ZodDefault || inner instanceof z.ZodPrefault || inner instanceof z.ZodNullable) {
    inner = inner.unwrap() as z.ZodType;
  }
  return inner instanceof z.ZodObject ? (inner.shape as Record<string, z.ZodType>) : undefined;
}
