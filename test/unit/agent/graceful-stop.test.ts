import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { RunningAgent } from '../../../src/agent/agent.ts';
import { soonReady, stopWithin } from '../../../src/agent/graceful-stop.ts';
import { manualClock } from '../../helpers/manual-clock.ts';

function fakeAgent() {
  const ended = Promise.withResolvers<void>();
  const ready = Promise.withResolvers<Awaited<RunningAgent['ready']>>();
  let shutdowns = 0;
  const agent: RunningAgent = {
    ready: ready.promise,
    done: ended.promise,
    shutdown: () => {
      shutdowns += 1;
    },
  };
  return { agent, ended, ready, shutdowns: () => shutdowns };
}

test('what runs has so long to end, then it is handed back', async () => {
  const { agent, shutdowns } = fakeAgent();
  const clock = manualClock();
  stopWithin(agent, 10_000, clock);
  await clock.advance(9_999);
  assert.equal(shutdowns(), 1, 'it claims no more');
  await clock.advance(1);
  assert.equal(shutdowns(), 2, 'it hands back');
});

test('an agent that has ended in time is left alone', async () => {
  const { agent, ended, shutdowns } = fakeAgent();
  const clock = manualClock();
  stopWithin(agent, 10_000, clock);
  ended.resolve();
  await clock.advance(60_000);
  assert.equal(shutdowns(), 1);
  assert.equal(clock.pending, 0);
});

test('without time to spare it hands back at once', () => {
  const { agent, shutdowns } = fakeAgent();
  stopWithin(agent, 0, manualClock());
  assert.equal(shutdowns(), 2);
});

test('a service that waits for the control plane is no service that hangs', async () => {
  const { agent } = fakeAgent();
  const clock = manualClock();
  const status = soonReady(agent, clock);
  await clock.advance(8_000);
  assert.equal(await status, 'waits for the control plane');
  const quick = fakeAgent();
  quick.ready.resolve({ nodeId: 'studio-1', url: 'http://10.66.0.1:8088', engines: [], healthUrl: null });
  assert.equal(await soonReady(quick.agent, clock), 'node studio-1 works for http://10.66.0.1:8088');
});
