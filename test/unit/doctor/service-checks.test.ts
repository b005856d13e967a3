import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type CheckResult, runChecks } from '../../../src/cli/doctor/checks.ts';
import { type ServiceFacts, serviceCheck } from '../../../src/cli/doctor/service-checks.ts';
import type { ServiceState } from '../../../src/service/service-spec.ts';

const RUNNING = { state: 'running', pid: 4711, since: null, lastExit: null } as const;

async function look(
  state: ServiceState,
  changes: Partial<ServiceFacts> & { manager?: string } = {},
  fix = false,
): Promise<readonly CheckResult[]> {
  const { manager = 'systemd', ...more } = changes;
  const facts: ServiceFacts = {
    role: 'agent',
    status: async () => ({ ...state, name: 'flatrender-agent', manager }),
    start: async () => undefined,
    isUnmanaged: false,
    isRunningByHand: async () => false,
    usesAfterEffects: false,
    platform: 'linux',
    ...more,
  };
  const options = { signal: new AbortController().signal, fix, onResult: () => undefined };
  return await runChecks([serviceCheck(facts)], options);
}

test('a service that runs is told with its process', async () => {
  assert.deepEqual(await look(RUNNING), [
    { name: 'service', status: 'ok', message: 'flatrender-agent runs (pid 4711)' },
  ]);
});

test('a service that failed says how it ended, and --fix starts it', async () => {
  let state: ServiceState = { state: 'failed', pid: null, since: null, lastExit: 'exit-code 78' };
  const start = async () => {
    state = RUNNING;
  };
  const status = async () => ({ ...state, name: 'flatrender-agent', manager: 'systemd' });
  const [found] = await look(state, { status, start });
  assert.deepEqual(
    [found?.status, found?.message],
    ['failed', 'flatrender-agent is failed; last time it ended with exit-code 78'],
  );
  assert.match(found?.fix ?? '', /^flatrender node logs -n 30, then: sudo flatrender node start$/);
  const [fixed] = await look(state, { status, start }, true);
  assert.deepEqual([fixed?.status, fixed?.repaired], ['ok', 'fixed']);
});

test('an agent that runs by hand is warned of the next reboot; none at all is nothing to worry about', async () => {
  const absent: ServiceState = { state: 'not-installed', pid: null, since: null, lastExit: null };
  assert.equal((await look(absent))[0]?.status, 'skipped');
  const [byHand] = await look(absent, { isRunningByHand: async () => true });
  assert.deepEqual([byHand?.status, byHand?.fix], ['warning', 'sudo flatrender node install']);
  assert.equal((await look(absent, { isUnmanaged: true }))[0]?.status, 'skipped');
});

test('After Effects in a Windows service is told to run in a session instead', async () => {
  const windows = { platform: 'win32', manager: 'windows-service' } as const;
  const [, advice] = await look(RUNNING, { ...windows, usesAfterEffects: true });
  assert.deepEqual([advice?.status, advice?.fix?.includes('node install --interactive')], ['warning', true]);
  assert.equal((await look(RUNNING, windows)).length, 1);
  assert.equal(
    (await look(RUNNING, { ...windows, manager: 'windows-task', usesAfterEffects: true })).length,
    1,
  );
});
