import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { test } from 'node:test';
import { machinePaths } from '../../../src/config/machine-paths.ts';
import type { PlanStep } from '../../../src/lib/plan.ts';
import { launchdPlans, launchdQuery, readLaunchdState } from '../../../src/service/launchd.ts';
import { NOT_INSTALLED, type ServiceSpec } from '../../../src/service/service-spec.ts';

const python = spawnSync('python3', ['-c', 'import plistlib']);
const skip = python.status === 0 ? false : 'needs python3 (plistlib): apt-get install python3';

function specOf(more: Partial<ServiceSpec> = {}): ServiceSpec {
  return {
    platform: 'darwin',
    role: 'agent',
    program: { file: '/opt/R&D <1>/flatrender', args: [] },
    paths: machinePaths('darwin', 'agent', ''),
    hasTunnel: false,
    isInteractive: false,
    user: 'anna',
    uid: 502,
    ...more,
  };
}

function plistOf(steps: readonly PlanStep[]): { path: string; text: string } {
  const step = steps.find((each) => each.kind === 'write');
  assert.ok(step?.kind === 'write');
  return step;
}

test('a daemon is loaded at boot and runs as the user who installed it', () => {
  const { install, secure, start, stop, uninstall } = launchdPlans(specOf());
  const { path } = plistOf(install);
  assert.equal(path, '/Library/LaunchDaemons/com.flatrender.agent.plist');
  assert.deepEqual(
    start.map(({ args }) => args),
    [
      ['enable', 'system/com.flatrender.agent'],
      ['bootstrap', 'system', path],
      ['kickstart', '-k', 'system/com.flatrender.agent'],
    ],
  );
  assert.deepEqual(stop, [{ file: '/bin/launchctl', args: ['bootout', 'system/com.flatrender.agent'] }]);
  assert.deepEqual(
    uninstall.map((step) => (step.kind === 'run' ? step.args.join(' ') : `${step.kind}`)),
    ['bootout system/com.flatrender.agent', 'remove'],
  );
  assert.ok(secure.length > 0);
  assert.deepEqual(launchdPlans(specOf(), { files: { [path]: plistOf(install).text } }).install, []);
});

test('in a session it is an agent of that user', () => {
  const spec = specOf({ isInteractive: true });
  const { path, text } = plistOf(launchdPlans(spec).install);
  assert.equal(path, '/Library/LaunchAgents/com.flatrender.agent.plist');
  assert.doesNotMatch(text, /UserName|\{\{/);
  assert.deepEqual(launchdQuery(spec), ['print', 'gui/502/com.flatrender.agent']);
});

test('the plist says what it should, as a parser reads it', { skip }, () => {
  const { text } = plistOf(launchdPlans(specOf()).install);
  const script = 'import plistlib,json,sys; print(json.dumps(plistlib.loads(sys.stdin.buffer.read())))';
  const { stdout, stderr } = spawnSync('python3', ['-c', script], { input: text, encoding: 'utf8' });
  assert.equal(stderr, '');
  const log = '/usr/local/var/log/flatrender/agent.log';
  assert.deepEqual(JSON.parse(stdout), {
    Label: 'com.flatrender.agent',
    ProgramArguments: ['/opt/R&D <1>/flatrender', 'agent', 'run', '--stop-seconds', '10'],
    EnvironmentVariables: {
      AGENT_ENV_FILE: '/usr/local/etc/flatrender/agent.env',
      FLATRENDER_HOME: '/usr/local/var/flatrender/agent',
      FLATRENDER_LOG_FILE: log,
      PATH: '/usr/local/bin:/opt/homebrew/bin:/usr/bin:/bin:/usr/sbin:/sbin',
    },
    UserName: 'anna',
    WorkingDirectory: '/usr/local/var/flatrender/agent',
    RunAtLoad: true,
    KeepAlive: { SuccessfulExit: false },
    ThrottleInterval: 5,
    ExitTimeOut: 30,
    ProcessType: 'Standard',
    Umask: 0o77,
    StandardOutPath: log,
    StandardErrorPath: log,
  });
});

test('the state is read from what launchctl prints', () => {
  const text = `system/com.flatrender.agent = {
	active count = 1
	state = running

	pid = 812
	last exit code = (never exited)
}`;
  assert.deepEqual(readLaunchdState(text, 0), { state: 'running', pid: 812, since: null, lastExit: null });
  assert.deepEqual(readLaunchdState('\tstate = not running\n\tlast exit code = 2\n', 0), {
    state: 'failed',
    pid: null,
    since: null,
    lastExit: 'exit code 2',
  });
  assert.deepEqual(readLaunchdState('', 113), NOT_INSTALLED);
});
