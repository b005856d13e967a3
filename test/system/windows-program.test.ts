/** flatrender.exe on a Windows of its own: what it does without a service. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { freePort } from '../helpers/free-port.ts';
import { addEncoder, unpackRelease } from '../helpers/windows-node.ts';
import { openWine, wineSkip } from '../helpers/wine.ts';

const skip = await wineSkip();

test('flatrender.exe is the whole program', { skip, timeout: 600_000 }, async (t) => {
  await using wine = await openWine();
  const node = await unpackRelease(wine, 'Flat Render (64 bit)', await freePort());

  await t.test('it says its version, checks the machine and templates, and names what is wrong', async () => {
    const { stdout, stderr } = await node.flatrender(['--version']);
    assert.match(stdout, /^flatrender\/\S+ win32-x64 node-v26/);
    assert.equal(stderr, '');
    assert.match((await node.flatrender(['--help'])).stdout, /USAGE\n {2}\$ flatrender \[COMMAND\]/);
    const doctor = await node.flatrender(['doctor']);
    assert.match(doctor.stdout, /encoder\s+no video encoder/);
    assert.match(
      (await node.flatrender(['template', 'validate', 'templates\\video\\title-card'])).stdout,
      /^ok /,
    );
    const run = await node.flatrender(['agent', 'run']);
    assert.equal(run.exitCode, 2);
    assert.match(run.stderr, /NODE_ID is not set .*Program Files\\Flat Render \(64 bit\)/);
  });

  await t.test('what Windows is to start says so when somebody else starts it', async () => {
    const { exitCode, stderr } = await node.flatrender(['agent', 'run', '--service']);
    assert.equal(exitCode, 2);
    assert.match(stderr, /--service is for Windows.*\n.*flatrender agent run/);
  });

  await t.test('it is a farm: quickstart renders a first video', async () => {
    await addEncoder(node);
    const { exitCode, stdout, stderr } = await node.flatrender(
      ['quickstart', '-o', 'C:\\first.mp4'],
      120_000,
    );
    assert.equal(exitCode, 0, stderr);
    assert.match(stdout, /^C:\\first\.mp4\n150 frames/);
    assert.deepEqual(wine.processes(/flatrender\.exe/), []);
  });
});
