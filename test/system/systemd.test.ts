import assert from 'node:assert/strict';
import { mkdir, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { type TestContext, test } from 'node:test';
import type { JobView } from '../../src/protocol/jobs.ts';
import { mockTemplate } from '../helpers/farm.ts';
import { worldsUnavailable } from '../helpers/machine/unavailable.ts';
import { type Machine, startWorld } from '../helpers/machines.ts';
import { answers, stopwatch, until } from '../helpers/mesh-farm.ts';

const skip = await worldsUnavailable();

const UNITS = ['flatrender-control', 'flatrender-agent'] as const;

interface Installed {
  readonly result: string;
}

test('services on a machine with systemd', { skip, timeout: 600_000 }, async (t) => {
  await using world = await startWorld();
  const machine = await world.machine('farm');
  await machine.boot();
  const figure = (what: string, seconds: number): void => t.diagnostic(`${what}: ${seconds} s`);
  t.afterEach(async (each) => {
    if (!each.passed) await tellJournal(t, machine);
  });

  await t.test('control install makes a service that is ready when the command returns', async () => {
    await machine.json(['control', 'init', '--yes']);
    const watch = stopwatch();
    assert.equal((await machine.json<Installed>(['control', 'install'])).result, 'installed');
    figure('control install → ready', watch());
    assert.ok(await answers(machine, 'http://127.0.0.1:8088/health'));
    assert.deepEqual(await show(machine, 'flatrender-control', ['Type', 'ActiveState', 'User']), [
      'notify',
      'active',
      'flatrender',
    ]);
    assert.equal((await machine.json<Installed>(['control', 'install'])).result, 'already');
  });

  await t.test('node install does the same for the agent', async () => {
    await machine.json(['node', 'add', 'local', '--agent-env', '/root/agent.env']);
    await machine.sh('install -D -m 600 /root/agent.env /etc/flatrender/agent.env');
    const watch = stopwatch();
    assert.equal((await machine.json<Installed>(['node', 'install'])).result, 'installed');
    await untilReady(machine);
    figure('node install → ready', watch());
    assert.equal((await machine.json<Installed>(['node', 'install'])).result, 'already');
    const { stdout, exitCode } = await machine.cli(['node', 'status']);
    assert.equal(exitCode, 0);
    assert.match(stdout, /running/);
    assert.match((await machine.cli(['node', 'logs'])).stdout, /agent/);
  });

  await t.test('code of a template reaches neither the farm secret nor the helper of the mesh', async () => {
    const asAgent = (command: string) =>
      machine.run([
        'setpriv',
        '--reuid',
        'flatrender-agent',
        '--regid',
        'flatrender-agent',
        '--clear-groups',
        'sh',
        '-c',
        command,
      ]);
    assert.equal((await asAgent('id -un')).stdout.trim(), 'flatrender-agent');
    assert.notEqual((await asAgent('cat /var/lib/flatrender/control/farm.secret')).exitCode, 0);
    const pid = await mainPid(machine, 'flatrender-control');
    assert.notEqual((await asAgent(`ls /proc/${pid}/root/ /proc/${pid}/fd`)).exitCode, 0);
  });

  await t.test('both run as their own user, without any right, and write nowhere else', async () => {
    for (const unit of UNITS) {
      const pid = await mainPid(machine, unit);
      const user = unit === 'flatrender-agent' ? 'flatrender-agent' : 'flatrender';
      assert.equal((await machine.sh(`stat -c %U /proc/${pid}`)).trim(), user);
      const status = await machine.sh(`cat /proc/${pid}/status`);
      assert.match(status, /^CapEff:\s+0+$/m);
      assert.match(status, /^CapBnd:\s+0+$/m);
      assert.match(status, /^NoNewPrivs:\s+1$/m);
      assert.match(status, /^Seccomp:\s+2$/m);
      // Even root could not where it is: mounted read-only, or not there.
      for (const place of [
        '/etc',
        '/usr/local',
        '/opt',
        '/var',
        '/var/lib',
        '/root',
        '/home',
        '/srv',
        '/sys',
      ]) {
        const { exitCode, stderr } = await machine.run([
          'nsenter',
          '-t',
          pid,
          '-m',
          'touch',
          `${place}/probe`,
        ]);
        assert.notEqual(exitCode, 0, `${unit} can write to ${place}`);
        assert.match(stderr, /cannot touch/);
      }
      assert.equal(await machine.sh(`nsenter -t ${pid} -m ls /tmp`), '', 'its /tmp is its own');
    }
  });

  await t.test('what is killed is started again', async () => {
    await Promise.all(
      UNITS.map(async (unit) => {
        const before = await mainPid(machine, unit);
        await machine.sh(`systemctl kill -s KILL ${unit}`);
        figure(`${unit}: kill -9 → ready`, await untilAnother(machine, unit, before));
      }),
    );
    await untilReady(machine);
  });

  await t.test('what hangs is noticed by the watchdog', async () => {
    const dropIn = '[Service]\nWatchdogSec=4\nRestartSec=1\n';
    for (const unit of UNITS) {
      const file = machine.path(`/etc/systemd/system/${unit}.service.d/test.conf`);
      await mkdir(dirname(file), { recursive: true });
      await writeFile(file, dropIn);
    }
    await machine.sh(`systemctl daemon-reload; systemctl restart ${UNITS.join(' ')}`);
    const before = await Promise.all(UNITS.map((unit) => mainPid(machine, unit)));
    // Two and a half periods: they say in time that they live.
    await machine.sh('sleep 10');
    assert.deepEqual(await Promise.all(UNITS.map((unit) => mainPid(machine, unit))), before);
    await machine.sh(`kill -STOP ${before.join(' ')}`);
    await Promise.all(
      UNITS.map(async (unit, index) => {
        const seconds = await untilAnother(machine, unit, before[index]);
        figure(`${unit}: hangs → ready (WatchdogSec=4)`, seconds);
      }),
    );
    await machine.sh('rm -r /etc/systemd/system/flatrender-*.service.d; systemctl daemon-reload');
    await untilReady(machine);
  });

  await t.test('a stop hands back what is being rendered', async () => {
    for (const [name, content] of Object.entries(mockTemplate('slow', 100))) {
      await mkdir(machine.path('/root/slow'), { recursive: true });
      await writeFile(machine.path(`/root/slow/${name}`), content);
    }
    await machine.json(['template', 'push', '/root/slow']);
    const { jobs } = await machine.json<{ jobs: JobView[] }>([
      'job',
      'submit',
      '-t',
      'slow',
      '--node',
      'local',
    ]);
    const id = String(jobs[0]?.id);
    await until('it renders', async () => (await job(machine, id)).state === 'running');
    const watch = stopwatch();
    await machine.json(['node', 'stop'], { timeoutMs: 90_000 });
    figure('node stop with a render going on', watch());
    assert.deepEqual(await show(machine, 'flatrender-agent', ['ActiveState', 'Result']), [
      'inactive',
      'success',
    ]);
    const after = await job(machine, id);
    assert.equal(after.state, 'queued', 'at once, not when its lease is over');
    assert.equal(after.tasks?.[0]?.attempts?.[0]?.outcome, 'interrupted');
    await machine.json(['job', 'cancel', id]);
    await machine.json(['node', 'start']);
    await untilReady(machine);
  });

  await t.test('both come back with the machine, in an orderly way and after a power cut', async () => {
    for (const off of ['shutDown', 'cutPower'] as const) {
      await machine[off]();
      const watch = stopwatch();
      await machine.boot();
      await untilReady(machine);
      figure(`boot after ${off} → node ready`, watch());
    }
  });

  await t.test('uninstall leaves no unit, and keeps settings and data', async () => {
    await machine.json(['node', 'uninstall', '--yes']);
    await machine.json(['control', 'uninstall', '--yes']);
    assert.equal(await machine.sh('ls -d /etc/systemd/system/*flatrender* 2>/dev/null || true'), '');
    assert.equal(await machine.sh('find /etc/systemd/system -name "flatrender*"'), '');
    assert.equal((await machine.sh('pgrep -u flatrender || true')).trim(), '');
    assert.ok(
      (await machine.sh('ls /etc/flatrender/agent.env /var/lib/flatrender/control/flatrender.db')).length > 0,
    );
  });
});

async function show(machine: Machine, unit: string, names: readonly string[]): Promise<string[]> {
  const text = await machine.sh(`systemctl show ${unit} ${names.map((name) => `-p ${name}`).join(' ')}`);
  return names.map((name) => new RegExp(`^${name}=(.*)$`, 'm').exec(text)?.[1] ?? '');
}

async function mainPid(machine: Machine, unit: string): Promise<string> {
  const [pid = ''] = await show(machine, unit, ['MainPID']);
  assert.match(pid, /^[1-9]\d*$/, `${unit} runs`);
  return pid;
}

/** Waits until a unit is ready with another process than before; in seconds. */
async function untilAnother(machine: Machine, unit: string, before: string | undefined): Promise<number> {
  return await until(`${unit} runs again`, async () => {
    const [state, pid] = await show(machine, unit, ['ActiveState', 'MainPID']);
    return state === 'active' && pid !== before;
  });
}

async function untilReady(machine: Machine): Promise<void> {
  const since = Date.now();
  await until('the node is ready', async () => {
    const { stdout } = await machine.cli(['node', 'show', 'local', '--json']);
    const seen = /"lastSeenAt": ?"([^"]+)"/.exec(stdout)?.[1];
    return /"status": ?"ready"/.test(stdout) && Date.parse(seen ?? '') > since;
  });
}

async function job(machine: Machine, id: string): Promise<JobView> {
  return await machine.json<JobView>(['job', 'show', id]);
}

async function tellJournal(t: TestContext, machine: Machine): Promise<void> {
  t.diagnostic(
    await machine.sh('systemctl --failed --no-pager; journalctl -b --no-pager -n 80').catch(String),
  );
}
