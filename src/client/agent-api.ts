/** The agent API as typed calls: every route of `/v1/agent`, signed, checked against the protocol's schemas. */
import type { z } from 'zod';
import { FlatrenderError } from '../lib/errors.ts';
import {
  AgentSettings,
  ClaimAnswer,
  type ClaimRequest,
  type CompleteRequest,
  type FailRequest,
  HeartbeatAnswer,
  type HeartbeatRequest,
  HelloAnswer,
  type LogRequest,
  type RegisterRequest,
  type ReleaseRequest,
  ReportAnswer,
  UploadAnswer,
  type UploadRequest,
} from '../protocol/agent.ts';
import { pathOf, type RouteName } from '../protocol/routes.ts';
import type { SignedHttp } from './signed-http.ts';

/** One try per call; who may repeat what is the caller's decision. Errors as {@link SignedHttp.send}. */
export interface AgentApi {
  readonly url: string;
  register(request: RegisterRequest, signal?: AbortSignal): Promise<AgentSettings>;
  /** Checks the way there and back without being a sign of life. */
  hello(signal?: AbortSignal): Promise<HelloAnswer>;
  /** null: nothing within `waitMs`. */
  claim(request: ClaimRequest, signal?: AbortSignal): Promise<ClaimAnswer | null>;
  heartbeat(request: HeartbeatRequest, signal?: AbortSignal): Promise<HeartbeatAnswer>;
  /** A JPEG of at most 512 kB. RATE_LIMITED when the control plane is behind. */
  preview(taskId: string, epoch: number, jpeg: Uint8Array, signal?: AbortSignal): Promise<void>;
  log(taskId: string, request: LogRequest, signal?: AbortSignal): Promise<void>;
  uploads(taskId: string, request: UploadRequest, signal?: AbortSignal): Promise<UploadAnswer>;
  complete(taskId: string, request: CompleteRequest, signal?: AbortSignal): Promise<ReportAnswer>;
  fail(taskId: string, request: FailRequest, signal?: AbortSignal): Promise<ReportAnswer>;
  release(taskId: string, request: ReleaseRequest, signal?: AbortSignal): Promise<ReportAnswer>;
}

// A long-poll is answered within waitMs; this much later the answer is given up as lost.
const CLAIM_GRACE_MS = 10_000;
const NO_BODY = Buffer.alloc(0);

/** The agent API over one signed connection pool. */
export function createAgentApi(http: SignedHttp): AgentApi {
  const post = async (
    name: RouteName,
    id: string | null,
    body: unknown,
    signal?: AbortSignal,
    timeoutMs?: number,
  ) => {
    const path = pathOf(name, id === null ? {} : { id });
    const bytes = Buffer.from(JSON.stringify(body));
    return await http.send({
      method: 'POST',
      path,
      body: bytes,
      contentType: 'application/json',
      signal,
      timeoutMs,
    });
  };
  const ask = async <T extends z.ZodType>(
    schema: T,
    name: RouteName,
    id: string | null,
    body: unknown,
    signal?: AbortSignal,
  ): Promise<z.infer<T>> => readAnswer(schema, name, (await post(name, id, body, signal)).body);
  return {
    url: http.url,
    register: (request, signal) => ask(AgentSettings, 'register', null, request, signal),
    async hello(signal) {
      const call = {
        method: 'GET',
        path: pathOf('hello'),
        body: NO_BODY,
        contentType: 'application/json',
      } as const;
      return readAnswer(HelloAnswer, 'hello', (await http.send({ ...call, signal })).body);
    },
    async claim(request, signal) {
      const answer = await post('claim', null, request, signal, request.waitMs + CLAIM_GRACE_MS);
      return answer.status === 204 || answer.body.length === 0
        ? null
        : readAnswer(ClaimAnswer, 'claim', answer.body);
    },
    heartbeat: (request, signal) => ask(HeartbeatAnswer, 'heartbeat', null, request, signal),
    async preview(taskId, epoch, jpeg, signal) {
      const path = pathOf('preview', { id: taskId });
      await http.send({
        method: 'PUT',
        path,
        query: `epoch=${epoch}`,
        body: jpeg,
        contentType: 'image/jpeg',
        signal,
      });
    },
    async log(taskId, request, signal) {
      await post('taskLog', taskId, request, signal);
    },
    uploads: (taskId, request, signal) => ask(UploadAnswer, 'taskUploads', taskId, request, signal),
    complete: (taskId, request, signal) => ask(ReportAnswer, 'complete', taskId, request, signal),
    fail: (taskId, request, signal) => ask(ReportAnswer, 'fail', taskId, request, signal),
    release: (taskId, request, signal) => ask(ReportAnswer, 'release', taskId, request, signal),
  };
}

/** Reads an answer by its schema; UNAVAILABLE, not to be repeated, when it does not fit. */
export function readAnswer<T extends z.ZodType>(schema: T, name: RouteName, body: Buffer): z.infer<T> {
  let value: unknown;
  try {
    value = JSON.parse(body.toString('utf8'));
  } catch (cause) {
    throw misunderstood(name, 'it is not JSON', cause);
  }
  const parsed = schema.safeParse(value);
  if (parsed.success) return parsed.data;
  const issue = parsed.error.issues[0];
  throw misunderstood(name, `${issue?.path.join('.') || 'it'}: ${issue?.message}`, parsed.error);
}

function misunderstood(name: RouteName, why: string, cause: unknown): FlatrenderError {
  return new FlatrenderError(
    'UNAVAILABLE',
    `the control plane's answer to "${name}" is not understood: ${why}`,
    {
      cause,
      retryable: false,
      hint: 'agent and control plane are of versions that do not fit; update the older one',
    },
  );
}
