import assert from 'node:assert/strict';
import { existsSync, statSync } from 'node:fs';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { loadAgentConfig } from '../../src/config/agent-config.ts';
import type { ErrorBody } from '../../src/lib/errors.ts';
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
