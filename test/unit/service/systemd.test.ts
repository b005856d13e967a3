import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { promisify } from 'node:util';
import { machinePaths } from '../../../src/config/machine-paths.ts';
import { type PlanStep, runPlan } from '../../../src/lib/plan.ts';
import { NOT_INSTALLED, type ServiceRole, type ServiceSpec } from '../../../src/service/service-spec.ts';
import { readSystemdState, systemdPlans, systemdQuery } from '../../../src/service/systemd.ts';
import { requireFree } from '../../../src/setup/service-plans.ts';

const skip = existsSync('/usr/bin/systemd-analyze')
  ? false
  : 'needs systemd-analyze: apt-get install systemd';
const MESH = { interface: 'wg0', directory: '/etc/wireguard', socket: '/run/flatrender/mesh.sock' };

function specOf(role: ServiceRole, more: Partial<ServiceSpec> = {}): ServiceSpec {
  return {
    platform: 'linux',
    role,
    // Programs of this machine: systemd-analyze looks whether they are there.
    program: { file: '/bin/true', args: [] },
    paths: machinePaths('linux', role, ''),
    hasTunnel: true,
    isInteractive: false,
    user: '',
    ...(role === 'control' ? { mesh: MESH } : {}),
    ...more,
  };
}

/** Steps without the texts of files, which have tests of their own. */
function brief(steps: readonly PlanStep[]): string[] {
  return steps.map((step) => {
    if (step.kind === 'run') return [step.file, ...step.args].join(' ');
    return step.kind === 'write'
      ? `write ${step.path} ${step.mode.toString(8)}`
      : `${step.kind} ${step.path}`;
  });
}

function filesOf(spec: ServiceSpec): Record<string, string> {
  return Object.fromEntries(
    systemdPlans(spec).install.flatMap((step) => (step.kind === 'write' ? [[step.path, step.text]] : [])),
  );
}

test('a new node gets a user, a unit, and a start at every boot', () => {
  const { install, secure, start, stop } = systemdPlans(specOf('agent'));
  assert.deepEqual(brief(install), [
    'useradd --system --user-group --no-create-home --home-dir /var/lib/flatrender --shell /usr/sbin/nologin flatrender-agent',
    'write /etc/systemd/system/flatrender-agent.service 644',
    'systemctl daemon-reload',
    'systemctl enable flatrender-agent.service',
  ]);
  assert.deepEqual(brief(secure), [
    'chown root:flatrender-agent /etc/flatrender/agent.env',
    'chmod 0640 /etc/flatrender/agent.env',
  ]);
  assert.deepEqual(start, [
    { file: 'systemctl', args: ['restart', '--no-block', 'flatrender-agent.service'] },
  ]);
  assert.deepEqual(stop, [{ file: 'systemctl', args: ['stop', '--no-block', 'flatrender-agent.service'] }]);
});

test('a control plane moves out of a home directory and gets the helper of its mesh', () => {
  const moveFrom = { directory: '/root/.flatrender', entries: ['farm.secret', 'flatrender.yaml', 'objects'] };
  const { install, secure } = systemdPlans(specOf('control', { moveFrom }), { hasUser: true });
  assert.deepEqual(brief(install), [
    'directory /var/lib/flatrender/control',
    'mv --no-clobber --no-target-directory -- /root/.flatrender/farm.secret /var/lib/flatrender/control/farm.secret',
    'mv --no-clobber --no-target-directory -- /root/.flatrender/objects /var/lib/flatrender/control/objects',
    'mv --no-clobber --no-target-directory -- /root/.flatrender/flatrender.yaml /var/lib/flatrender/control/flatrender.yaml',
    'write /etc/systemd/system/flatrender-control.service 644',
    'write /etc/systemd/system/flatrender-mesh.socket 644',
    'write /etc/systemd/system/flatrender-mesh@.service 644',
    'systemctl daemon-reload',
    'systemctl enable flatrender-control.service flatrender-mesh.socket',
    'systemctl start flatrender-mesh.socket',
  ]);
  assert.deepEqual(brief(secure), ['chown --recursive flatrender:flatrender /var/lib/flatrender/control']);
});

test('moving a control plane overwrites nothing, neither there nor on the way back', async (t) => {
  const directory = await mkdtemp(join(tmpdir(), 'flatrender-move-'));
  t.after(() => rm(directory, { recursive: true }));
  const [from, to] = [join(directory, 'from'), join(directory, 'to')];
  for (const each of [from, to]) {
    await mkdir(join(each, 'objects'), { recursive: true });
    await writeFile(join(each, 'farm.secret'), each);
    await writeFile(join(each, 'objects', 'name'), each);
  }
  const spec = specOf('control', {
    paths: { ...machinePaths('linux', 'control', ''), stateDir: to },
    moveFrom: { directory: from, entries: ['farm.secret', 'objects'] },
  });
  assert.throws(() => requireFree(spec), { code: 'SETUP_FAILED' });
  const moves = systemdPlans(spec).install.filter((step) => step.kind === 'run' && step.file === 'mv');
  const fails: PlanStep = { kind: 'run', file: 'false', args: [], what: 'fail' };
  // Whether mv calls it an error that it left something out depends on its version.
  await assert.rejects(runPlan([...moves, fails], { signal: t.signal }));
  for (const each of [from, to]) {
    assert.equal(await readFile(join(each, 'farm.secret'), 'utf8'), each);
    assert.deepEqual(await readdir(join(each, 'objects')), ['name']);
    assert.equal(await readFile(join(each, 'objects', 'name'), 'utf8'), each);
  }
});

test('a render does not see the control plane beside it, which has the same user', () => {
  const unit = filesOf(specOf('agent'))['/etc/systemd/system/flatrender-agent.service'];
  const { stateDir } = machinePaths('linux', 'control', '');
  assert.ok(unit?.includes(`\nInaccessiblePaths=-${stateDir} -/run/flatrender\n`));
});

test('what is there already is left alone, and what differs is changed alone', () => {
  const spec = specOf('control');
  const files = filesOf(spec);
  const found = {
    files,
    hasUser: true,
    enabled: ['flatrender-control.service', 'flatrender-mesh.socket'],
  };
  assert.deepEqual(systemdPlans(spec, found).install, []);
  const changed = specOf('control', { writable: ['/srv/objects'] });
  assert.deepEqual(brief(systemdPlans(changed, found).install), [
    'write /etc/systemd/system/flatrender-control.service 644',
    'systemctl daemon-reload',
  ]);
});

test('an uninstall takes away the units and nothing else', () => {
  assert.deepEqual(brief(systemdPlans(specOf('control')).uninstall), [
    'systemctl disable --now flatrender-control.service flatrender-mesh.socket',
    'remove /etc/systemd/system/flatrender-control.service',
    'remove /etc/systemd/system/flatrender-mesh.socket',
    'remove /etc/systemd/system/flatrender-mesh@.service',
    'systemctl daemon-reload',
    'systemctl reset-failed flatrender-control.service',
  ]);
});

test('the unit says what the machine needs: tunnel, groups, other directories, homes', () => {
  const path = '/etc/systemd/system/flatrender-agent.service';
  const program = { file: '/opt/flat render/node', args: ['/opt/100%/$run.js'] };
  const full = filesOf(
    specOf('agent', { program, groups: ['video'], writable: ['/mnt/a b'], readsHomes: true }),
  )[path];
  assert.match(
    full ?? '',
    /^ExecStart="\/opt\/flat render\/node" \/opt\/100%%\/\$\$run\.js agent run --stop-seconds 10$/m,
  );
  assert.match(full ?? '', /^After=network-online\.target wg-quick@wg-flatrender\.service$/m);
  assert.match(full ?? '', /^SupplementaryGroups=video$/m);
  assert.match(full ?? '', /^ReadWritePaths="-\/mnt\/a b"$/m);
  assert.match(full ?? '', /^ProtectHome=read-only$/m);
  const plain = filesOf(specOf('agent', { hasTunnel: false }))[path];
  assert.match(plain ?? '', /^After=network-online\.target$/m);
  assert.doesNotMatch(plain ?? '', /wg-quick|SupplementaryGroups|ReadWritePaths|\{\{/);
  assert.match(plain ?? '', /^ProtectHome=yes$/m);
});

test('systemd finds nothing wrong with the units', { skip }, async (t) => {
  const directory = await written(t, [
    specOf('agent', { groups: ['video'], writable: ['/mnt/a b'] }),
    specOf('control'),
  ]);
  const units = ['flatrender-agent.service', 'flatrender-control.service', 'flatrender-mesh.socket'];
  const { stdout, stderr } = await promisify(execFile)('systemd-analyze', [
    'verify',
    ...units.map((unit) => join(directory, unit)),
  ]);
  assert.equal(`${stdout}${stderr}`, '');
});

test('the services are locked in: exposure at most 3.0 for the agent, 2.5 for the others', {
  skip,
}, async (t) => {
  const directory = await written(t, [specOf('agent', { groups: ['video', 'render'] }), specOf('control')]);
  const limits = {
    'flatrender-agent.service': 3.0,
    'flatrender-control.service': 2.5,
    'flatrender-mesh@.service': 2.5,
  };
  for (const [unit, limit] of Object.entries(limits)) {
    const { stdout } = await promisify(execFile)('systemd-analyze', [
      'security',
      '--offline=true',
      '--no-pager',
      join(directory, unit),
    ]);
    const score = Number(/exposure level for \S+: ([\d.]+)/.exec(stdout)?.[1]);
    t.diagnostic(`${unit}: ${score}`);
    assert.ok(score <= limit, `${unit}: ${score}`);
  }
});

test('the state is read from what systemd shows', () => {
  const text = (lines: Record<string, string>): string =>
    Object.entries(lines)
      .map(([key, value]) => `${key}=${value}`)
      .join('\n');
  const base = { LoadState: 'loaded', MainPID: '0', ExecMainStatus: '0', ExecMainCode: '0', NRestarts: '0' };
  assert.deepEqual(
    readSystemdState(text({ LoadState: 'not-found', ActiveState: 'inactive' })),
    NOT_INSTALLED,
  );
  assert.deepEqual(
    readSystemdState(
      text({
        ...base,
        ActiveState: 'active',
        MainPID: '4711',
        ActiveEnterTimestamp: '@1700000000',
        Result: 'success',
      }),
    ),
    { state: 'running', pid: 4711, since: 1_700_000_000_000, lastExit: null },
  );
  assert.deepEqual(
    readSystemdState(
      text({ ...base, ActiveState: 'failed', Result: 'exit-code', ExecMainCode: '1', ExecMainStatus: '2' }),
    ),
    { state: 'failed', pid: null, since: null, lastExit: 'exit-code (exit code 2)' },
  );
  assert.deepEqual(
    readSystemdState(
      text({
        ...base,
        ActiveState: 'activating',
        Result: 'watchdog',
        ExecMainCode: '2',
        ExecMainStatus: '6',
        NRestarts: '3',
      }),
    ),
    { state: 'starting', pid: null, since: null, lastExit: 'watchdog (signal 6), restarted 3 times' },
  );
  assert.match(
    systemdQuery('flatrender-agent').join(' '),
    /^show flatrender-agent\.service --timestamp=unix/,
  );
});

async function written(t: TestContext, specs: readonly ServiceSpec[]): Promise<string> {
  const directory = await mkdtemp(join(tmpdir(), 'flatrender-units-'));
  t.after(() => rm(directory, { recursive: true }));
  for (const spec of specs) {
    for (const [path, text] of Object.entries(filesOf(spec))) {
      await writeFile(join(directory, path.split('/').at(-1) ?? ''), text);
    }
  }
  return directory;
}
