import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer } from 'node:http';
import { json } from 'node:stream/consumers';
import { test } from 'node:test';
import { spanId, traceId } from '../../src/lib/tracing.ts';
import { mockTemplate, startFarm } from '../helpers/farm.ts';
import { freePort } from '../helpers/free-port.ts';

interface Span {
  readonly traceId: string;
  readonly spanId: string;
  readonly parentSpanId?: string;
  readonly name: string;
  readonly startTimeUnixNano: string;
  readonly endTimeUnixNano: string;
  readonly status?: { readonly code?: number };
  readonly service: string;
}

/** What an OpenTelemetry collector is to flatrender: POST /v1/traces with OTLP JSON. */
async function startCollector(port: number): Promise<AsyncDisposable & { readonly spans: Span[] }> {
  const spans: Span[] = [];
  const server = createServer(async (request, response) => {
    assert.equal(`${request.method} ${request.url}`, 'POST /v1/traces');
    const body = (await json(request)) as {
      resourceSpans: {
        resource: { attributes: { key: string; value: { stringValue: string } }[] };
        scopeSpans: { spans: Span[] }[];
      }[];
    };
    for (const { resource, scopeSpans } of body.resourceSpans) {
      const service = resource.attributes.find(({ key }) => key === 'service.name')?.value.stringValue ?? '';
      for (const { spans: some } of scopeSpans) spans.push(...some.map((span) => ({ ...span, service })));
    }
    response.writeHead(200, { 'content-type': 'application/json' }).end('{}');
  }).listen(port, '127.0.0.1');
  await once(server, 'listening');
  return {
    spans,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      server.close();
      await once(server, 'close');
    },
  };
}

test('a job is one trace: its wait, its attempts, and what the node did in each', async () => {
  const port = await freePort();
  await using collector = await startCollector(port);
  const endpoint = `http://127.0.0.1:${port}`;
  await using farm = await startFarm({ settings: { 'tracing.endpoint': endpoint } });
  const agent = await farm.startAgent('studio', { OTEL_EXPORTER_OTLP_ENDPOINT: endpoint });
  await farm.pushTemplate(mockTemplate('card', 0));
  const { jobs } = await farm.run<{ jobs: { id: string; state: string }[] }>([
    ...['job', 'submit', '-t', 'card', '--wait'],
  ]);
  const id = jobs[0]?.id ?? '';
  // Both send what is waiting when they end.
  assert.equal((await agent.stop()).exitCode, 0);
  assert.equal((await farm.control().stop()).exitCode, 0);

  const { spans } = collector;
  assert.deepEqual(new Set(spans.map((span) => span.traceId)), new Set([traceId(id)]));
  const named = (name: string): Span => {
    const found = spans.find((span) => span.name === name);
    assert.ok(found, `no span "${name}" among ${spans.map((span) => span.name).join(', ')}`);
    return found;
  };
  const root = named('job card');
  assert.deepEqual([root.service, root.spanId], ['flatrender-control', spanId(id)]);
  assert.ok(!root.parentSpanId);
  assert.equal(named('queued').parentSpanId, root.spanId);
  const attempt = named('attempt on studio');
  assert.deepEqual([attempt.parentSpanId, attempt.service], [root.spanId, 'flatrender-control']);
  const phases = spans.filter((span) => span.service === 'flatrender-agent');
  assert.ok(phases.length >= 3, String(phases.map(({ name }) => name)));
  for (const { name, parentSpanId, startTimeUnixNano, endTimeUnixNano } of phases) {
    assert.equal(parentSpanId, attempt.spanId, name);
    assert.ok(BigInt(startTimeUnixNano) <= BigInt(endTimeUnixNano), name);
  }
  assert.deepEqual(
    ['render', 'upload'].filter((name) => !phases.some((phase) => phase.name === name)),
    [],
  );
});

test('a collector that is away holds nothing up, and is told of once', async () => {
  const endpoint = `http://127.0.0.1:${await freePort()}`;
  await using farm = await startFarm({ settings: { 'tracing.endpoint': endpoint } });
  const agent = await farm.startAgent('studio', { OTEL_EXPORTER_OTLP_ENDPOINT: endpoint });
  await farm.pushTemplate(mockTemplate('card', 0));
  await farm.run(['job', 'submit', '-t', 'card', '--wait']);
  const ended = await agent.stop();
  assert.equal(ended.exitCode, 0);
  assert.equal(ended.stderr.match(/tracing\.not-sent/g)?.length, 1, ended.stderr);
});
