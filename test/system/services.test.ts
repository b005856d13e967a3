/** What goes wrong with services, and what they leave, on a machine with systemd. */
import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import type { ErrorBody } from '../../src/lib/errors.ts';
import { worldsUnavailable } from '../helpers/machine/unavailable.ts';
import { type Machine, startWorld } from '../helpers/machines.ts';

const skip = await worldsUnavailable();
const WANTS = '/etc/systemd/system/multi-user.target.wants';

test('services that cannot be installed, do not start, change, and go', {
  skip,
  timeout: 600_000,
}, async (t) => {
  await using world = await startWorld();
  const machine = await world.machine('farm');
  await machine.boot();
  t.after(async () => {
    if (!t.passed) t.diagnostic(await machine.sh('journalctl -b --no-pager -n 60').catch(String));
  });
  await refusals(t, machine);
  await failures(t, machine);
  await changes(t, machine);
  await ends(t, machine);
});

async function refusals(t: TestContext, machine: Machine): Promise<void> {
  await t.test('what is missing is named, with what to type', async () => {
    const node = await failure(machine, ['node', 'install']);
    assert.equal(node.code, 'CONFIG_MISSING');
    assert.match(node.message, /\/etc\/flatrender\/agent\.env/);
    assert.match(node.hint ?? '', /flatrender node join FILE/);
    const control = await failure(machine, ['control', 'install']);
    assert.equal(control.code, 'CONFIG_MISSING');
    assert.match(control.hint ?? '', /flatrender control init/);
    for (const verb of ['start', 'stop', 'restart']) {
      const { code, hint } = await failure(machine, ['node', verb]);
      assert.deepEqual([code, hint], ['SERVICE_NOT_INSTALLED', 'flatrender node install']);
    }
    const { stdout, exitCode } = await machine.cli(['node', 'status']);
    assert.equal(exitCode, 1);
    assert.match(stdout, /^service +flatrender-agent \(systemd\): not-installed$/m);
  });

  await t.test('only root installs', async () => {
    const asNobody = ['setpriv', '--reuid=65534', '--clear-groups', 'env', 'HOME=/tmp'];
    const program = ['/opt/flatrender/node_modules/node/bin/node', '/opt/flatrender/bin/dev.js'];
    const { exitCode, stderr } = await machine.run([...asNobody, ...program, 'node', 'install']);
    assert.equal(exitCode, 2);
    assert.match(stderr, /only an administrator may change services\nhint: repeat it with sudo/);
  });
}

async function failures(t: TestContext, machine: Machine): Promise<void> {
  await t.test('a step that fails undoes the ones before', async () => {
    await machine.json(['control', 'init', '--yes']);
    await machine.sh(`rm -rf ${WANTS}; touch ${WANTS}`);
    const error = await failure(machine, ['control', 'install']);
    assert.match(error.message, /at every boot.*what was done before it was undone/);
    assert.equal(await machine.sh('ls -A /etc/systemd/system | grep flatrender || true'), '');
    assert.equal(await machine.sh('getent passwd flatrender || true'), '');
    assert.match(await machine.sh('ls /root/.flatrender'), /farm\.secret[\s\S]*flatrender\.yaml/);
    assert.equal(await machine.sh('ls -d /var/lib/flatrender/control 2>/dev/null || true'), '');
    await machine.sh(`rm ${WANTS}`);
  });

  await t.test('the farm moves to its service, and every command finds it there', async () => {
    await machine.json(['control', 'install']);
    assert.equal(await machine.sh('ls -A /root/.flatrender'), 'client.json\n');
    assert.match(await machine.sh('stat -c "%U %a" /var/lib/flatrender/control'), /^flatrender 700$/m);
    const { service, running } = await machine.json<{ running: boolean; service: { state: string } }>([
      'control',
      'status',
    ]);
    assert.deepEqual([running, service.state], [true, 'running']);
    assert.match((await machine.cli(['control', 'init', '--yes'])).stderr, /\/var\/lib\/flatrender\/control/);
    await machine.json(['control', 'stop']);
    assert.equal((await machine.cli(['control', 'status'])).exitCode, 1);
    await machine.json(['control', 'start']);
    assert.match((await machine.cli(['control', 'start'])).stdout, /^already running/);
  });

  await t.test('an agent that does not start says why, and is not tried for ever', async () => {
    await machine.sh('mkdir -p /etc/flatrender');
    await machine.json(['node', 'add', 'local', '--agent-env', '/etc/flatrender/agent.env']);
    await machine.sh('echo MAX_CONCURRENT_JOBS=many >>/etc/flatrender/agent.env');
    const error = await failure(machine, ['node', 'install']);
    assert.equal(error.code, 'SERVICE_FAILED');
    assert.match(error.message, /MAX_CONCURRENT_JOBS.*"many" is not valid/);
    assert.match(error.hint ?? '', /flatrender node logs/);
    const { stdout } = await machine.cli(['node', 'status']);
    assert.match(stdout, /failed, last exit: exit-code \(exit code 2\)/);
  });
}

async function changes(t: TestContext, machine: Machine): Promise<void> {
  await t.test('settings are put right, and the sandbox follows them', async () => {
    await machine.sh('mkdir -m 777 -p /var/scratch');
    const args = ['node', 'config', 'set', 'MAX_CONCURRENT_JOBS=2', 'TEMP_DIR=/var/scratch', '--restart'];
    assert.equal((await machine.json<{ restarted: boolean }>(args)).restarted, true);
    assert.match(
      await machine.sh('grep ReadWritePaths /etc/systemd/system/flatrender-agent.service'),
      /^ReadWritePaths=-\/var\/scratch$/m,
    );
    assert.equal(await machine.sh('ls /var/scratch'), 'flatrender-local\n');
    assert.equal(
      await machine.sh('stat -c "%U:%G %a" /etc/flatrender/agent.env'),
      'root:flatrender-agent 640\n',
    );
    const { service } = await machine
      .json<{ service: { state: string } }>(['node', 'status'])
      .catch(async () => JSON.parse((await machine.cli(['node', 'status', '--json'])).stdout));
    assert.equal(service.state, 'running');
    assert.doesNotMatch((await machine.cli(['node', 'logs', '-n', '200'])).stdout, /chmod 600/);
  });

  await t.test('a secret comes from stdin and is in no answer', async () => {
    const secret = 'feedfacefeedfacefeedfacefeedface';
    const onLine = await machine.cli(['node', 'config', 'set', `NODE_HMAC_SECRET=${secret}`]);
    assert.equal(onLine.exitCode, 2);
    assert.match(onLine.stderr, /NODE_HMAC_SECRET=-/);
    const before = await machine.sh('cat /etc/flatrender/agent.env');
    const { stdout } = await machine.cli(['node', 'config', 'set', 'NODE_HMAC_SECRET=-', '--json'], {
      input: `${secret}\n`,
    });
    assert.doesNotMatch(stdout, /feedface/);
    assert.match(await machine.sh('cat /etc/flatrender/agent.env'), /^NODE_HMAC_SECRET=feedface/m);
    assert.doesNotMatch((await machine.cli(['node', 'config', 'show', '--json'])).stdout, /feedface/);
    await machine.sh('cat >/etc/flatrender/agent.env', { input: before });
  });

  await t.test('a program that is not out of a release is not replaced', async () => {
    const error = await failure(machine, ['node', 'update', '/root/flatrender.tar.gz']);
    assert.equal(error.code, 'SETUP_FAILED');
    assert.match(error.message, /\/opt\/flatrender is not an unpacked release/);
  });
}

async function ends(t: TestContext, machine: Machine): Promise<void> {
  await t.test('a purge leaves nothing on the machine', async () => {
    const unconfirmed = await failure(machine, ['node', 'uninstall', '--purge']);
    assert.match(unconfirmed.hint ?? '', /--yes/);
    await machine.json(['node', 'uninstall', '--purge', '--yes']);
    await machine.json(['control', 'uninstall', '--purge', '--yes']);
    const left = await machine.sh(
      'find /etc /var/lib /var/cache /var/log /run -xdev -iname "*flatrender*" -not -path "/var/log/journal/*" -not -path "/run/systemd/*"',
    );
    assert.equal(left, '');
    assert.equal(await machine.sh('getent passwd flatrender flatrender-agent || true'), '');
    assert.match((await machine.cli(['node', 'uninstall'])).stdout, /^already: no service is installed/);
  });
}

async function failure(machine: Machine, args: readonly string[]): Promise<ErrorBody> {
  const { stdout, stderr, exitCode } = await machine.cli([...args, '--json'], { timeoutMs: 90_000 });
  assert.notEqual(exitCode, 0, `${args.join(' ')}: ${stdout}${stderr}`);
  return (JSON.parse(stdout) as { error: ErrorBody }).error;
}
