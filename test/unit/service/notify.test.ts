import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { createLogger } from '../../../src/lib/logger.ts';
import { systemdNotifier } from '../../../src/service/notify.ts';
import { manualClock } from '../../helpers/manual-clock.ts';

const skip = process.platform === 'win32' ? 'the program of this test is a shell script' : false;

/** A systemd-notify that writes down what it is to tell, first in PATH. */
async function standIn(t: TestContext): Promise<{ said: () => Promise<string[]> }> {
  const directory = await mkdtemp(join(tmpdir(), 'flatrender-notify-'));
  const file = join(directory, 'said');
  await writeFile(join(directory, 'systemd-notify'), `#!/bin/sh\necho "$NOTIFY_SOCKET $*" >>'${file}'\n`, {
    mode: 0o755,
  });
  const path = process.env.PATH;
  process.env.PATH = `${directory}${delimiter}${path}`;
  t.after(async () => {
    process.env.PATH = path;
    await rm(directory, { recursive: true });
  });
  const said = async (): Promise<string[]> =>
    existsSync(file) ? (await readFile(file, 'utf8')).trimEnd().split('\n') : [];
  return { said };
}

test('systemd hears of readiness, life and end', { skip }, async (t) => {
  const { said } = await standIn(t);
  const clock = manualClock();
  const env = { NOTIFY_SOCKET: '/run/notify', WATCHDOG_USEC: '90000000', WATCHDOG_PID: String(process.pid) };
  const logger = createLogger({ level: 'silent' });
  const notifier = systemdNotifier({ clock, logger, env });
  assert.deepEqual(env, {}, 'what it starts does not speak for it');
  await notifier.ready('works');
  await clock.advance(30_000);
  while ((await said()).length < 2) await new Promise(setImmediate);
  await notifier.stopping();
  notifier[Symbol.dispose]();
  await clock.advance(90_000);
  assert.deepEqual(await said(), [
    '/run/notify --ready --status=works',
    '/run/notify WATCHDOG=1',
    '/run/notify STOPPING=1',
  ]);
});

test('without systemd nothing is started', { skip }, async (t) => {
  const { said } = await standIn(t);
  using notifier = systemdNotifier({
    clock: manualClock(),
    logger: createLogger({ level: 'silent' }),
    env: {},
  });
  await notifier.ready('works');
  await notifier.stopping();
  assert.deepEqual(await said(), []);
});
