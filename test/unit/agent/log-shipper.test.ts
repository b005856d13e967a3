import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ActiveTask } from '../../../src/agent/active-task.ts';
import { createLogShipper } from '../../../src/agent/log-shipper.ts';
import { createPreviewSender } from '../../../src/agent/preview-sender.ts';
import type { AgentApi } from '../../../src/client/agent-api.ts';
import { FlatrenderError } from '../../../src/lib/errors.ts';
import { createLogger } from '../../../src/lib/logger.ts';
import type { LogRequest } from '../../../src/protocol/agent.ts';
import { manualClock } from '../../helpers/manual-clock.ts';

const logger = createLogger({ level: 'silent' });

function setUp() {
  const clock = manualClock();
  const task = new ActiveTask('j1.0', 2);
  const side = { error: null as FlatrenderError | null };
  const batches: LogRequest[] = [];
  const log: AgentApi['log'] = async (_, request) => {
    if (side.error) throw side.error;
    batches.push(request);
  };
  const shipper = createLogShipper({ api: { log } as AgentApi, task, clock, logger });
  const lines = () => batches.flatMap((batch) => batch.lines.map(({ line }) => line));
  return { clock, task, side, batches, shipper, lines };
}

test('lines go out in batches, in order, at most once a second', async () => {
  const { clock, shipper, batches, lines } = setUp();
  shipper.add('engine', 'a');
  shipper.add('agent', 'b');
  await clock.advance(999);
  assert.deepEqual(batches, []);
  await clock.advance(1);
  assert.deepEqual(batches, [
    {
      epoch: 2,
      lines: [
        { at: '2026-01-28T10:30:00.000Z', stream: 'engine', line: 'a' },
        { at: '2026-01-28T10:30:00.000Z', stream: 'agent', line: 'b' },
      ],
    },
  ]);
  shipper.add('engine', 'c');
  await clock.advance(1000);
  assert.deepEqual(lines(), ['a', 'b', 'c']);
  shipper.close();
  assert.equal(clock.pending, 0);
});

test('the protocol’s limits are kept: 1000 lines a batch, 8192 characters a line', async () => {
  const { clock, shipper, batches } = setUp();
  for (let index = 0; index < 2500; index += 1) shipper.add('engine', `line ${index}`);
  shipper.add('engine', 'x'.repeat(100_000));
  await clock.advance(5000);
  assert.ok(batches.every((batch) => batch.lines.length <= 1000));
  assert.equal(
    batches.reduce((sum, batch) => sum + batch.lines.length, 0),
    2501,
  );
  assert.equal(batches.at(-1)?.lines.at(-1)?.line.length, 8192);
  shipper.close();
});

test('while the control plane is away the oldest lines are dropped, and it is said where', async () => {
  const { clock, shipper, side, lines } = setUp();
  side.error = new FlatrenderError('UNREACHABLE', 'away');
  for (let index = 0; index < 7000; index += 1) shipper.add('engine', `line ${index}`);
  await clock.advance(60_000);
  side.error = null;
  await clock.advance(60_000);
  assert.equal(lines()[0], '… 2000 lines were dropped here');
  assert.equal(lines()[1], 'line 2000');
  assert.equal(lines().at(-1), 'line 6999');
  assert.equal(lines().filter((line) => line.startsWith('…')).length, 1);
  shipper.close();
});

test('memory is bounded in bytes as well', async () => {
  const { clock, shipper, side, lines } = setUp();
  side.error = new FlatrenderError('UNREACHABLE', 'away');
  for (let index = 0; index < 1000; index += 1) shipper.add('engine', `${index} ${'x'.repeat(8000)}`);
  side.error = null;
  await clock.advance(60_000);
  const kept = lines().filter((line) => !line.startsWith('…'));
  assert.ok(kept.length * 8000 <= 2.2 * 1024 * 1024, `${kept.length} lines kept`);
  assert.match(kept.at(-1) ?? '', /^999 /);
  shipper.close();
});

test('a lost lease heard here stops the task, and nothing more is sent', async () => {
  const { clock, shipper, side, task, batches } = setUp();
  side.error = new FlatrenderError('LEASE_LOST', 'gone');
  shipper.add('engine', 'a');
  await clock.advance(1000);
  assert.equal(task.stopped, 'lost');
  side.error = null;
  shipper.add('engine', 'b');
  await clock.advance(60_000);
  assert.deepEqual(batches, []);
  assert.equal(clock.pending, 0);
});

test('a last flush sends what is there, but does not wait for a control plane that is away', async () => {
  const { clock, shipper, side, lines } = setUp();
  shipper.add('engine', 'a');
  await shipper.flush(1000);
  assert.deepEqual(lines(), ['a']);
  side.error = new FlatrenderError('UNREACHABLE', 'away');
  shipper.add('engine', 'b');
  await shipper.flush(1000);
  assert.deepEqual(lines(), ['a']);
  shipper.close();
  assert.equal(clock.pending, 0);
});

test('previews go one at a time at their pace; after a 429 they pause, and none is ever queued', async () => {
  const clock = manualClock();
  const task = new ActiveTask('j1.0', 1);
  const sent: number[] = [];
  let finish = (): void => undefined;
  let refuse: FlatrenderError | null = null;
  const preview: AgentApi['preview'] = (_, __, jpeg) => {
    sent.push(jpeg[0] ?? -1);
    if (refuse) return Promise.reject(refuse);
    return new Promise((resolve) => {
      finish = resolve;
    });
  };
  const send = createPreviewSender({
    api: { preview } as AgentApi,
    task,
    clock,
    logger,
    previewMs: () => 1000,
  });
  const offer = (id: number) => send(Uint8Array.of(id));
  offer(1);
  await clock.advance(5000);
  offer(2); // the first is still on its way
  finish();
  await clock.advance(0);
  offer(3);
  finish();
  await clock.advance(500);
  offer(4); // too early
  await clock.advance(500);
  refuse = new FlatrenderError('RATE_LIMITED', 'behind', { details: { retryAfterMs: 4000 } });
  offer(5);
  await clock.advance(3900);
  offer(6); // told to wait
  refuse = null;
  await clock.advance(100);
  offer(7);
  send(new Uint8Array(600 * 1024)); // more than the route takes
  assert.deepEqual(sent, [1, 3, 5, 7]);
});
