/** The control plane's client API, one method per route; what the operator's commands are built on. */

import type { Readable } from 'node:stream';
import type { z } from 'zod';
import type { FlatrenderError } from '../lib/errors.ts';
import type { AuditList } from '../protocol/audit.ts';
import type { Invitation, InviteAnswer, InviteRequest } from '../protocol/enrolment.ts';
import type { HookCreated, HookList, HookRequest, HookTested, HookView } from '../protocol/hooks.ts';
import type {
  JobList,
  JobRequest,
  JobState,
  JobView,
  LogAnswer,
  LogFilesAnswer,
  OutputAnswer,
  SubmitAnswer,
} from '../protocol/jobs.ts';
import type { NodeCreated, NodeList, NodeRemoved, NodeRequest, NodeView } from '../protocol/nodes.ts';
import { pathOf, ROUTES, type RouteName } from '../protocol/routes.ts';
import type {
  ObjectUploadAnswer,
  ObjectUploadRequest,
  TemplateAnswer,
  TemplateList,
  TemplateView,
} from '../protocol/templates.ts';
import type { TokenCreated, TokenList, TokenRequest, TokenView, WhoAmI } from '../protocol/tokens.ts';
import type {
  DeliveryDetail,
  DeliveryList,
  DeliveryStateName,
  DeliveryView,
  WebhookSecret,
  WebhooksReplayed,
  WebhookTestAnswer,
} from '../protocol/webhooks.ts';
import { ANSWER_NAMES, ANSWER_TYPES } from './answers.ts';
import { callBytes, callJson, type HttpCall, type HttpTarget, openCall } from './http.ts';

/** A job as it is written by a client: what has a default may be left out. */
export type JobInput = z.input<typeof JobRequest>;

export interface JobQuery {
  readonly states?: readonly JobState[] | undefined;
  readonly template?: string | undefined;
  readonly batch?: string | undefined;
  /** Continue after this job id (`next` of the page before). */
  readonly before?: string | undefined;
  readonly limit?: number | undefined;
}

/** `GET /health`. */
export interface ControlHealth {
  readonly status: string;
  readonly version?: string;
  readonly serverTime?: string;
}

/** Errors: what the control plane says (the codes of the table), UNREACHABLE when it cannot be reached. */
export interface Api {
  readonly target: HttpTarget;
  health(): Promise<ControlHealth>;
  whoami(): Promise<WhoAmI>;
  /**
   * Submits one job, or several as a batch (all or none). Safe to retry: the same idempotency key (default: a new
   * one per call) never makes a second set of jobs.
   */
  submit(jobs: JobInput | readonly JobInput[], idempotencyKey?: string): Promise<SubmitAnswer>;
  listJobs(query?: JobQuery): Promise<z.infer<typeof JobList>>;
  getJob(id: string): Promise<JobView>;
  cancelJob(id: string): Promise<JobView>;
  retryJob(id: string): Promise<JobView>;
  /** Log lines after the cursor (none: from the beginning). */
  jobLog(id: string, after?: string): Promise<LogAnswer>;
  /** Where the complete logs of the attempts are. */
  jobLogFiles(id: string): Promise<LogFilesAnswer>;
  /** The newest preview frame, a JPEG. */
  jobPreview(id: string): Promise<Buffer>;
  jobOutput(id: string): Promise<OutputAnswer>;
  listNodes(): Promise<readonly NodeView[]>;
  getNode(id: string): Promise<NodeView>;
  createNode(request: z.input<typeof NodeRequest>): Promise<NodeCreated>;
  /** A new invitation; in a mesh the node's tunnel is cut until it is used. */
  inviteNode(id: string, request: z.input<typeof InviteRequest>): Promise<Invitation>;
  drainNode(id: string): Promise<NodeView>;
  resumeNode(id: string): Promise<NodeView>;
  /** What is said when its tunnel could not be cut; null: all of it is gone. */
  removeNode(id: string): Promise<NodeRemoved | null>;
  listTemplates(): Promise<readonly TemplateView[]>;
  /** With its manifest; the newest version unless one is named. */
  getTemplate(name: string, version?: string): Promise<TemplateView>;
  /** Registers a bundle whose upload is complete. */
  pushTemplate(sha256: string): Promise<TemplateAnswer>;
  /** One version, or all of them. */
  removeTemplate(name: string, version?: string): Promise<readonly TemplateView[]>;
  /** Where to put a file; `url` is null when the control plane has those bytes already. */
  createUpload(request: ObjectUploadRequest): Promise<ObjectUploadAnswer>;
  listTokens(): Promise<readonly TokenView[]>;
  createToken(request: TokenRequest): Promise<TokenCreated>;
  revokeToken(id: string): Promise<void>;
  /** Newest first. */
  listWebhooks(query: {
    readonly state?: DeliveryStateName | undefined;
    readonly job?: string | undefined;
    readonly limit: number;
  }): Promise<readonly DeliveryView[]>;
  getWebhook(id: string): Promise<DeliveryDetail>;
  /** Calls that address from the control plane, once. */
  testWebhook(url: string): Promise<WebhookTestAnswer>;
  replayWebhook(id: string): Promise<DeliveryView>;
  replayFailedWebhooks(): Promise<WebhooksReplayed>;
  webhookSecret(): Promise<WebhookSecret>;
  rotateWebhookSecret(overlapSeconds: number): Promise<WebhookSecret>;
  listHooks(): Promise<readonly HookView[]>;
  createHook(request: z.input<typeof HookRequest>): Promise<HookCreated>;
  removeHook(name: string): Promise<void>;
  /** What such a call would submit. */
  testHook(name: string, call: Readonly<Record<string, unknown>>): Promise<HookTested>;
  /** What operators did, newest first. */
  audit(query: AuditQuery): Promise<AuditList>;
  /** The bytes of a backup of the farm's database. */
  backup(): Promise<Readable>;
}

export interface AuditQuery {
  /** Continue after this entry (`next` of the page before). */
  readonly before?: number | undefined;
  /** ISO 8601. */
  readonly since?: string | undefined;
  readonly actor?: string | undefined;
  readonly action?: string | undefined;
  readonly subject?: string | undefined;
  readonly limit: number;
}

const SUBMIT_MS = 120_000;

/** The API of one control plane. The target's signal ends every call. */
export function createApi(target: HttpTarget): Api {
  const call = <T>(
    route: RouteName,
    params: Readonly<Record<string, string>> = {},
    rest: Omit<HttpCall, 'method' | 'path'> = {},
  ): Promise<T> =>
    callJson<T>(target, {
      method: methodOf(route),
      path: pathOf(route, params),
      answerNames: ANSWER_NAMES[route],
      ...rest,
    });
  /** The answer is nothing, as any server may answer: whether it was the control plane is asked. */
  const remove = async <T = never>(
    route: RouteName,
    params: Readonly<Record<string, string>>,
  ): Promise<T | null> => {
    const answer = await call<T | undefined>(route, params, { idempotent: false });
    await call('health', {}, { timeoutMs: 5000 }).catch((error: FlatrenderError) => {
      // It is removed, whatever else happens to the control plane now.
      if (error.code === 'UNREACHABLE' && !error.retryable) throw error;
    });
    return answer ?? null;
  };

  return {
    target,
    health: () => call('health', {}, { timeoutMs: 5000 }),
    whoami: () => call('whoami'),
    async submit(jobs, idempotencyKey) {
      const { randomUUID } = await import('node:crypto');
      return call(
        'submit',
        {},
        {
          body: Array.isArray(jobs) ? { jobs } : jobs,
          headers: { 'idempotency-key': idempotencyKey ?? randomUUID() },
          idempotent: true,
          // Files that inputs name by address are fetched before the answer; asked again, what is there is there.
          timeoutMs: SUBMIT_MS,
        },
      );
    },
    listJobs: (query = {}) =>
      call(
        'jobs',
        {},
        {
          query: {
            state: query.states,
            template: query.template,
            batch: query.batch,
            before: query.before,
            limit: query.limit,
          },
        },
      ),
    getJob: (id) => call('job', { id }),
    cancelJob: (id) => call('cancelJob', { id }, { body: {} }),
    retryJob: (id) => call('retryJob', { id }, { body: {} }),
    jobLog: (id, after) => call('jobLog', { id }, { query: { after } }),
    jobLogFiles: (id) => call('jobLogFiles', { id }),
    jobPreview: (id) =>
      callBytes(target, {
        method: methodOf('jobPreview'),
        path: pathOf('jobPreview', { id }),
        answerType: ANSWER_TYPES.jobPreview,
      }),
    jobOutput: (id) => call('jobOutput', { id }),
    listNodes: async () => (await call<z.infer<typeof NodeList>>('nodes')).nodes,
    getNode: (id) => call('node', { id }),
    createNode: (request) => call('createNode', {}, { body: request }),
    inviteNode: async (id, request) =>
      (await call<z.infer<typeof InviteAnswer>>('inviteNode', { id }, { body: request })).invitation,
    drainNode: (id) => call('drainNode', { id }, { body: {}, idempotent: true }),
    resumeNode: (id) => call('resumeNode', { id }, { body: {}, idempotent: true }),
    removeNode: (id) => remove<NodeRemoved>('removeNode', { id }),
    listTemplates: async () => (await call<z.infer<typeof TemplateList>>('templates')).templates,
    getTemplate: (name, version) => call('template', { name }, { query: { version } }),
    pushTemplate: (sha256) =>
      call('pushTemplate', {}, { body: { sha256 }, idempotent: true, timeoutMs: 120_000 }),
    removeTemplate: async (name, version) =>
      (
        await call<{ templates: readonly TemplateView[] }>(
          'removeTemplate',
          { name },
          { query: { version }, idempotent: false },
        )
      ).templates,
    createUpload: (request) =>
      call('uploads', {}, { body: request, query: { parts: '1' }, idempotent: true }),
    listTokens: async () => (await call<z.infer<typeof TokenList>>('tokens')).tokens,
    createToken: (request) => call('createToken', {}, { body: request }),
    revokeToken: async (id) => void (await remove('revokeToken', { id })),
    listWebhooks: async (query) =>
      (await call<z.infer<typeof DeliveryList>>('webhooks', {}, { query })).deliveries,
    getWebhook: (id) => call('webhook', { id }),
    testWebhook: (url) => call('testWebhook', {}, { body: { url }, timeoutMs: 90_000 }),
    replayWebhook: (id) => call('replayWebhook', { id }, { body: {}, idempotent: true }),
    replayFailedWebhooks: () =>
      call('replayFailedWebhooks', {}, { body: {}, idempotent: true, timeoutMs: 120_000 }),
    webhookSecret: () => call('webhookSecret'),
    rotateWebhookSecret: (overlapSeconds) => call('rotateWebhookSecret', {}, { body: { overlapSeconds } }),
    backup: () =>
      openCall(target, {
        method: methodOf('backup'),
        path: pathOf('backup'),
        answerType: ANSWER_TYPES.backup,
      }),
    listHooks: async () => (await call<z.infer<typeof HookList>>('hooks')).hooks,
    createHook: (request) => call('createHook', {}, { body: request }),
    removeHook: async (name) => void (await remove('removeHook', { name })),
    testHook: (name, body) => call('testHook', { name }, { body, idempotent: true, timeoutMs: 120_000 }),
    audit: (query) => call('audit', {}, { query: { ...query } }),
  };
}

function methodOf(route: RouteName): HttpCall['method'] {
  return ROUTES[route].method;
}
