/** How a route of the contract is registered: authentication, validation and documentation from one declaration. */
import type {
  FastifyInstance,
  FastifyReply,
  FastifyRequest,
  FastifySchema,
  HTTPMethods,
  RouteOptions,
} from 'fastify';
import { z } from 'zod';
import { FlatrenderError } from '../lib/errors.ts';
import { ErrorAnswer } from '../protocol/names.ts';
import { ROUTES, type RouteName } from '../protocol/routes.ts';
import { parseRequestSignature } from '../protocol/signatures.ts';
import type { TokenRecord } from '../store/store.ts';
import type { Control } from './context.ts';
import { authenticateHook, type HookRecord } from './hooks.ts';
import type { NodeCaller } from './node-auth.ts';

declare module 'fastify' {
  interface FastifyContextConfig {
    /** Name of the route in ROUTES. */
    name?: RouteName;
  }
  interface FastifyRequest {
    /** Set on routes of nodes, before the body is read. */
    nodeCaller: NodeCaller | null;
    /** Set on routes of clients. */
    tokenRecord: TokenRecord | null;
    /** Set on routes of hooks. */
    hook: HookRecord | null;
    /** The body as it came. */
    rawBody: Buffer | null;
  }
}

/** One request as a handler sees it: everything is checked. */
export interface Call<B, Q, P> {
  readonly body: B;
  readonly query: Q;
  readonly params: P;
  readonly request: FastifyRequest;
  readonly reply: FastifyReply;
  /** The node that signed; throws on other routes. */
  readonly node: NodeCaller;
  /** The token in use; throws on other routes. */
  readonly token: TokenRecord;
}

interface RouteSpec<B extends z.ZodType, Q extends z.ZodType, P extends z.ZodType> {
  readonly body?: B;
  readonly query?: Q;
  readonly params?: P;
  /** Documentation of answers by status: a schema, or a content type with what it is. */
  readonly answers: Readonly<
    Record<number, z.ZodType | { readonly description: string; readonly type?: string }>
  >;
  readonly bodyLimit?: number;
  /** Checks the body instead of its schema, for clearer messages. */
  readonly parseBody?: (body: unknown) => z.output<B>;
  readonly handle: (call: Call<z.output<B>, z.output<Q>, z.output<P>>) => Promise<unknown> | unknown;
}

/** Registers routes of {@link ROUTES}; every one of them exactly once. */
export class Routes {
  readonly #app: FastifyInstance;
  readonly #control: Control;

  constructor(app: FastifyInstance, control: Control) {
    this.#app = app;
    this.#control = control;
  }

  add<B extends z.ZodType, Q extends z.ZodType, P extends z.ZodType>(
    name: RouteName,
    spec: RouteSpec<B, Q, P>,
  ): void {
    const { method, path, auth, summary } = ROUTES[name];
    const schema: FastifySchema & Record<string, unknown> = {
      operationId: name,
      summary,
      tags: [tagOf(path)],
      security:
        auth === 'none' || auth === 'url'
          ? []
          : [{ [auth === 'invitation' ? 'node' : auth === 'node' || auth === 'hook' ? auth : 'token']: [] }],
      response: describeAnswers(spec.answers),
    };
    if (spec.body) schema.body = spec.body;
    if (spec.query) schema.querystring = spec.query;
    if (spec.params) schema.params = spec.params;
    const { parseBody } = spec;
    const options: RouteOptions = {
      method: method as HTTPMethods,
      url: path,
      schema,
      ...(spec.bodyLimit === undefined ? {} : { bodyLimit: spec.bodyLimit }),
      config: { name },
      ...(parseBody
        ? {
            validatorCompiler: ({ schema: part, httpPart }) =>
              httpPart === 'body' ? attempt(parseBody) : validator(part as z.ZodType, httpPart),
          }
        : {}),
      handler: (request, reply) =>
        spec.handle({
          body: request.body as z.output<B>,
          query: request.query as z.output<Q>,
          params: request.params as z.output<P>,
          request,
          reply,
          get node() {
            return required(request.nodeCaller, 'node');
          },
          get token() {
            return required(request.tokenRecord, 'token');
          },
        }),
      ...this.#authOf(auth, name),
    };
    this.#app.route(options);
    // Clients ask for the size and digest of an object; in the description that belongs to GET.
    if (name === 'getObject') this.#app.route({ ...options, method: 'HEAD', schema: { hide: true } });
  }

  #authOf(auth: (typeof ROUTES)[RouteName]['auth'], name: RouteName) {
    const { nodeAuth, clientAuth, enrolment, nodeSync, rateLimits } = this.#control;
    if (auth === 'none' || auth === 'url') return {};
    if (auth === 'hook') {
      return {
        onRequest: async (request: FastifyRequest) => {
          refuseRepeated(request.raw.rawHeaders, 'authorization');
          const { headers } = request.raw;
          const { name } = request.params as { name: string };
          request.hook = await authenticateHook(this.#control.store, name, {
            authorization: headers.authorization,
            header: headers['x-hook-token'],
            query: (request.query as { token?: unknown }).token,
          });
          rateLimits.token(`hook ${name}`, `hook ${name}`);
        },
      };
    }
    if (auth === 'node' || auth === 'invitation') {
      return {
        onRequest: (request: FastifyRequest, _: FastifyReply, done: (error?: Error) => void) => {
          const url = request.raw.url ?? '';
          const mark = url.indexOf('?');
          const path = mark < 0 ? url : url.slice(0, mark);
          const query = mark < 0 ? '' : url.slice(mark + 1);
          const { headers } = request.raw;
          const signed = { method: request.raw.method ?? '', path, query };
          // An operator who looks at a machine whose agent is down must not make it look alive.
          const isAlive = name !== 'hello';
          const verify = (): void => {
            request.nodeCaller =
              auth === 'invitation'
                ? enrolment.verify(signed, headers)
                : nodeAuth.verify(signed, headers, isAlive);
            rateLimits.node(request.nodeCaller.entry.id);
          };
          try {
            verify();
          } catch (error) {
            // Another control plane may have made the node, its secret or its invitation a moment ago.
            const lookUp = isOutdated(error) ? nodeSync.lookUp(parseRequestSignature(headers).keyId) : null;
            if (lookUp === null) return done(error as Error);
            lookUp
              .then((isNews) => {
                if (!isNews) throw error;
                verify();
              })
              .then(() => done(), done);
            return;
          }
          done();
        },
      };
    }
    return {
      onRequest: async (request: FastifyRequest) => {
        // Node keeps the first one and drops the others without a word; a proxy may look at the last.
        refuseRepeated(request.raw.rawHeaders, 'authorization');
        request.tokenRecord = await clientAuth.verify(request.raw.headers.authorization, auth);
        rateLimits.token(request.tokenRecord.id, request.tokenRecord.name);
      },
    };
  }
}

/** Whether the node may be known better elsewhere. */
function isOutdated(error: unknown): boolean {
  return error instanceof FlatrenderError && OUTDATED.has(error.code);
}
const OUTDATED: ReadonlySet<string> = new Set(['NODE_UNKNOWN', 'SIGNATURE_INVALID']);

/** A validator for Fastify that answers REQUEST_INVALID naming each field. */
export function validator(schema: z.ZodType, part = 'body') {
  return (data: unknown): { value: unknown } | { error: Error } => {
    const result = schema.safeParse(data);
    return result.success ? { value: result.data } : { error: invalidRequest(result.error.issues, part) };
  };
}

/** What a schema refused, as an error that names the fields. */
export function invalidRequest(issues: readonly z.core.$ZodIssue[], part: string): FlatrenderError {
  const problems = issues.slice(0, 10).map((issue) => {
    // Names come from the request: it must not be answered with itself.
    const said = issue.code === 'invalid_key' ? (issue.issues[0] ?? issue) : issue;
    const message = cut(said.message.replace(/^Invalid input: /, ''));
    return { path: cut(issue.path.map(String).join('.')), message };
  });
  const text = problems.map(({ path, message }) =>
    path === '' ? `the ${part}: ${message}` : `${path}: ${message}`,
  );
  return new FlatrenderError('REQUEST_INVALID', text.join('; '), { details: { part, problems } });
}

function cut(text: string): string {
  return text.length > LONGEST_ISSUE ? `${text.slice(0, LONGEST_ISSUE)}…` : text;
}
const LONGEST_ISSUE = 500;

/** Refuses a request that has this header more than once. */
export function refuseRepeated(rawHeaders: readonly string[], name: string): void {
  let count = 0;
  for (let i = 0; i < rawHeaders.length; i += 2) {
    const header = rawHeaders[i];
    if (header?.length === name.length && header.toLowerCase() === name) count += 1;
  }
  if (count > 1) throw new FlatrenderError('REQUEST_INVALID', `more than one ${name} header`);
}

function attempt(parse: (body: unknown) => unknown) {
  return (data: unknown): { value: unknown } | { error: Error } => {
    try {
      return { value: parse(data) };
    } catch (error) {
      return { error: error as Error };
    }
  };
}

function required<T>(value: T | null, what: string): T {
  if (value === null) throw new Error(`this route has no ${what}`);
  return value;
}

function tagOf(path: string): string {
  return /^\/(?:v1\/)?([a-z]+)/.exec(path)?.[1] ?? 'farm';
}

function describeAnswers(
  answers: RouteSpec<z.ZodType, z.ZodType, z.ZodType>['answers'],
): Record<string, unknown> {
  const described: Record<string, unknown> = {};
  for (const [status, answer] of Object.entries(answers)) {
    described[status] = 'parse' in answer ? answer : bytesAnswer(answer.description, answer.type);
  }
  return { ...described, '4xx': ErrorAnswer };
}

function bytesAnswer(description: string, type: string | undefined) {
  // A null schema is documented as an answer without a body, an unknown one as bytes.
  if (type === undefined) return z.null().describe(description);
  return { description, content: { [type]: { schema: z.unknown() } } };
}
