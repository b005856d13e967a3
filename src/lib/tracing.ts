/**
 * OpenTelemetry traces: what happened to a job, on the control plane and on the nodes, as one picture. Off unless an OTLP
 * endpoint is configured. Nothing is passed along between the machines: trace and span ids follow from the job's and the
 * attempt's own ids, so both sides, after restarts too, write into the same trace.
 */
import { createHash } from 'node:crypto';
import type { Logger } from './logger.ts';

/** Something that began and ended. Times are epoch milliseconds. */
export interface TraceSpan {
  readonly jobId: string;
  readonly name: string;
  /** Of {@link spanId}; absent: nobody refers to it. */
  readonly id?: string;
  /** Of {@link spanId}; absent: it is the root. */
  readonly parent?: string;
  readonly startedAt: number;
  readonly endedAt: number;
  readonly attributes: Readonly<Record<string, string | number | boolean | null | undefined>>;
  /** What went wrong in it. */
  readonly error?: string | undefined;
}

/** Where finished spans go. */
export interface Tracing {
  readonly isOn: boolean;
  /** Returns at once; what cannot be sent is dropped. */
  record(span: TraceSpan): void;
  /** Sends what is waiting, for some seconds at most. */
  close(): Promise<void>;
}

export interface TracingOptions {
  /** OTLP over HTTP, e.g. `http://127.0.0.1:4318`; `/v1/traces` is added. */
  readonly endpoint: string;
  /** `flatrender-control` or `flatrender-agent`. */
  readonly service: string;
  /** Node id or host name: tells machines apart. */
  readonly instance: string;
  readonly version: string;
  readonly logger: Logger;
}

/** Drops everything. */
export const noTracing: Tracing = { isOn: false, record: () => undefined, close: () => Promise.resolve() };

const CLOSE_MS = 3000;
/** A collector that is away is told of once in a while, not for every batch. */
const COMPLAIN_EVERY_MS = 10 * 60_000;

/** The trace of a job: 32 hex digits. */
export function traceId(jobId: string): string {
  return digestOf(`trace ${jobId}`).slice(0, 32);
}

/** A span that others refer to, by what it stands for: a job's id, or `taskId#epoch`. 16 hex digits. */
export function spanId(subject: string): string {
  return digestOf(`span ${subject}`).slice(0, 16);
}

/** Starts sending spans in batches. The packages are loaded only here: a farm without tracing pays nothing. */
export async function startTracing(options: TracingOptions): Promise<Tracing> {
  const [api, sdk, { OTLPTraceExporter }, { resourceFromAttributes }] = await Promise.all([
    import('@opentelemetry/api'),
    import('@opentelemetry/sdk-trace'),
    import('@opentelemetry/exporter-trace-otlp-http'),
    import('@opentelemetry/resources'),
  ]);
  const { logger, endpoint } = options;
  let complainedAt = Number.NEGATIVE_INFINITY;
  const complain = (message: string): void => {
    if (performance.now() - complainedAt < COMPLAIN_EVERY_MS) return;
    complainedAt = performance.now();
    logger.warn('tracing.not-sent', { endpoint, message });
  };
  const quiet = (): void => undefined;
  const sinks = { error: complain, warn: complain, info: quiet, debug: quiet, verbose: quiet };
  api.diag.setLogger(sinks, { logLevel: api.DiagLogLevel.WARN, suppressOverrideMessage: true });

  // Asked for synchronously by startSpan below.
  let next: TraceSpan | null = null;
  const random = new sdk.RandomIdGenerator();
  const exporter = new OTLPTraceExporter({ url: `${endpoint.replace(/\/+$/, '')}/v1/traces` });
  const provider = new sdk.TracerProvider({
    resource: resourceFromAttributes({
      'service.name': options.service,
      'service.version': options.version,
      'service.instance.id': options.instance,
    }),
    idGenerator: {
      generateTraceId: () => (next === null ? random.generateTraceId() : traceId(next.jobId)),
      generateSpanId: () => next?.id ?? random.generateSpanId(),
    },
    spanProcessors: [new sdk.BatchSpanProcessor({ exporter })],
  });
  const tracer = provider.getTracer('flatrender', options.version);
  return {
    isOn: true,
    record(span) {
      const { jobId, parent, error } = span;
      const context =
        parent === undefined
          ? api.ROOT_CONTEXT
          : api.trace.setSpanContext(api.ROOT_CONTEXT, {
              traceId: traceId(jobId),
              spanId: parent,
              traceFlags: api.TraceFlags.SAMPLED,
              isRemote: true,
            });
      next = span;
      const made = tracer.startSpan(
        span.name,
        { startTime: span.startedAt, attributes: { 'flatrender.job': jobId, ...known(span.attributes) } },
        context,
      );
      next = null;
      if (error !== undefined) made.setStatus({ code: api.SpanStatusCode.ERROR, message: error });
      made.end(Math.max(span.startedAt, span.endedAt));
    },
    async close() {
      const late = new Promise<void>((resolve) => setTimeout(resolve, CLOSE_MS).unref());
      await Promise.race([provider.shutdown().catch((error: unknown) => complain(String(error))), late]);
    },
  };
}

function known(attributes: TraceSpan['attributes']): Record<string, string | number | boolean> {
  const entries = Object.entries(attributes).filter((entry) => entry[1] !== null && entry[1] !== undefined);
  return Object.fromEntries(entries) as Record<string, string | number | boolean>;
}

function digestOf(text: string): string {
  return createHash('sha256').update(text).digest('hex');
}
