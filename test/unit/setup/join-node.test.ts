import assert from 'node:assert/strict';
import { mkdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { parseEnvFile } from '../../../src/lib/env-file.ts';
import { FlatrenderError } from '../../../src/lib/errors.ts';
import { generateKeyPair, publicKeyOf } from '../../../src/mesh/keys.ts';
import { failureOf } from '../../helpers/failure-of.ts';
import { type Joining, startJoining } from '../../helpers/joining.ts';

/** What a machine looks like that has joined: the same whatever happened on the way. */
function assertJoined(joining: Joining): void {
  const key = joining.file('etc/wg-flatrender.key')?.trim() ?? '';
  assert.equal(publicKeyOf(key), joining.farm.bound, 'the bound key is this machine’s');
  assert.match(joining.file('etc/agent.env') ?? '', /^NODE_ID=studio-1$/m);
  assert.match(joining.file('etc/agent.env') ?? '', new RegExp(`^NODE_HMAC_SECRET=${'n'.repeat(43)}$`, 'm'));
  assert.equal(joining.liveKey(), key, 'the tunnel uses it');
  assert.ok(
    joining.file('wireguard/wg-flatrender.conf')?.includes(`
PrivateKey = ${key}
`),
  );
  assert.equal(
    joining.file('etc/wg-flatrender.invitation.key'),
    null,
    'nothing is left of the invitation’s key',
  );
  const temporary = joining.invitation.mesh?.privateKey ?? '';
  for (const name of ['wireguard/wg-flatrender.conf', 'etc/agent.env', 'etc/joined.json']) {
    assert.ok(!joining.file(name)?.includes(temporary), name);
  }
}

test('with systemd the tunnel comes up by its unit, and its key changes without taking it down', async () => {
  await using joining = await startJoining();
  const joined = await joining.join();
  assertJoined(joining);
  assert.deepEqual(joining.commands(), [
    'systemctl enable wg-quick@wg-flatrender',
    'systemctl restart wg-quick@wg-flatrender',
    'wg set wg-flatrender private-key etc/wg-flatrender.key',
  ]);
  assert.deepEqual(joined, {
    node: 'studio-1',
    farm: 'the farm',
    url: 'http://10.66.0.1:8088',
    result: 'joined',
    address: '10.66.0.11',
    publicKey: joining.farm.bound,
    envFile: join(joining.directory, 'etc/agent.env'),
    agent: 'none',
    warnings: [],
  });
  for (const name of ['etc/agent.env', 'etc/wg-flatrender.key', 'wireguard/wg-flatrender.conf']) {
    assert.equal(statSync(join(joining.directory, name)).mode & 0o777, 0o600, name);
  }
});

test('without systemd wg-quick brings it up', async () => {
  await using joining = await startJoining({ hasSystemd: false });
  await joining.join();
  assertJoined(joining);
  assert.deepEqual(joining.commands(), [
    'wg-quick up wireguard/wg-flatrender.conf',
    'wg set wg-flatrender private-key etc/wg-flatrender.key',
  ]);
});

test('the same invitation again means already, and changes nothing', async () => {
  await using joining = await startJoining();
  await joining.join();
  const before = joining.commands();
  const again = await joining.join();
  assert.equal(again.result, 'already');
  assert.deepEqual(joining.commands(), before);
  assert.equal(joining.farm.enrolments, 1);
  assertJoined(joining);
});

test('a setting changes agent.env of a machine that has joined, and nothing else', async () => {
  await using joining = await startJoining();
  await joining.join({ settings: { NODE_TAGS: 'gpu' } });
  const { result } = await joining.join({ settings: { NODE_TAGS: 'gpu,fast' } });
  assert.equal(result, 'changed');
  assert.match(joining.file('etc/agent.env') ?? '', /^NODE_TAGS=gpu,fast$/m);
  assert.equal((await joining.join()).result, 'already');
  assertJoined(joining);
});

test('a setting with a number sign arrives whole', async () => {
  await using joining = await startJoining();
  await joining.join({ settings: { TEMP_DIR: '/scratch #2' } });
  const { values } = parseEnvFile(joining.file('etc/agent.env') ?? '', 'agent.env');
  assert.equal(values.TEMP_DIR, '/scratch #2');
  assert.equal((await joining.join({ settings: { TEMP_DIR: '/scratch #2' } })).result, 'already');
});

test('interrupted after any step, the same command goes on', async () => {
  await using whole = await startJoining();
  await whole.join();
  const { length } = whole.titles;
  assert.ok(length >= 6, whole.titles.join('\n'));
  for (let step = 0; step < length; step += 1) {
    await using joining = await startJoining();
    await assert.rejects(joining.join({}, step), /^Error: interrupted after: /);
    const key = joining.file('etc/wg-flatrender.key');
    const { result } = await joining.join();
    assertJoined(joining);
    if (key !== null) assert.equal(joining.file('etc/wg-flatrender.key'), key, 'the key stays what it was');
    assert.ok(['joined', 'changed', 'already'].includes(result), result);
    assert.equal((await joining.join()).result, 'already', `after ${whole.titles[step]}`);
  }
});

test('killed after any single change of the machine, the same command goes on', async () => {
  let changes = 0;
  for (; ; changes += 1) {
    await using joining = await startJoining();
    const ended = await joining.joinKilled(changes);
    const key = joining.file('etc/wg-flatrender.key');
    await joining.join();
    assertJoined(joining);
    if (key !== null) assert.equal(joining.file('etc/wg-flatrender.key'), key, 'the key stays what it was');
    assert.equal((await joining.join()).result, 'already', `after ${changes} changes`);
    if (ended) break;
  }
  assert.ok(changes >= 10, `${changes} changes`);
});

test('an answer that is lost is asked for again with the own key, which the control plane lets in by then', async () => {
  await using joining = await startJoining();
  joining.farm.loseAnswers = 1;
  await joining.join();
  assertJoined(joining);
  assert.deepEqual(joining.commands(), [
    'systemctl enable wg-quick@wg-flatrender',
    'systemctl restart wg-quick@wg-flatrender',
    'wg set wg-flatrender private-key etc/wg-flatrender.key',
    'wg set wg-flatrender private-key etc/wg-flatrender.key',
  ]);
});

test('killed after the control plane has bound the key, the next run finds its way with the own key', async () => {
  await using joining = await startJoining();
  joining.farm.loseAnswers = 100;
  const error = await failureOf(joining.join({ timeoutMs: 10_000 }));
  assert.equal(error.code, 'UNREACHABLE');
  assert.notEqual(joining.farm.bound, null);
  joining.farm.loseAnswers = 0;
  await joining.join();
  assertJoined(joining);
});

test('no handshake names the port that does not answer, takes the tunnel down and keeps the key', async () => {
  await using joining = await startJoining();
  joining.farm.lets.clear();
  const error = await failureOf(joining.join());
  assert.equal(error.code, 'UNREACHABLE');
  assert.equal(error.message, 'UDP 51820 of farm.example.com does not answer');
  assert.match(error.hint ?? '', /firewall there, and forwarded by the router/);
  assert.match(error.hint ?? '', /used, replaced or has expired .*"flatrender node invite studio-1"/);
  assert.match(error.hint ?? '', /etc\/wg-flatrender\.key\) is kept, so that the same command goes on/);
  assert.equal(joining.liveKey(), null);
  assert.equal(joining.file('wireguard/wg-flatrender.conf'), null);
  assert.equal(joining.file('etc/wg-flatrender.invitation.key'), null);
  assert.equal(joining.file('etc/agent.env'), null);
  assert.notEqual(joining.file('etc/wg-flatrender.key'), null);
  assert.deepEqual(joining.commands().slice(-2), [
    'systemctl disable --now wg-quick@wg-flatrender',
    'wg-quick down wireguard/wg-flatrender.conf',
  ]);
});

test('a handshake without a gateway names the address that does not answer', async () => {
  await using joining = await startJoining();
  joining.farm.isDown = true;
  const error = await failureOf(joining.join());
  assert.equal(
    error.message,
    'the tunnel to farm.example.com:51820 is up, but the gateway at http://10.66.0.1:8088 does not answer: nothing listens there',
  );
  assert.match(error.hint ?? '', /"flatrender control status" \(does it listen on 10\.66\.0\.1:8088\?\)/);
  assert.ok(!joining.commands().some((command) => command.startsWith('wg set')), 'the key is the right one');
});

test('a refusal is final: its own message, and the tunnel is gone', async () => {
  for (const code of [
    'INVITATION_EXPIRED',
    'INVITATION_USED',
    'INVITATION_REPLACED',
    'NODE_UNKNOWN',
  ] as const) {
    await using joining = await startJoining();
    joining.farm.refusal = new FlatrenderError(code, `refused: ${code}`, { hint: 'ask again' });
    const error = await failureOf(joining.join());
    assert.deepEqual([error.code, error.message, error.hint], [code, `refused: ${code}`, 'ask again']);
    assert.equal(joining.farm.enrolments, 1);
    assert.equal(joining.liveKey(), null);
  }
});

test('a new invitation that fails leaves a working tunnel as it was', async () => {
  await using joining = await startJoining();
  await joining.join();
  const [conf, live] = [joining.file('wireguard/wg-flatrender.conf'), joining.liveKey()];
  joining.farm.refusal = new FlatrenderError('INVITATION_REPLACED', 'there is a newer one');
  const { mesh } = joining.invitation;
  const temporary = generateKeyPair();
  joining.farm.lets.add(temporary.publicKey);
  const newer = {
    ...joining.invitation,
    number: 2,
    secret: 't'.repeat(43),
    mesh: mesh && { ...mesh, privateKey: temporary.privateKey },
  };
  const error = await failureOf(joining.join({ invitation: newer }));
  assert.equal(error.code, 'INVITATION_REPLACED');
  assert.equal(joining.file('wireguard/wg-flatrender.conf'), conf);
  assert.equal(joining.liveKey(), live);
  joining.farm.refusal = null;
  assert.equal((await joining.join({ invitation: newer })).result, 'joined');
  assert.equal(joining.liveKey(), live, 'the own key is the same as before');
});

test('a new invitation that fails leaves the configuration of a tunnel that was down', async () => {
  await using joining = await startJoining({ hasSystemd: false });
  await joining.join();
  const file = join(joining.directory, 'wireguard/wg-flatrender.conf');
  const changed = (joining.file('wireguard/wg-flatrender.conf') ?? '').replace('MTU = 1280', 'MTU = 1380');
  writeFileSync(file, changed, { mode: 0o600 });
  rmSync(join(joining.directory, 'live'));
  joining.farm.refusal = new FlatrenderError('INVITATION_REPLACED', 'there is a newer one');
  joining.farm.lets.add(publicKeyOf(joining.invitation.mesh?.privateKey ?? ''));
  const error = await failureOf(
    joining.join({ invitation: { ...joining.invitation, secret: 't'.repeat(43) } }),
  );
  assert.equal(error.code, 'INVITATION_REPLACED');
  assert.equal(joining.file('wireguard/wg-flatrender.conf'), changed);
  assert.equal(joining.liveKey(), null, 'it is down again');
});

test('what was changed in wg-flatrender.conf by hand stays', async () => {
  await using joining = await startJoining();
  await joining.join();
  const file = join(joining.directory, 'wireguard/wg-flatrender.conf');
  const changed = (joining.file('wireguard/wg-flatrender.conf') ?? '').replace('MTU = 1280', 'MTU = 1380');
  writeFileSync(file, changed, { mode: 0o600 });
  assert.equal((await joining.join()).result, 'already');
  assert.equal(joining.file('wireguard/wg-flatrender.conf'), changed);
  joining.farm.lets.add(publicKeyOf(joining.invitation.mesh?.privateKey ?? ''));
  await joining.join({ invitation: { ...joining.invitation, secret: 't'.repeat(43) } });
  assert.equal(joining.file('wireguard/wg-flatrender.conf'), changed, 'nor does a new invitation change it');
});

test('a tunnel of somebody else is refused by its name, and left alone', async () => {
  await using joining = await startJoining();
  const file = join(joining.directory, 'wireguard/wg-flatrender.conf');
  mkdirSync(join(joining.directory, 'wireguard'));
  const other = `[Interface]\nPrivateKey = ${generateKeyPair().privateKey}\n[Peer]\nPublicKey = ${generateKeyPair().publicKey}\n`;
  writeFileSync(file, other);
  const error = await failureOf(joining.join());
  assert.equal(error.code, 'MESH_INVALID');
  assert.ok(error.message.startsWith(`${file} belongs to another tunnel`), error.message);
  assert.equal(joining.file('wireguard/wg-flatrender.conf'), other);
  assert.deepEqual(joining.commands(), []);
});

test('a machine that is another node is refused with the command that ends that', async () => {
  await using joining = await startJoining();
  mkdirSync(join(joining.directory, 'etc'));
  writeFileSync(
    join(joining.directory, 'etc/agent.env'),
    'NODE_ID=desktop\nNODE_HMAC_SECRET=abcdefghijklmnopqrst\n',
  );
  const error = await failureOf(joining.join());
  assert.equal(error.code, 'NODE_EXISTS');
  assert.match(
    error.message,
    /^this machine is node desktop already \(.*agent\.env\); the invitation is for studio-1$/,
  );
  assert.match(error.hint ?? '', /flatrender node uninstall --purge/);
});

test('an expired invitation is refused before anything is changed; within the tolerance of clocks it is tried', async () => {
  await using late = await startJoining({ expiresInMs: -400_000 });
  const error = await failureOf(late.join());
  assert.equal(error.code, 'INVITATION_EXPIRED');
  assert.match(error.message, /^the invitation expired at \S+; this machine’s clock says /);
  assert.match(error.hint ?? '', /flatrender node invite studio-1/);
  assert.equal(late.file('etc/wg-flatrender.key'), null);
  await using barely = await startJoining({ expiresInMs: -60_000 });
  assert.match((await barely.join()).warnings.join(), /in case the clock is wrong/);
});

test('without an administrator’s rights nothing is begun, and the command is told', async () => {
  await using joining = await startJoining();
  const machine = { ...joining.machine, isElevated: false };
  const { checkMachine } = await import('../../../src/setup/join/check-machine.ts');
  const signal = new AbortController().signal;
  const error = await failureOf(checkMachine(machine, joining.invitation, signal));
  assert.deepEqual([error.code, error.hint], ['ELEVATION_NEEDED', 'sudo flatrender node join FILE']);
});

test('the control plane’s own machine is told that it needs no tunnel', async () => {
  await using joining = await startJoining();
  const machine = { ...joining.machine, interfaceOf: (ip: string) => (ip === '10.66.0.1' ? 'wg0' : null) };
  const { checkMachine } = await import('../../../src/setup/join/check-machine.ts');
  const error = await failureOf(checkMachine(machine, joining.invitation, new AbortController().signal));
  assert.equal(error.message, 'this machine is the control plane itself: 10.66.0.1 is on its wg0');
  assert.match(error.hint ?? '', /flatrender node invite studio-1 --no-mesh/);
});
