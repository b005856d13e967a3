import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { join } from 'node:path';
import { test } from 'node:test';
import { startAgent } from '../../src/agent/agent.ts';
import { followJobs } from '../../src/cli/follow-jobs.ts';
import { createApi } from '../../src/client/api.ts';
import { objectKeys } from '../../src/objects/object-store.ts';
import type { JobView } from '../../src/protocol/jobs.ts';
import { keptLog, mockBundle, testConfig } from '../helpers/agent-under-test.ts';
import type { TestControl } from '../helpers/control.ts';
import { type SharedReplicas, startSharedReplicas } from '../helpers/replicas.ts';
import { type RoundRobinProxy, startRoundRobinProxy } from '../helpers/round-robin-proxy.ts';

interface Farm extends AsyncDisposable {
  readonly replicas: SharedReplicas;
  readonly proxy: RoundRobinProxy;
  readonly log: ReturnType<typeof keptLog>;
  submit(at: TestControl): Promise<string>;
}

/** Three control planes behind a load balancer, and an agent that knows only that. */
async function setUp(mock: Record<string, unknown>): Promise<Farm> {
  await using undo = new AsyncDisposableStack();
  const config = { leases: { heartbeatSeconds: 0.2 }, agents: { claimWaitSeconds: 2 } };
  const replicas = undo.use(await startSharedReplicas({ count: 3, config }));
  const [first] = replicas.all;
  assert.ok(first);
  const proxy = undo.use(await startRoundRobinProxy(replicas.all.map(({ url }) => url)));
  const bundle = await mockBundle(mock);
  const sha256 = createHash('sha256').update(bundle).digest('hex');
  await first.control.objects.put(objectKeys.bundle(sha256), bundle);
  assert.equal((await first.call('POST', '/v1/templates', { sha256 })).status, 201);
  const { body } = await first.call('POST', '/v1/nodes', { id: 'studio-1' });
  const base = { url: proxy.url, nodeId: 'studio-1', secret: String(body.secret) };
  const log = keptLog();
  const agent = startAgent({
    config: testConfig(base, join(first.directory, 'agent')),
    logger: log.logger,
    version: '0.0.0-test',
  });
  undo.defer(async () => {
    agent.shutdown();
    agent.shutdown();
    await agent.done.catch(() => undefined);
  });
  await agent.ready;
  const owned = undo.move();
  return {
    replicas,
    proxy,
    log,
    async submit(at) {
      const answer = await at.call('POST', '/v1/jobs', { template: 'test-card' });
      assert.equal(answer.status, 201, JSON.stringify(answer.body));
      return answer.body.jobs[0].id;
    },
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}

/** Follows a job as `job submit --wait` does. */
async function followed(
  at: Pick<TestControl, 'url' | 'token'>,
  job: string,
  onUpdate: (job: JobView) => void = () => undefined,
): Promise<JobView> {
  const api = createApi({ url: at.url, token: at.token });
  const [last] = await followJobs(api, [job], { signal: AbortSignal.timeout(30_000), onUpdate });
  assert.ok(last);
  return last;
}

const attemptsOf = async (at: TestControl, job: string): Promise<number> =>
  (await at.control.store.listAttempts(job)).length;

test('an agent whose requests go to three control planes in turn renders a job; it is followed at any of them', async () => {
  await using farm = await setUp({ frameMs: 100 });
  const [a, b, c] = farm.replicas.all;
  assert.ok(a && b && c);
  const job = await farm.submit(a);
  const progress = new Set<number>();
  const ended = await followed(b, job, (view) => progress.add(view.progress));
  assert.equal(ended.state, 'succeeded');
  assert.ok(progress.size >= 3, `progress comes through: ${[...progress].join(', ')}`);
  assert.equal(await attemptsOf(c, job), 1);
  assert.ok(
    farm.proxy.counts.every((count) => count > 2),
    farm.proxy.counts.join(', '),
  );
  const output = await c.call('GET', `/v1/jobs/${job}/output`);
  assert.equal((await fetch(output.body.outputs[0].url)).status, 200);
  assert.deepEqual(
    farm.log.events().filter((event) => event === 'agent.cut-off'),
    [],
  );
});

test('a job that is cancelled at one control plane stops on its node, and whoever follows it at another sees the end', async () => {
  await using farm = await setUp({ frameMs: 1000 });
  const [a, b, c] = farm.replicas.all;
  assert.ok(a && b && c);
  const job = await farm.submit(a);
  const running = Promise.withResolvers<void>();
  const ended = followed(b, job, (view) => view.tasks?.[0]?.phase === 'render' && running.resolve());
  await running.promise;
  assert.equal((await c.call('POST', `/v1/jobs/${job}/cancel`, {})).status, 200);
  assert.equal((await ended).state, 'cancelled');
  const deadline = performance.now() + 5000;
  while (!farm.log.events().includes('task.cancelled')) {
    assert.ok(performance.now() < deadline, 'the agent was told');
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
});

test('the control plane that leads dies in the middle of a render: the job goes on, is rendered once, and who follows it elsewhere sees its end', async () => {
  await using farm = await setUp({ frameMs: 200 });
  const { replicas, proxy } = farm;
  const [a, b, c] = replicas.all;
  const [viewA] = replicas.views;
  assert.ok(a && b && c && viewA?.shared.isLeader);
  const job = await farm.submit(b);
  const running = Promise.withResolvers<void>();
  // By way of the load balancer: the stream may be one of those that break.
  const ended = followed({ url: proxy.url, token: b.token }, job, (view) => {
    if (view.tasks?.[0]?.phase === 'render') running.resolve();
  });
  await running.promise;
  proxy.kill(0);
  viewA.cut();
  viewA.die();
  assert.equal((await ended).state, 'succeeded');
  assert.equal(await attemptsOf(c, job), 1);
  assert.ok((await followed(c, await farm.submit(b))).state === 'succeeded', 'and the next one is rendered');
});
