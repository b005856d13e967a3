import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { type RunningAgent, startAgent } from '../../src/agent/agent.ts';
import type { AgentConfig } from '../../src/config/agent-config.ts';
import { objectKeys } from '../../src/objects/object-store.ts';
import type { JobView } from '../../src/protocol/jobs.ts';
import { type KeptLog, keptLog, mockBundle, testConfig } from '../helpers/agent-under-test.ts';
import { startTestControl, type TestControl } from '../helpers/control.ts';
import { freePort } from '../helpers/free-port.ts';

/** Pushes a template as `template push` does: the object first, then its registration. */
async function push(control: TestControl, bundle: Buffer): Promise<void> {
  const sha256 = createHash('sha256').update(bundle).digest('hex');
  await control.control.objects.put(objectKeys.bundle(sha256), bundle);
  const { status, body } = await control.call('POST', '/v1/templates', { sha256 });
  assert.ok(status === 200 || status === 201, JSON.stringify(body));
}

interface Node extends AsyncDisposable {
  readonly agent: RunningAgent;
  readonly config: AgentConfig;
  readonly log: KeptLog;
}

async function startNode(
  control: TestControl,
  id: string,
  changes: Partial<AgentConfig> = {},
): Promise<Node> {
  const { body } = await control.call('POST', '/v1/nodes', { id });
  const base = { url: control.url, nodeId: id, secret: String(body.secret) };
  const config = testConfig(base, join(control.directory, `agent-${id}`), { ...changes });
  const log = keptLog();
  const agent = startAgent({ config, logger: log.logger, version: '0.0.0-test' });
  return {
    agent,
    config,
    log,
    async [Symbol.asyncDispose]() {
      agent.shutdown();
      agent.shutdown();
      await agent.done.catch(() => undefined);
    },
  };
}

async function untilJob(
  control: TestControl,
  id: string,
  isWanted: (job: JobView) => boolean,
): Promise<JobView> {
  let job: JobView | undefined;
  for (const giveUpAt = Date.now() + 30_000; Date.now() < giveUpAt; ) {
    job = (await control.call('GET', `/v1/jobs/${id}`).catch(() => undefined))?.body as JobView | undefined;
    if (job?.state && isWanted(job)) return job;
    await new Promise((resolve) => setTimeout(resolve, 25));
  }
  return assert.fail(`not as wanted: ${JSON.stringify(job, null, 1)}`);
}

async function farm(t: TestContext, port = 0): Promise<TestControl> {
  const control = await startTestControl({
    config: { gateway: { host: '127.0.0.1', port }, leases: { heartbeatSeconds: 0.2 } },
  });
  t.after(() => control[Symbol.asyncDispose]());
  return control;
}

test('a job with an input file goes from submit to a verified output, with logs, and the second one from the cache', async (t) => {
  const control = await farm(t);
  await push(
    control,
    await mockBundle({ frameMs: 2 }, { inputs: '{ logo: { type: image, required: true } }' }),
  );
  await using node = await startNode(control, 'studio-1');
  await node.agent.ready;
  const logo = Buffer.from('89504e470d0a1a0a', 'hex');
  const sha256 = createHash('sha256').update(logo).digest('hex');
  await control.control.objects.put(objectKeys.asset(sha256), logo);
  const inputs = { logo: { asset: sha256, name: 'logo.png', sizeBytes: logo.length } };
  for (const wanted of ['downloaded', 'from cache']) {
    const id = await control.submit({ template: 'test-card', inputs });
    const job = await untilJob(control, id, ({ state }) => state === 'succeeded' || state === 'failed');
    assert.equal(job.state, 'succeeded', JSON.stringify(job.error));
    const result = job.tasks?.[0]?.result;
    assert.ok(result);
    const { stream, info } = await control.control.objects.get(result.key);
    stream.destroy();
    assert.deepEqual([info.sha256, info.sizeBytes], [result.sha256, result.sizeBytes]);
    const { body } = await control.call('GET', `/v1/jobs/${id}/log`);
    assert.match(JSON.stringify(body), new RegExp(`template ${wanted} in`));
    assert.match(JSON.stringify(body), /rendered 10 frames/, 'also the last lines arrive');
  }
  node.agent.shutdown();
  await node.agent.done;
  assert.deepEqual(await readdir(node.config.tempDir), []);
});

test('a cancelled job stops on the node and leaves nothing there', async (t) => {
  const control = await farm(t);
  await push(control, await mockBundle({ frameMs: 1000 }));
  await using node = await startNode(control, 'studio-1');
  const id = await control.submit({ template: 'test-card' });
  await untilJob(control, id, (job) => job.tasks?.[0]?.phase === 'render');
  await control.call('POST', `/v1/jobs/${id}/cancel`);
  while (!node.log.lines.some((line) => line.event === 'task.ended'))
    await new Promise((resolve) => setTimeout(resolve, 20));
  const ended = node.log.lines.find((line) => line.event === 'task.ended');
  assert.ok(ended?.ended === 'cancelled' || ended?.ended === 'lost', JSON.stringify(ended));
  assert.deepEqual(await readdir(node.config.tempDir), []);
});

test('a render that the control plane did not see end is reported after its restart, once', async (t) => {
  const control = await farm(t, await freePort());
  await push(control, await mockBundle({ frameMs: 60 }));
  await using node = await startNode(control, 'studio-1');
  const id = await control.submit({ template: 'test-card' });
  await untilJob(control, id, (job) => job.tasks?.[0]?.phase === 'render');
  await control.restart();
  const job = await untilJob(control, id, ({ state }) => state === 'succeeded');
  assert.equal(job.tasks?.[0]?.epoch, 1);
  assert.equal(job.tasks?.[0]?.attempts?.length, 1);
  assert.equal(node.log.events().filter((event) => event === 'task.started').length, 1);
});

test('refusals of a node each come with their own message and what to do', async (t) => {
  const control = await farm(t);
  await control.call('POST', '/v1/nodes', { id: 'known' });
  const cases: [Partial<AgentConfig>, string, RegExp][] = [
    [{ nodeId: 'stranger' }, 'NODE_UNKNOWN', /no node "stranger".*flatrender node add stranger/],
    [{ nodeId: 'known', secret: 'x'.repeat(43) }, 'SIGNATURE_INVALID', /known.*\(.+\)/],
  ];
  for (const [changes, code, message] of cases) {
    await using node = await startNode(control, `other-${code.toLowerCase().replace('_', '-')}`, changes);
    let line: Record<string, unknown> | undefined;
    while (!line) {
      line = node.log.lines.find((candidate) => candidate.event === 'agent.register-failed');
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
    assert.equal(line.code, code);
    assert.match(String(line.message), message);
  }
});

test('a node that stops hands its task back, and another one takes it at no cost', async (t) => {
  const control = await farm(t);
  await push(control, await mockBundle({ frameMs: 100 }));
  const first = await startNode(control, 'first');
  await first.agent.ready;
  const id = await control.submit({ template: 'test-card' });
  await untilJob(control, id, (job) => job.tasks?.[0]?.phase === 'render');
  await using _ = await startNode(control, 'second');
  await first[Symbol.asyncDispose]();
  const job = await untilJob(control, id, ({ state }) => state === 'succeeded');
  const task = job.tasks?.[0];
  assert.deepEqual(
    task?.attempts?.map(({ node, outcome }) => [node, outcome]),
    [
      ['first', 'interrupted'],
      ['second', 'succeeded'],
    ],
    JSON.stringify(task?.attempts),
  );
  assert.deepEqual([task?.failures, task?.losses], [0, 0]);
});
