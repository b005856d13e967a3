import assert from 'node:assert/strict';
import { existsSync, statSync } from 'node:fs';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { enrol } from '../../src/client/enrol.ts';
import { loadAgentConfig } from '../../src/config/agent-config.ts';
import { systemClock } from '../../src/lib/clock.ts';
import type { ErrorBody } from '../../src/lib/errors.ts';
import { generateKeyPair, publicKeyOf } from '../../src/mesh/keys.ts';
import { type Invitation, invitationLine } from '../../src/protocol/enrolment.ts';
import { runCli, runCliJson, startCli } from '../helpers/cli.ts';
import { startTestControl, type TestControl } from '../helpers/control.ts';

interface Place {
  readonly test: TestControl;
  readonly directory: string;
  readonly envFile: string;
  /** Arguments that keep everything in the directory. */
  readonly here: string[];
}

async function farm(t: TestContext): Promise<Place> {
  const test = await startTestControl();
  const directory = await mkdtemp(join(tmpdir(), 'flatrender-join-'));
  t.after(async () => {
    await test[Symbol.asyncDispose]();
    await rm(directory, { recursive: true, force: true });
  });
  const envFile = join(directory, 'agent.env');
  return { test, directory, envFile, here: ['--no-service', '--agent-env', envFile] };
}

async function invite({ test }: Place, node: string, body: object = {}): Promise<Invitation> {
  await test.call('POST', '/v1/nodes', { id: node });
  const { status, body: answer } = await test.call('POST', `/v1/nodes/${node}/invite`, {
    url: test.url,
    ...body,
  });
  assert.ok(status < 300, JSON.stringify(answer));
  return answer.invitation;
}

async function fileOf({ directory }: Place, invitation: unknown, name = 'invitation.json'): Promise<string> {
  const file = join(directory, name);
  await writeFile(file, JSON.stringify(invitation), { mode: 0o600 });
  return file;
}

test('an invitation makes a machine a node, and its agent signs in with what was written', async (t) => {
  const place = await farm(t);
  const file = await fileOf(place, await invite(place, 'studio-1'));
  const { stdout, stderr, exitCode } = await runCli([
    'node',
    'join',
    file,
    ...place.here,
    '--set',
    'HEALTH_PORT=off',
    '--set',
    'NODE_TAGS=gpu,fast',
  ]);
  assert.equal(exitCode, 0, stderr);
  assert.match(stdout, /^node studio-1 of .+ is set up: http:\/\/127\.0\.0\.1:\d+\n$/);
  assert.match(stderr, /^ok check this machine for node studio-1 of /);
  assert.match(stderr, /\nok have http:\S+ take this machine as node studio-1/);
  assert.match(stderr, /next: flatrender agent run --agent-env \S+agent\.env\n/);
  for (const name of ['agent.env', 'wg-flatrender.key', 'joined.json']) {
    assert.equal(statSync(join(place.directory, name)).mode & 0o777, 0o600, name);
  }
  const { config, warnings } = loadAgentConfig({ envFile: place.envFile, env: {} });
  assert.deepEqual(warnings, []);
  assert.deepEqual(
    [config.nodeId, config.url, config.healthPort, config.tags],
    ['studio-1', place.test.url, null, ['fast', 'gpu']],
  );
  await using agent = await startCli(['agent', 'run', '--agent-env', place.envFile]);
  await agent.waitFor(/node studio-1 is ready/);
});

test('the line works as well as the file, also from stdin and broken by a mail program; the same again means already', async (t) => {
  const place = await farm(t);
  const line = invitationLine(await invite(place, 'studio-1'));
  const first = await runCliJson<{ result: string; agent: string; next: string }>([
    'node',
    'join',
    line,
    ...place.here,
  ]);
  assert.equal(first.exitCode, 0, first.stdout);
  const { result, agent, next } = first.json;
  assert.deepEqual(
    [result, agent, next],
    ['joined', 'none', `flatrender agent run --agent-env ${place.envFile}`],
  );
  const written = await readFile(place.envFile, 'utf8');
  const input = `> ${line.slice(0, 70)}\n${line.slice(70)}\n`.replace('> ', '');
  const again = await runCliJson<{ result: string }>(['node', 'join', '-', ...place.here], { input });
  assert.equal(again.json.result, 'already');
  assert.equal(await readFile(place.envFile, 'utf8'), written);
});

test('every way in which an invitation is no good has its own message and leaves no settings behind', async (t) => {
  const place = await farm(t);
  const fails = async (invitation: unknown, name: string): Promise<ErrorBody> => {
    const file = await fileOf(place, invitation, name);
    const args = ['node', 'join', file, ...place.here, '--timeout', '2'];
    const { json, exitCode } = await runCliJson<{ error: ErrorBody }>(args);
    assert.notEqual(exitCode, 0);
    assert.ok(!existsSync(place.envFile), `${name}: no agent.env`);
    return json.error;
  };
  const older = await invite(place, 'desktop');
  const newer = await invite(place, 'desktop');
  const replaced = await fails(older, 'replaced.json');
  assert.equal(replaced.code, 'INVITATION_REPLACED');

  const publicKey = generateKeyPair().publicKey;
  const request = { publicKey, hostname: 'render-07', agentVersion: '0.1.0' };
  const signal = AbortSignal.timeout(10_000);
  await enrol({ invitation: newer, request, clock: systemClock, signal });
  const used = await fails(newer, 'used.json');
  assert.equal(used.code, 'INVITATION_USED');
  assert.match(used.message, /render-07/);
  assert.match(used.hint ?? '', /flatrender node invite desktop/);

  const going = await invite(place, 'going');
  await place.test.call('DELETE', '/v1/nodes/going');
  assert.equal((await fails(going, 'unknown.json')).code, 'NODE_UNKNOWN');

  const expired = await fails({ ...going, expiresAt: '2020-01-01T00:00:00.000Z' }, 'expired.json');
  assert.equal(expired.code, 'INVITATION_EXPIRED');
  assert.match(expired.message, /expired at 2020-01-01T00:00:00.000Z; this machine’s clock says 20/);

  const nowhere = await fails({ ...(await invite(place, 'far')), url: 'http://127.0.0.1:9' }, 'far.json');
  assert.equal(nowhere.code, 'UNREACHABLE');
  assert.match(
    nowhere.message,
    /^the control plane at http:\/\/127\.0\.0\.1:9 does not answer: nothing listens there$/,
  );
  assert.match(nowhere.hint ?? '', /flatrender node invite far --orchestrator-url URL/);
});

test('what is no invitation is told with its place', async (t) => {
  const place = await farm(t);
  const cut = await fileOf(place, {}, 'cut.json');
  await writeFile(cut, '{"flatrenderInvitation":1,"node":"stu');
  for (const [given, code, message] of [
    [cut, 'INVITATION_INVALID', /cut\.json is not a valid invitation: it is cut off or not an invitation/],
    [join(place.directory, 'none.json'), 'CONFIG_MISSING', /none\.json: there is no such file/],
    ['flatrender-invitation:abc', 'INVITATION_INVALID', /^the line is not a valid invitation/],
  ] as const) {
    const { json, exitCode } = await runCliJson<{ error: ErrorBody }>(['node', 'join', given, ...place.here]);
    assert.deepEqual([json.error.code, exitCode], [code, 2]);
    assert.match(json.error.message, message);
  }
});

test('settings that the agent would not take are refused before anything happens', async (t) => {
  const place = await farm(t);
  const file = await fileOf(place, await invite(place, 'studio-1'));
  for (const [setting, message] of [
    ['MAX_JOBS=2', /MAX_JOBS is no setting of the agent/],
    ['HEALTH_PORT', /"HEALTH_PORT" is not KEY=VALUE/],
    ['HEALTH_PORT=99999', /"99999" is not valid/],
    ['NODE_ID=other', /NODE_ID comes with the invitation/],
  ] as const) {
    const args = ['node', 'join', file, ...place.here, '--set', setting];
    const { json } = await runCliJson<{ error: ErrorBody }>(args);
    assert.match(json.error.message, message);
  }
  assert.ok(!existsSync(join(place.directory, 'wg-flatrender.key')));
});

test('an existing agent.env keeps its other settings; the one of another node is refused', async (t) => {
  const place = await farm(t);
  await writeFile(
    place.envFile,
    '# mine\nNODE_TAGS=gpu\nNODE_ID=studio-1\nNODE_HMAC_SECRET=an-older-secret-of-this\n',
  );
  const first = await runCli([
    'node',
    'join',
    await fileOf(place, await invite(place, 'studio-1')),
    ...place.here,
  ]);
  assert.equal(first.exitCode, 0, first.stderr);
  const text = await readFile(place.envFile, 'utf8');
  assert.match(
    text,
    /^# mine\nNODE_TAGS=gpu\nNODE_ID=studio-1\nNODE_HMAC_SECRET=[\w-]{43}\nORCHESTRATOR_URL=http:/,
  );
  const other = await fileOf(place, await invite(place, 'desktop'), 'other.json');
  const second = await runCli(['node', 'join', other, ...place.here]);
  assert.equal(second.exitCode, 1);
  assert.match(second.stderr, /this machine is node studio-1 already/);
  assert.equal(await readFile(place.envFile, 'utf8'), text);
});

test('a dry run shows the files and commands of any system and no secret, and changes nothing', async (t) => {
  const place = await farm(t);
  const keys = generateKeyPair();
  const mesh = {
    endpoint: 'farm.example.com:51820',
    serverPublicKey: generateKeyPair().publicKey,
    serverAddress: '10.66.0.1',
    address: '10.66.0.11',
    privateKey: keys.privateKey,
  };
  const invitation = { ...(await invite(place, 'studio-1')), mesh };
  const file = await fileOf(place, invitation);
  for (const [platform, expected] of [
    ['linux', ['systemctl restart wg-quick@wg-flatrender', 'write /etc/flatrender/agent.env']],
    ['darwin', ['launchctl bootstrap system /Library/LaunchDaemons/com.flatrender.tunnel.plist']],
    ['win32', ['/installtunnelservice C:\\flatrender\\wg-flatrender.conf', 'FlatRenderNodeAgent']],
  ] as const) {
    const { stdout, stderr, exitCode } = await runCli([
      'node',
      'join',
      file,
      '--dry-run',
      '--platform',
      platform,
    ]);
    assert.equal(exitCode, 0, stderr);
    for (const line of expected) assert.ok(stdout.includes(line), `${platform}: ${line}\n${stdout}`);
    for (const secret of [keys.privateKey, invitation.secret]) assert.ok(!stdout.includes(secret), platform);
    assert.match(stderr, /nothing was changed/);
  }
});

test('node key makes a key once and shows its public half only', async (t) => {
  const { directory, envFile } = await farm(t);
  const args = ['node', 'key', '--agent-env', envFile];
  const first = await runCliJson<{ publicKey: string; file: string; result: string }>(args);
  const file = join(directory, 'wg-flatrender.key');
  const privateKey = (await readFile(file, 'utf8')).trim();
  assert.deepEqual(first.json, { publicKey: publicKeyOf(privateKey), file, result: 'created' });
  assert.equal(statSync(file).mode & 0o777, 0o600);
  const { stdout, stderr } = await runCli(args);
  assert.equal(stdout, `${first.json.publicKey}\n`);
  assert.match(stderr, /next, on the control plane: flatrender wg add-peer NAME --public-key /);
  assert.ok(!`${stdout}${stderr}`.includes(privateKey));
  await writeFile(file, 'no key');
  const damaged = await runCliJson<{ error: ErrorBody }>(args);
  assert.equal(damaged.json.error.code, 'CONFIG_INVALID');
});

test('node join goes on with the key of node key', async (t) => {
  const place = await farm(t);
  const { json } = await runCliJson<{ publicKey: string }>(['node', 'key', '--agent-env', place.envFile]);
  const file = await fileOf(place, await invite(place, 'studio-1'));
  const joined = await runCliJson<{ publicKey: string }>(['node', 'join', file, ...place.here]);
  assert.equal(joined.json.publicKey, json.publicKey);
});
