import assert from 'node:assert/strict';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { lockState } from '../../src/agent/state-lock.ts';
import { systemClock } from '../../src/lib/clock.ts';
import { start } from '../../src/lib/exec.ts';
import { mockBundle, setUp, startTestAgent } from '../helpers/agent-under-test.ts';
import { type RunningCli, startCli } from '../helpers/cli.ts';
import type { FakeControl } from '../helpers/fake-control.ts';

/** `flatrender agent run` as a process of its own, so that it can be killed. */
function spawnAgent(
  control: FakeControl,
  dir: string,
  env: Record<string, string> = {},
): Promise<RunningCli> {
  return startCli(['agent', 'run'], {
    mode: 'dev',
    env: {
      NODE_ID: control.nodeId,
      NODE_HMAC_SECRET: control.secret,
      ORCHESTRATOR_URL: control.url,
      STATE_DIR: dir,
      MIN_FREE_GB: '0',
      HEALTH_PORT: '0',
      AE_PATH: '',
      ...env,
    },
  });
}

const isRendering = (control: FakeControl) => () =>
  control.callsOf('heartbeat').some((call) => call.body.leases[0]?.phase === 'render');

test('the first request to stop finishes what runs and claims nothing more', async (t) => {
  const { control, dir } = await setUp(t);
  const bundle = await mockBundle({ frameMs: 60 });
  const first = control.addTask({ id: 'j1.0', bundle });
  await using agent = startTestAgent(control, dir);
  await control.until('rendering', isRendering(control));
  agent.shutdown();
  const second = control.addTask({ id: 'j2.0', bundle });
  await agent.done;
  assert.equal(first.state, 'succeeded');
  assert.equal(second.state, 'queued');
  assert.deepEqual(await agent.leftovers(), []);
});

test('the second request aborts, hands the lease back and leaves nothing, within seconds', async (t) => {
  const { control, dir } = await setUp(t);
  const task = control.addTask({ id: 'j1.0', bundle: await mockBundle({ frameMs: 1000 }) });
  await using agent = startTestAgent(control, dir);
  await control.until('rendering', isRendering(control));
  const asked = Date.now();
  agent.shutdown();
  agent.shutdown();
  await agent.done;
  assert.ok(Date.now() - asked < 10_000);
  assert.equal(task.state, 'queued');
  assert.equal(control.callsOf('release')[0]?.body.epoch, 1);
  assert.deepEqual([control.callsOf('fail'), control.callsOf('complete')], [[], []]);
  assert.deepEqual(await agent.leftovers(), []);
});

test('a task that a stopping agent was given without hearing of it is handed back', async (t) => {
  const { control, dir } = await setUp(t);
  const task = control.addTask({ id: 'j1.0', bundle: await mockBundle() });
  // The task is given, but the answer never arrives.
  control.faults.push((call) => {
    if (call.route !== 'claim' || call.body.waitMs === 0) return false;
    Object.assign(task, { state: 'running', epoch: 1, claimId: call.body.claimId });
    return true;
  });
  await using agent = startTestAgent(control, dir);
  await control.until('the claim', () => task.state === 'running');
  agent.shutdown();
  await agent.done;
  assert.equal(task.state, 'queued');
  assert.equal(control.callsOf('release')[0]?.body.epoch, 1);
});

test('two signals end a rendering process with 130, and its task is handed back', async (t) => {
  const { control, dir } = await setUp(t);
  const task = control.addTask({ id: 'j1.0', bundle: await mockBundle({ frameMs: 1000 }) });
  await using agent = await spawnAgent(control, dir);
  await control.until('rendering', isRendering(control));
  agent.child.kill('SIGINT');
  await agent.waitFor(/finishing what runs/);
  const { exitCode } = await agent.stop('SIGINT');
  assert.equal(exitCode, 130);
  assert.equal(task.state, 'queued');
  assert.deepEqual(readdirSync(join(dir, 'work')), []);
});

test('an agent that stops while the control plane is away leaves the report to its next start', async (t) => {
  const { control, dir } = await setUp(t);
  const task = control.addTask({ id: 'j1.0', bundle: await mockBundle() });
  control.faults.push((call) => call.route === 'complete');
  // Waiting for the control plane takes 10 s; here 50 times less.
  const clock = {
    ...systemClock,
    after: (ms: number, callback: () => void) => systemClock.after(ms / 50, callback),
  };
  await using first = startTestAgent(control, dir, {}, { clock });
  await control.until('the upload to be done', () => control.callsOf('complete').length > 0);
  await control.goDown();
  first.shutdown();
  await first.done;
  assert.equal(readdirSync(join(dir, 'outbox')).length, 1);
  assert.ok(first.log.events().includes('task.report-kept'));
  control.faults.length = 0;
  await control.comeBack();
  await using _ = startTestAgent(control, dir);
  await control.until('success', () => task.state === 'succeeded');
  assert.equal(task.epoch, 1);
});

test('SIGTERM ends a process that has nothing to do, with exit code 0', async (t) => {
  const { control, dir } = await setUp(t);
  await using agent = await spawnAgent(control, dir);
  await agent.waitFor(
    /node studio-1 is ready for work from .* engines: .*mock.* mock mode: AE_PATH is empty/,
  );
  const { exitCode, signal } = await agent.stop('SIGTERM');
  assert.deepEqual({ exitCode, signal }, { exitCode: 0, signal: null });
});

test('a finished render survives the death of the agent: it is uploaded, not rendered again', async (t) => {
  const { control, dir } = await setUp(t);
  const task = control.addTask({ id: 'j1.0', bundle: await mockBundle() });
  // The control plane stops answering just when the render is done.
  control.faults.push((call) => call.route === 'taskUploads' || call.route === 'complete');
  await using first = await spawnAgent(control, dir);
  await control.until('the render to be done', () => control.callsOf('taskUploads').length > 0);
  await first.stop('SIGKILL');
  assert.equal(readdirSync(join(dir, 'outbox')).length, 1);
  control.faults.length = 0;

  await using second = await spawnAgent(control, dir);
  await control.until('success', () => task.state === 'succeeded');
  await second.waitFor(/task\.ended/);
  assert.equal(task.epoch, 1);
  assert.doesNotMatch(second.output().stderr, /task\.started/, 'not rendered again');
  await second.stop('SIGTERM');
  assert.deepEqual([readdirSync(join(dir, 'outbox')), readdirSync(join(dir, 'work'))], [[], []]);
});

test('an upload that was done before the death of the agent is completed without another upload', async (t) => {
  const { control, dir } = await setUp(t);
  const task = control.addTask({ id: 'j1.0', bundle: await mockBundle() });
  control.faults.push((call) => call.route === 'complete');
  await using first = await spawnAgent(control, dir);
  await control.until('the upload to be done', () => control.callsOf('complete').length > 0);
  await first.stop('SIGKILL');
  control.faults.length = 0;
  await using _ = await spawnAgent(control, dir);
  await control.until('success', () => task.state === 'succeeded');
  assert.equal(control.callsOf('taskUploads').length, 1);
});

test('a render that was damaged while the agent was down is given back instead of uploaded', async (t) => {
  const { control, dir } = await setUp(t);
  const task = control.addTask({ id: 'j1.0', bundle: await mockBundle() });
  control.faults.push((call) => call.route === 'taskUploads');
  await using first = await spawnAgent(control, dir);
  await control.until('the render to be done', () => control.callsOf('taskUploads').length > 0);
  await first.stop('SIGKILL');
  control.faults.length = 0;
  const [name = ''] = readdirSync(join(dir, 'outbox'));
  const entry = JSON.parse(readFileSync(join(dir, 'outbox', name), 'utf8')) as { path: string };
  writeFileSync(entry.path, 'not the film');
  await using _ = await spawnAgent(control, dir);
  await control.until('the release', () => control.callsOf('release').length > 0);
  await control.until('a new attempt', () => task.state === 'succeeded');
  assert.equal(task.epoch, 2);
});

test('an agent that was killed mid-render takes its task up again at once, and removes what it left', async (t) => {
  const { control, dir } = await setUp(t);
  const task = control.addTask({ id: 'j1.0', bundle: await mockBundle({ frameMs: 120 }) });
  await using first = await spawnAgent(control, dir);
  await control.until('rendering', isRendering(control));
  await first.stop('SIGKILL');
  assert.deepEqual(readdirSync(join(dir, 'work')), ['j1.0-1']);
  await using second = await spawnAgent(control, dir);
  await control.until('success', () => task.state === 'succeeded');
  assert.equal(task.epoch, 1, 'the same attempt');
  await second.waitFor(/task\.resumed/);
  const ids = control.callsOf('claim').map((call) => call.body.claimId);
  assert.equal(ids.filter((id) => id === ids[0]).length, 2);
  await second.stop('SIGTERM');
  assert.deepEqual(readdirSync(join(dir, 'work')), []);
});

test('a task that the agent did not survive twice is reported as failed instead of tried for ever', async (t) => {
  const { control, dir } = await setUp(t);
  const task = control.addTask({ id: 'j1.0', bundle: await mockBundle({ frameMs: 1000 }) });
  for (let death = 1; death <= 3; death += 1) {
    await using agent = await spawnAgent(control, dir);
    const beats = control.callsOf('heartbeat').length;
    await control.until('rendering', () =>
      control
        .callsOf('heartbeat')
        .slice(beats)
        .some((call) => call.body.leases[0]?.phase === 'render'),
    );
    await agent.stop('SIGKILL');
  }
  await using _ = await spawnAgent(control, dir);
  await control.until('failure', () => task.state === 'failed');
  assert.equal(task.error?.code, 'ENGINE_CRASHED');
  assert.match(task.error?.message ?? '', /killed repeatedly/);
});

test('two agents with one state directory: the second refuses and says who has it', async (t) => {
  const { control, dir } = await setUp(t);
  await using first = startTestAgent(control, dir);
  await first.ready;
  await using second = startTestAgent(control, dir);
  await assert.rejects(second.done, {
    code: 'ALREADY_RUNNING',
    message: new RegExp(`process ${process.pid}`),
  });
  await assert.rejects(second.ready, { code: 'ALREADY_RUNNING' });
});

test('the lock of a killed agent that nobody collected is taken over at once', {
  skip: process.platform === 'linux' ? false : 'needs Linux: zombies are told by /proc',
}, async (t) => {
  const dir = await mkdtemp(join(tmpdir(), 'flatrender-lock-'));
  t.after(() => rm(dir, { recursive: true, force: true }));
  const told = Promise.withResolvers<string>();
  // The shell becomes a program that never waits for the child it inherits.
  const parent = await start('sh', ['-c', 'sleep 0 & echo $!; exec sleep 60'], { onLine: told.resolve });
  t.after(() => parent.kill(0));
  const pid = await told.promise;
  while (!/\) Z /.test(readFileSync(`/proc/${pid}/stat`, 'utf8')))
    await new Promise((resolve) => setImmediate(resolve));
  writeFileSync(join(dir, 'agent.lock'), `${pid} token\n`);
  await using _ = await lockState(dir, systemClock);
  assert.match(readFileSync(join(dir, 'agent.lock'), 'utf8'), new RegExp(`^${process.pid} `));
});

test('the lock of a process that is gone is taken over, also when it had this process id', async (t) => {
  const { dir } = await setUp(t);
  const gone = 2 ** 22 + 1;
  for (const text of [`${gone} old`, `${process.pid} old`, 'nonsense', '']) {
    await mkdir(dir, { recursive: true });
    writeFileSync(join(dir, 'agent.lock'), text);
    await using _ = await lockState(dir, systemClock);
  }
  assert.deepEqual(readdirSync(dir), []);
});

test('a wrong secret is logged with what to do, and the agent gets in as soon as it is cured', async (t) => {
  const { control, dir } = await setUp(t);
  let refusals = 2;
  control.faults.push((call, response) => {
    if (call.route !== 'register' || refusals === 0) return false;
    refusals -= 1;
    const error = {
      code: 'SIGNATURE_INVALID',
      message: 'the signature of node "studio-1" is wrong',
      hint: 'rotate',
    };
    response.writeHead(401, { 'content-type': 'application/json' }).end(JSON.stringify({ error }));
    return true;
  });
  const hurried = {
    ...systemClock,
    after: (ms: number, callback: () => void) => systemClock.after(Math.min(ms, 20), callback),
  };
  await using agent = startTestAgent(control, dir, {}, { clock: hurried });
  await agent.ready;
  const refused = agent.log.lines.filter((line) => line.event === 'agent.register-failed');
  assert.equal(refused.length, 2);
  for (const line of refused) {
    assert.equal(line.code, 'SIGNATURE_INVALID');
    assert.match(String(line.message), /the signature of node "studio-1" is wrong \(rotate\)/);
    assert.ok(Number(line.retryInMs) >= 2500, 'slowly: somebody has to cure it');
  }
});

test('a control plane that cannot prove who it is gets no work done', async (t) => {
  const { control, dir } = await setUp(t);
  control.faults.push((call, response) => {
    if (call.route !== 'register') return false;
    response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(control.settings));
    return true;
  });
  await using agent = startTestAgent(control, dir);
  await control.until('two registrations', () => control.callsOf('register').length >= 1);
  while (!agent.log.events().includes('agent.register-failed'))
    await new Promise((resolve) => setImmediate(resolve));
  const refused = agent.log.lines.find((line) => line.event === 'agent.register-failed');
  assert.equal(refused?.code, 'ANSWER_UNSIGNED');
  assert.deepEqual(control.callsOf('claim'), []);
});

test('the health endpoint answers exactly as other systems expect', async (t) => {
  const { control, dir } = await setUp(t);
  await using agent = startTestAgent(control, dir);
  const { healthUrl } = await agent.ready;
  for (const path of ['/health', '/api/health']) {
    const answer = await fetch(`${healthUrl}${path}`);
    assert.equal(answer.status, 200);
    const { agent: own, ...body } = (await answer.json()) as Record<string, never> & {
      agent: { nodeId: string };
    };
    assert.deepEqual(shapeOf(body), {
      status: 'online',
      machineId: 'desktop',
      timestamp: 'string',
      queue: { pending: 0, processing: 0 },
      system: {
        gpu: null,
        memory: { total: 'MB', used: 'MB', free: 'MB' },
        disk: { total: 'MB', used: 'MB', free: 'MB' },
      },
    });
    assert.equal(own.nodeId, 'studio-1');
  }
  const task = control.addTask({ id: 'j1.0', bundle: await mockBundle({ frameMs: 50 }) });
  await control.until('rendering', isRendering(control));
  const busy = (await (await fetch(`${healthUrl}/health`)).json()) as { queue: unknown };
  assert.deepEqual(busy.queue, { pending: 0, processing: 1 });
  await control.until('success', () => task.state === 'succeeded');
  assert.equal((await fetch(`${healthUrl}/other`)).status, 404);
  assert.equal((await fetch(`${healthUrl}/health`, { method: 'POST' })).status, 405);
});

/** Measured numbers by their unit, the instant by its form; everything else as it is. A GPU counts as none. */
function shapeOf(body: Record<string, unknown>): unknown {
  const sizes = new Set(['total', 'used', 'free']);
  return JSON.parse(
    JSON.stringify(body, (key, value) => {
      if (key === 'gpu') return null;
      if (sizes.has(key)) return Number.isInteger(value) && value >= 0 ? 'MB' : value;
      if (key === 'timestamp') return /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/.test(value) ? 'string' : value;
      return value;
    }),
  );
}

test('a health port that is taken is a warning, not the end', async (t) => {
  const { control, dir } = await setUp(t);
  const port = Number(new URL(control.url).port);
  await using agent = startTestAgent(control, dir, { healthPort: port });
  assert.equal((await agent.ready).healthUrl, null);
  assert.ok(agent.log.events().includes('health.unavailable'));
});
