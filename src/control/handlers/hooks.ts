/** Incoming webhooks: automation has something rendered, with a token that is good for nothing else. */
import { createHash } from 'node:crypto';
import type { FastifyRequest } from 'fastify';
import { z } from 'zod';
import { checkInputs, isFileInput } from '../../bundle/inputs.ts';
import type { Manifest } from '../../bundle/manifest.ts';
import { resolveOutput } from '../../bundle/resolve-output.ts';
import { FlatrenderError } from '../../lib/errors.ts';
import { objectKeys } from '../../objects/object-store.ts';
import {
  HookAnswer,
  HookCall,
  HookCreated,
  HookList,
  HookRequest,
  HookTested,
  type HookView,
} from '../../protocol/hooks.ts';
import { JobRequest } from '../../protocol/jobs.ts';
import { pathOf } from '../../protocol/routes.ts';
import { gatewayUrlFor } from '../base-url.ts';
import type { Control } from '../context.ts';
import { checkHookInputs, type MappedCall, mapCall, templateOf } from '../hook-mapping.ts';
import { type HookRecord, listHooks, removeHook, requireHook, saveHook } from '../hooks.ts';
import { invalidRequest, type Routes } from '../route.ts';
import { instant } from '../views.ts';
import { checkJob, submitJobs } from './submit.ts';

const Params = z.object({ name: z.string().min(1).max(63) });
type Call = z.infer<typeof HookCall>;

/** Registers the routes of hooks. */
export function hookRoutes(routes: Routes, control: Control): void {
  const { store, clock, logger } = control;
  routes.add('hooks', {
    answers: { 200: HookList },
    handle: async () => ({ hooks: (await listHooks(store)).map(hookView) }),
  });
  routes.add('createHook', {
    body: HookRequest,
    answers: { 200: HookCreated, 201: HookCreated },
    async handle({ body, request, reply, token: by }) {
      await checkFixed(control, body);
      const { hook, token, isNew } = await saveHook(store, body, clock.now());
      logger.info(isNew ? 'hook.created' : 'hook.changed', { hook: hook.name, by: by.name });
      reply.code(isNew ? 201 : 200);
      const url = gatewayUrlFor(control, request, 'client') + hookView(hook).path;
      return { hook: hookView(hook), url, token };
    },
  });
  routes.add('removeHook', {
    params: Params,
    answers: { 204: { description: 'Removed; its token is dead' } },
    async handle({ params, reply, token }) {
      await removeHook(store, params.name);
      logger.info('hook.removed', { hook: params.name, by: token.name });
      return reply.code(204).send();
    },
  });
  routes.add('testHook', {
    params: Params,
    body: HookCall,
    answers: { 200: HookTested },
    async handle({ params, body, request }) {
      const hook = await requireHook(store, params.name);
      const { job, ignored } = await jobOf(control, hook, body, request);
      await checkJob(control, job);
      return { job, ignored };
    },
  });
  runRoute(routes, control);
}

function runRoute(routes: Routes, control: Control): void {
  routes.add('runHook', {
    params: Params,
    body: HookCall,
    answers: { 200: HookAnswer, 201: HookAnswer },
    async handle({ body, request, reply }) {
      const { hook } = request;
      if (hook === null) throw new Error('this route has no hook');
      const { job, ignored, mapped } = await jobOf(control, hook, body, request);
      const idempotency = idempotencyOf(hook, mapped, request);
      const by = `hook ${hook.name}`;
      const { repeated, answer } = await submitJobs(control, job, by, idempotency);
      const [view] = answer.jobs;
      if (!view) throw new Error('a submit without a job');
      reply.code(repeated ? 200 : 201);
      const base = gatewayUrlFor(control, request, 'client');
      return {
        job: view.id,
        state: view.state,
        repeated,
        ignored,
        ...(answer.warning === undefined ? {} : { warning: answer.warning }),
        links: {
          job: base + pathOf('job', { id: view.id }),
          output: base + pathOf('jobOutput', { id: view.id }),
        },
      };
    },
  });
}

interface HookJob {
  readonly job: JobRequest;
  readonly ignored: readonly string[];
  readonly mapped: MappedCall;
}

/** The job that a call asks for. Its files are in the object store then. */
async function jobOf(
  control: Control,
  hook: HookRecord,
  call: Call,
  request: FastifyRequest,
): Promise<HookJob> {
  const { name, version } = templateOf(hook, call);
  const { manifest } = await control.templates.require(name, version);
  const mapped = mapCall(hook, manifest, call);
  const left = new AbortController();
  request.raw.once('close', () => left.abort(new FlatrenderError('ABORTED', 'the caller went away')));
  const inputs: Record<string, unknown> = {};
  for (const [input, value] of Object.entries(mapped.inputs)) {
    inputs[input] = await inputOf(control, manifest, input, value, left.signal);
  }
  const job = requestOf({ ...Object.fromEntries(mapped.fields), template: name, version, inputs }, 'call');
  return { job, ignored: mapped.ignored, mapped };
}

/** A job from its fields by the names that hooks have for them. REQUEST_INVALID. */
function requestOf(fields: Readonly<Record<string, unknown>>, part: string): JobRequest {
  const { version, callback, outputs, priority, idempotencyKey: _, ...rest } = fields;
  const parsed = JobRequest.safeParse({
    ...rest,
    ...(version === undefined ? {} : { version }),
    ...(callback === undefined ? {} : { webhook: callback }),
    ...(outputs === undefined ? {} : { outputs: namesOf(outputs) }),
    // Forms and spreadsheets send numbers as text.
    ...(priority === undefined ? {} : { priority: numberOf(priority) }),
  });
  if (!parsed.success) throw invalidRequest(parsed.error.issues, part);
  return parsed.data;
}

/** What a hook sets is checked when it is made: nobody who calls it could do anything about it. */
async function checkFixed(control: Control, hook: HookRequest): Promise<void> {
  const values = Object.entries(hook.set).filter(([, value]) => value !== '');
  const fields = Object.fromEntries(values.filter(([target]) => !target.startsWith('inputs.')));
  const template = hook.template ?? fields.template;
  const version = hook.version ?? fields.version;
  // Which template it will be may be left to the call.
  const { webhook, outputs } = requestOf({ ...fields, template: template ?? 'any', version }, 'fixed values');
  if (webhook !== undefined) control.checkWebhook(webhook);
  if (template === undefined) return;
  const { manifest } = await control.templates.require(String(template), version?.toString());
  checkHookInputs(hook, manifest);
  for (const name of outputs ?? []) resolveOutput(manifest, name);
  // Files are looked for at the call.
  const set = new Map(values);
  const kept = Object.entries(manifest.inputs).filter(
    ([input, definition]) => set.has(`inputs.${input}`) && !isFileInput(definition),
  );
  const inputs: Record<string, unknown> = {};
  for (const [input] of kept) inputs[input] = plainInput(manifest, input, set.get(`inputs.${input}`));
  checkInputs({ ...manifest, inputs: Object.fromEntries(kept) }, inputs);
}

/** A value as the template's input takes it: what is text in the call may be a number, a switch, or name a file. */
async function inputOf(
  control: Control,
  manifest: Manifest,
  input: string,
  value: unknown,
  signal: AbortSignal,
): Promise<unknown> {
  const definition = Object.hasOwn(manifest.inputs, input) ? manifest.inputs[input] : undefined;
  if (definition === undefined) return value;
  if (typeof value === 'string' && isFileInput(definition)) {
    if (/^https?:\/\//i.test(value)) return value;
    if (/^[0-9a-f]{64}$/.test(value)) return uploaded(control, input, value);
    return control.hookFiles.take(value, input, signal);
  }
  return plainInput(manifest, input, value);
}

function plainInput(manifest: Manifest, input: string, value: unknown): unknown {
  const definition = manifest.inputs[input];
  if (definition?.type === 'number') return numberOf(value);
  if (definition?.type === 'boolean' && (value === 'true' || value === 'false')) return value === 'true';
  if (definition?.type === 'text' && typeof value === 'number') return String(value);
  return value;
}

async function uploaded(
  { objects, recentObjects }: Control,
  input: string,
  sha256: string,
): Promise<unknown> {
  recentObjects.note(sha256);
  const info = await objects.head(objectKeys.asset(sha256));
  if (info !== null) return { asset: sha256, name: sha256, sizeBytes: info.sizeBytes };
  throw new FlatrenderError(
    'OBJECT_NOT_FOUND',
    `input "${input}": no file with the sha256 ${sha256} was uploaded`,
    {
      hint: 'ask POST /v1/uploads where to put it; a hook can also be given an address or a file name',
    },
  );
}

/** n8n tries again on its own: the same key is the same job. */
function idempotencyOf(
  hook: HookRecord,
  { fields }: MappedCall,
  { headers, rawBody }: FastifyRequest,
): { key: string; bodySha256: string } | undefined {
  const key = headers['idempotency-key'] ?? fields.get('idempotencyKey');
  if (key === undefined) return undefined;
  const text = typeof key === 'number' ? String(key) : key;
  if (typeof text !== 'string' || !/^[\x21-\x7e]{1,200}$/.test(text)) {
    throw new FlatrenderError('REQUEST_INVALID', 'the idempotency key wants 1 to 200 visible characters');
  }
  const bodySha256 = createHash('sha256')
    .update(rawBody ?? '')
    .digest('hex');
  return { key: `hook ${hook.name}:${text}`, bodySha256 };
}

function namesOf(value: unknown): unknown {
  return typeof value === 'string' ? value.split(',').map((name) => name.trim()) : value;
}

function numberOf(value: unknown): unknown {
  return typeof value === 'string' && /^-?\d{1,15}(\.\d{1,10})?$/.test(value.trim()) ? Number(value) : value;
}

function hookView({ name, template, version, map, set, createdAt }: HookRecord): HookView {
  return {
    name,
    path: pathOf('runHook', { name }),
    template,
    version,
    map,
    set,
    createdAt: instant(createdAt),
  };
}
