import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { leaseTimes, mockTemplate, startFarm } from '../helpers/farm.ts';
import { jobView, untilJob } from '../helpers/farm-jobs.ts';

const settings = leaseTimes(1, 2, 3, 6);

test('a job whose agent is killed mid-render is finished once by another agent and leaves nothing behind', async () => {
  await using farm = await startFarm({ settings });
  await farm.pushTemplate(mockTemplate('slow', 6));
  const first = await farm.startAgent('first');
  const submitted = await farm.run<{ jobs: { id: string }[] }>(['job', 'submit', '-t', 'slow', '--anyway']);
  const id = String(submitted.jobs[0]?.id);
  await untilJob(farm, id, (job) => (job.tasks?.[0]?.frame ?? 0) > 3);

  const children = descendantsOf(first.child.pid ?? 0);
  assert.ok(children.length > 0, 'the engine runs in a child process');
  await first.stop('SIGKILL');
  await farm.startAgent('second');

  const done = await untilJob(farm, id, (job) => job.state === 'succeeded');
  const attempts = done.tasks?.[0]?.attempts ?? [];
  assert.deepEqual(
    attempts.map(({ node, outcome }) => ({ node, outcome })),
    [
      { node: 'first', outcome: 'superseded' },
      { node: 'second', outcome: 'succeeded' },
    ],
  );
  assert.equal(done.tasks?.[0]?.failures, 0, 'a killed agent costs the job nothing of its retry budget');
  assert.deepEqual(children.filter(isAlive), [], 'the killed agent left no engine behind');

  const again = await farm.startAgent('first');
  assert.deepEqual(await workOf(again.stateDir), [], 'a restarted agent removes what its killed self left');
  const view = await jobView(farm, id);
  assert.equal(view.tasks?.[0]?.epoch, 2, 'nobody rendered it a third time');
});

async function workOf(stateDir: string): Promise<string[]> {
  return readdir(join(stateDir, 'work')).catch(() => []);
}

/** Every process below this one, read from /proc (Linux). */
function descendantsOf(pid: number): number[] {
  const parents = new Map<number, number>();
  for (const name of readdirSync('/proc')) {
    if (!/^\d+$/.test(name)) continue;
    try {
      const stat = readFileSync(`/proc/${name}/stat`, 'utf8');
      parents.set(Number(name), Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[1]));
    } catch {
      // It ended between the listing and the reading.
    }
  }
  const found = [pid];
  for (const parent of found) for (const [child, of] of parents) if (of === parent) found.push(child);
  return found.slice(1);
}

function isAlive(pid: number): boolean {
  try {
    return !/\) Z /.test(readFileSync(`/proc/${pid}/stat`, 'utf8'));
  } catch {
    return false;
  }
}
