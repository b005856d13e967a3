import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ActiveTask } from '../../../src/agent/active-task.ts';
import { LeaseKeeper } from '../../../src/agent/lease-keeper.ts';
import type { AgentApi } from '../../../src/client/agent-api.ts';
import { FlatrenderError } from '../../../src/lib/errors.ts';
import { createLogger } from '../../../src/lib/logger.ts';
import type { HeartbeatAnswer, HeartbeatRequest } from '../../../src/protocol/agent.ts';
import { type ManualClock, manualClock } from '../../helpers/manual-clock.ts';

const MINUTE = 60_000;
const settings = {
  serverTime: '2026-01-28T10:30:00Z',
  heartbeatMs: 5000,
  leaseMs: 60_000,
  claimWaitMs: 30_000,
  previewMs: 1000,
  keepRenderingMs: 15 * MINUTE,
};
const system = { gpu: null, memory: { total: 1, used: 0, free: 1 }, disk: { total: 1, used: 0, free: 1 } };

/** The other side of the heartbeat: answers as told, or not at all. */
function setUp(clock: ManualClock = manualClock()) {
  const beats: { at: number; request: HeartbeatRequest }[] = [];
  const forgotten: string[] = [];
  const side = {
    away: null as FlatrenderError | null,
    answer: {} as Partial<HeartbeatAnswer>,
    slow: undefined as Promise<void> | undefined,
  };
  const start = clock.now();
  const heartbeat: AgentApi['heartbeat'] = async (request) => {
    beats.push({ at: clock.now() - start, request });
    if (side.away) throw side.away;
    await side.slow;
    return {
      serverTime: settings.serverTime,
      nextMs: 5000,
      cancel: [],
      lost: [],
      drain: false,
      ...side.answer,
    };
  };
  const keeper = new LeaseKeeper({
    api: { heartbeat } as AgentApi,
    clock,
    logger: createLogger({ level: 'silent' }),
    system: () => system,
    onForgotten: (why) => forgotten.push(why),
    onChange: () => undefined,
  });
  return { clock, beats, side, keeper, forgotten, times: () => beats.map(({ at }) => at) };
}

const unreachable = new FlatrenderError('UNREACHABLE', 'away');

test('the server sets the pace; an idle node does not beat more often', async () => {
  const { clock, keeper, side, times } = setUp();
  keeper.start(settings);
  await clock.advance(10_000);
  assert.deepEqual(times(), [0, 5000, 10_000]);
  side.answer = { nextMs: 20_000 };
  await clock.advance(45_000);
  assert.deepEqual(times(), [0, 5000, 10_000, 15_000, 35_000, 55_000]);
  keeper.stop();
  assert.equal(clock.pending, 0);
});

test('a clock that is set back while a heartbeat is out does not silence the node', async () => {
  const { clock, keeper, beats, side } = setUp();
  keeper.start(settings);
  const answered = Promise.withResolvers<void>();
  side.slow = answered.promise;
  await clock.advance(0);
  clock.leap(-200_000);
  side.slow = undefined;
  answered.resolve();
  await clock.advance(20_000);
  assert.equal(beats.length, 5);
  keeper.stop();
});

test('measurements are sent when they changed, else null', async () => {
  const { clock, keeper, beats } = setUp();
  keeper.start(settings);
  await clock.advance(5000);
  assert.deepEqual(
    beats.map(({ request }) => request.system),
    [system, null],
  );
  keeper.stop();
});

test('while frames are rendered progress is reported every second, and a new phase at once', async () => {
  const { clock, keeper, beats, times } = setUp();
  const task = new ActiveTask('j1.0', 1);
  keeper.start(settings);
  await clock.advance(1000);
  keeper.add(task);
  task.enter('download');
  await clock.advance(500);
  assert.deepEqual(times(), [0, 1000]);
  task.enter('render');
  await clock.advance(3000);
  assert.deepEqual(times(), [0, 1000, 1500, 2500, 3500, 4500]);
  task.frame = 42;
  await clock.advance(1000);
  assert.deepEqual(beats.at(-1)?.request.leases, [
    { taskId: 'j1.0', epoch: 1, phase: 'render', frame: 42, frames: null, fps: null },
  ]);
  keeper.stop();
});

test('a farm that stretches the heartbeat stretches progress with it', async () => {
  const { clock, keeper, side, times } = setUp();
  side.answer = { nextMs: 20_000 };
  const task = new ActiveTask('j1.0', 1);
  keeper.add(task);
  task.phase = 'render';
  keeper.start({ ...settings, heartbeatMs: 20_000 });
  await clock.advance(8000);
  assert.deepEqual(times(), [0, 4000, 8000]);
  keeper.stop();
});

test('a node that is cut off for two minutes goes on rendering and re-attaches', async () => {
  const { clock, keeper, side, beats, forgotten } = setUp();
  const task = new ActiveTask('j1.0', 3);
  keeper.add(task);
  keeper.start(settings);
  await clock.advance(5000);
  side.away = unreachable;
  await clock.advance(2 * MINUTE);
  assert.equal(task.stopped, null);
  assert.equal(keeper.isConnected, false);
  side.away = null;
  await clock.advance(5000);
  assert.equal(keeper.isConnected, true);
  assert.deepEqual(
    beats.at(-1)?.request.leases.map(({ taskId, epoch }) => [taskId, epoch]),
    [['j1.0', 3]],
  );
  assert.deepEqual(forgotten, ['the control plane is back']);
  keeper.stop();
});

test('a node that is cut off for longer than it may go on stops rendering, but keeps a finished render', async () => {
  const { clock, keeper, side } = setUp();
  const rendering = new ActiveTask('j1.0', 1);
  const finished = new ActiveTask('j2.0', 1);
  finished.isDelivering = true;
  for (const task of [rendering, finished]) keeper.add(task);
  keeper.start(settings);
  await clock.advance(0);
  side.away = unreachable;
  await clock.advance(15 * MINUTE - 5000);
  assert.equal(rendering.stopped, null);
  await clock.advance(10_000);
  assert.equal(rendering.stopped, 'cut-off');
  assert.equal(rendering.signal.aborted, true);
  assert.equal(finished.stopped, null);
  keeper.stop();
});

test('a task that was given out a moment ago is not given up because heartbeats have been failing for long', async () => {
  const { clock, keeper, side } = setUp();
  keeper.start(settings);
  await clock.advance(0);
  side.away = unreachable;
  await clock.advance(14 * MINUTE);
  // A claim was answered meanwhile: the control plane is in reach, only heartbeats are lost.
  const fresh = new ActiveTask('j1.0', 1);
  keeper.add(fresh);
  await clock.advance(2 * MINUTE);
  assert.equal(fresh.stopped, null);
  await clock.advance(13 * MINUTE);
  assert.equal(fresh.stopped, 'cut-off');
  keeper.stop();
});

test('what is cancelled or lost is stopped, but only the attempt that is meant', async () => {
  const { clock, keeper, side } = setUp();
  const [cancelled, lost, other] = ['j1.0', 'j2.0', 'j3.0'].map((id) => new ActiveTask(id, 2)) as [
    ActiveTask,
    ActiveTask,
    ActiveTask,
  ];
  for (const task of [cancelled, lost, other]) keeper.add(task);
  side.answer = {
    cancel: [{ taskId: 'j1.0', epoch: 2 }],
    lost: [
      { taskId: 'j2.0', epoch: 2 },
      { taskId: 'j3.0', epoch: 1 },
    ],
  };
  keeper.start(settings);
  await clock.advance(0);
  assert.deepEqual([cancelled.stopped, lost.stopped, other.stopped], ['cancelled', 'lost', null]);
  assert.equal((cancelled.signal.reason as FlatrenderError).code, 'ABORTED');
  keeper.stop();
});

test('a newer attempt of the same task ends the older one', () => {
  const { keeper } = setUp();
  const [older, newer] = [new ActiveTask('j1.0', 1), new ActiveTask('j1.0', 2)];
  keeper.add(older);
  keeper.add(newer);
  assert.equal(older.stopped, 'lost');
  keeper.remove(older);
  assert.deepEqual(keeper.tasks, [newer]);
});

test('a control plane that does not know the node any more makes it register again', async () => {
  const { clock, keeper, side, forgotten } = setUp();
  keeper.start(settings);
  await clock.advance(0);
  side.away = new FlatrenderError('NODE_UNKNOWN', 'who?');
  await clock.advance(5000);
  assert.deepEqual(forgotten, ['the control plane does not accept this node']);
  keeper.stop();
});

test('a lease that is handed back is in no heartbeat after that, and none that speaks of it is on its way', async () => {
  const { clock, keeper, beats, side } = setUp();
  const task = new ActiveTask('j1.0', 1);
  keeper.add(task);
  const answered = Promise.withResolvers<void>();
  side.slow = answered.promise;
  keeper.start(settings);
  await clock.advance(0);
  assert.deepEqual(
    beats[0]?.request.leases.map(({ taskId }) => taskId),
    ['j1.0'],
  );
  let isFree = false;
  const letting = keeper.letGo(task).then(() => {
    isFree = true;
  });
  await clock.advance(0);
  assert.equal(isFree, false, 'the answer to the one on its way is waited for');
  answered.resolve();
  await letting;
  side.slow = undefined;
  await clock.advance(10_000);
  assert.deepEqual(
    beats.slice(1).map(({ request }) => request.leases),
    [[], []],
  );
  keeper.stop();
});
