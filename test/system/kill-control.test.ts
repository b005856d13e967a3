import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { type Farm, mockTemplate, startFarm } from '../helpers/farm.ts';
import { jobView, untilJob } from '../helpers/farm-jobs.ts';
import { addNode, claimOnce, completeOnce, uploadOnce } from '../helpers/load-node.ts';

const KILLS = 20;

test(`a control plane killed ${KILLS} times under load forgets no acknowledged submit and no acknowledged completion`, async () => {
  await using farm = await startFarm();
  await farm.pushTemplate(mockTemplate('quick', 0));
  await farm.pushTemplate(mockTemplate('slow', 45));
  const nodes = await Promise.all(
    ['one', 'two', 'three'].map((id) => addNode(farm.client, id, 'mock', ['load'])),
  );

  // A real agent renders one long job through all of it.
  const agent = await farm.startAgent('renderer', { NODE_TAGS: 'real' });
  const { jobs } = await farm.run<{ jobs: { id: string }[] }>([
    'job',
    'submit',
    '--anyway',
    '-t',
    'slow',
    '--tag',
    'real',
  ]);
  const long = String(jobs[0]?.id);
  await untilJob(farm, long, (job) => job.state === 'running');

  const submitted = new Set<string>();
  const completed = new Set<string>();
  const load = startLoad(farm, nodes, submitted, completed);
  for (let kill = 0; kill < KILLS; kill += 1) {
    const before = submitted.size;
    while (submitted.size < before + 20) await delay(5); // load is on when it dies
    await delay(Math.random() * 200);
    await farm.control().stop('SIGKILL');
    await farm.startControl();
  }
  load.stop();
  await load.ended;

  assert.ok(submitted.size > KILLS * 20, `${submitted.size} submits were acknowledged`);
  assert.ok(completed.size > 100, `${completed.size} completions were acknowledged`);
  for (const id of submitted) await jobView(farm, id); // throws when it is gone
  for (const id of completed) assert.equal((await jobView(farm, id)).state, 'succeeded', `job ${id}`);

  const done = await untilJob(farm, long, (job) => job.state === 'succeeded', 90_000);
  assert.equal(done.tasks?.[0]?.epoch, 1, 'the agent rendered through every restart and reported once');
  assert.equal(done.tasks?.[0]?.attempts?.length, 1);
  assert.equal(agent.child.exitCode, null, 'the agent never ended');
});

/** Submits and completes without pause; every answer that says so is noted. Errors of a dying server are its business. */
function startLoad(
  farm: Farm,
  nodes: Awaited<ReturnType<typeof addNode>>[],
  submitted: Set<string>,
  completed: Set<string>,
): { stop(): void; ended: Promise<unknown> } {
  let isOver = false;
  const forever = async (work: () => Promise<void>): Promise<void> => {
    while (!isOver) await work().catch(() => delay(20));
  };
  const workers = [1, 2].map(() =>
    forever(async () => {
      const answer = await farm.client.call('POST', '/v1/jobs', { template: 'quick', tags: ['load'] });
      const [job] = (answer.body?.jobs ?? []) as { id: string }[];
      if (answer.status < 300 && job !== undefined) submitted.add(job.id);
    }),
  );
  for (const node of nodes) {
    workers.push(
      forever(async () => {
        const task = await claimOnce(farm.client, node, 200);
        if (task === null) return;
        // A lost answer is asked for again: the completion may have been stored before the server died.
        let result: object | undefined;
        for (let tries = 0; tries < 100; tries += 1) {
          result ??= await uploadOnce(farm.client, node, task).catch(() => undefined);
          const status = result ? await completeOnce(farm.client, node, task, result).catch(() => 0) : 0;
          if (status === 200) completed.add(task.jobId);
          if (status !== 0 && status < 500) return;
          await delay(50);
        }
      }),
    );
  }
  return {
    stop: () => {
      isOver = true;
    },
    ended: Promise.all(workers),
  };
}
