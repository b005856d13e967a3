import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { leaseTimes, mockTemplate, startFarm } from '../helpers/farm.ts';
import { untilJob } from '../helpers/farm-jobs.ts';
import { startTcpProxy } from '../helpers/tcp-proxy.ts';

// The farm's times shortened by 20: a lease of 3 s instead of 60, a cut of 6 s instead of two minutes.
const LEASE_SECONDS = 3;
const settings = leaseTimes(0.25, 1, LEASE_SECONDS, 6);

test('an agent cut off for two lease times re-attaches and renders no frame twice', async () => {
  await using farm = await startFarm({ settings });
  await using line = await startTcpProxy(farm.url);
  await farm.pushTemplate(mockTemplate('slow', 12));
  const agent = await farm.startAgent('far-away', { ORCHESTRATOR_URL: line.url });
  const { jobs } = await farm.run<{ jobs: { id: string }[] }>(['job', 'submit', '-t', 'slow', '--anyway']);
  const id = String(jobs[0]?.id);
  await untilJob(farm, id, (job) => (job.tasks?.[0]?.frame ?? 0) > 3);

  line.cut();
  await untilJob(farm, id, (job) => job.state === 'queued');
  await delay(2 * LEASE_SECONDS * 1000 - 3000); // a cut is a length of time
  line.mend();

  const back = await untilJob(farm, id, (job) => job.state === 'running');
  assert.equal(back.tasks?.[0]?.epoch, 1, 'the same claim goes on');
  const done = await untilJob(farm, id, (job) => job.state === 'succeeded');
  const [task] = done.tasks ?? [];
  assert.equal(task?.epoch, 1);
  assert.equal(task?.losses, 0, 'a loss that was made good does not count');
  assert.equal(task?.attempts?.length, 1);
  assert.equal(task?.attempts?.[0]?.outcome, 'succeeded');
  assert.doesNotMatch(agent.output().stderr, /unhandled|TypeError/i);
});

test('an agent whose task went to another node meanwhile is told to stop, and only one result counts', async () => {
  await using farm = await startFarm({ settings });
  await using line = await startTcpProxy(farm.url);
  await farm.pushTemplate(mockTemplate('slow', 12));
  const late = await farm.startAgent('late', { ORCHESTRATOR_URL: line.url });
  const { jobs } = await farm.run<{ jobs: { id: string }[] }>(['job', 'submit', '-t', 'slow', '--anyway']);
  const id = String(jobs[0]?.id);
  await untilJob(farm, id, (job) => (job.tasks?.[0]?.frame ?? 0) > 3);

  line.cut();
  await untilJob(farm, id, (job) => job.state === 'queued');
  await farm.startAgent('other');
  await untilJob(farm, id, (job) => job.state === 'running' && job.tasks?.[0]?.node === 'other');
  line.mend();

  await untilHealth(late.healthUrl, (queue) => queue.processing === 0);
  const running = await untilJob(farm, id, (job) => job.tasks?.[0]?.node === 'other');
  assert.notEqual(running.state, 'succeeded', 'the late node stopped while the other one still rendered');
  const done = await untilJob(farm, id, (job) => job.state === 'succeeded');
  assert.deepEqual(
    done.tasks?.[0]?.attempts?.map(({ node, outcome }) => [node, outcome]),
    [
      ['late', 'superseded'],
      ['other', 'succeeded'],
    ],
  );
});

async function untilHealth(url: string, isWanted: (queue: { processing: number }) => boolean): Promise<void> {
  for (let tries = 0; tries < 400; tries += 1) {
    const health = (await (await fetch(url)).json()) as { queue: { processing: number } };
    if (isWanted(health.queue)) return;
    await delay(25);
  }
  throw new Error(`${url}: still working`);
}
