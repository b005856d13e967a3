/** The commands of services where no service manager is asked. With one: test/system/services.test.ts. */
import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { test } from 'node:test';
import { runCli, runCliJson } from '../helpers/cli.ts';

interface Failed {
  readonly error: { readonly code: string; readonly hint?: string };
}

test('the plan for any system can be read on any system, and changes nothing', async () => {
  const expected = {
    linux: [
      /^useradd --system .* flatrender-agent$/m,
      /^ {2}Type=notify$/m,
      /^systemctl enable flatrender-agent\.service$/m,
    ],
    win32: [
      /sc\.exe create FlatRenderNodeAgent binPath= '"C:\\flatrender\\flatrender\.exe" agent run --service' start= auto /,
      /sc\.exe failure FlatRenderNodeAgent reset= 86400 actions= restart\/5000\/restart\/5000\/restart\/5000$/m,
      /sc\.exe failureflag FlatRenderNodeAgent 1$/m,
    ],
    darwin: [/LaunchDaemons\/com\.flatrender\.agent\.plist/, /launchctl bootstrap system /],
  };
  for (const [platform, patterns] of Object.entries(expected)) {
    const { stdout, stderr, exitCode } = await runCli([
      'node',
      'install',
      '--dry-run',
      '--platform',
      platform,
    ]);
    assert.equal(exitCode, 0, stderr);
    assert.match(stderr, /nothing was changed/);
    for (const pattern of patterns) assert.match(stdout, pattern);
  }
});

test('a foreign platform is for looking only', async () => {
  const { exitCode, stderr } = await runCli(['node', 'install', '--platform', 'win32']);
  assert.equal(exitCode, 2);
  assert.match(stderr, /--dry-run/);
});

const skip =
  process.platform !== 'linux' || existsSync('/run/systemd/system')
    ? 'needs a Linux without systemd, such as a container'
    : false;

test('without a service manager it says who could run the program', { skip }, async () => {
  for (const [topic, role] of [
    ['node', 'agent'],
    ['control', 'control'],
  ] as const) {
    for (const verb of ['install', 'uninstall', 'start', 'restart']) {
      const { json, exitCode } = await runCliJson<Failed>([topic, verb]);
      assert.equal(exitCode, 2);
      assert.equal(json.error.code, 'SERVICE_UNSUPPORTED');
      assert.match(json.error.hint ?? '', new RegExp(`flatrender ${role} run`));
    }
  }
});
