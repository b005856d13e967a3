import assert from 'node:assert/strict';
import { mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { ActiveTask } from '../../src/agent/active-task.ts';
import { keepFullLogs } from '../../src/agent/full-log.ts';
import { createAgentApi } from '../../src/client/agent-api.ts';
import { createSignedHttp } from '../../src/client/signed-http.ts';
import { createTransfers } from '../../src/client/transfer.ts';
import { systemClock } from '../../src/lib/clock.ts';
import { createLogger } from '../../src/lib/logger.ts';
import { runCli, runCliJson } from '../helpers/cli.ts';
import { claimBody, finish, startTestControl } from '../helpers/control.ts';

test('the complete log of an attempt is kept with its outputs, and read back whole', async () => {
  await using farm = await startTestControl();
  await farm.addTemplate();
  const node = await farm.addNode('studio-1');
  const job = await farm.submit();
  const { task } = (await farm.asNode(node, '/v1/agent/claim', claimBody())).body;
  const workspace = await mkdtemp(join(tmpdir(), 'flatrender-full-log-'));
  const http = createSignedHttp({ url: farm.url, keyId: node.id, secret: node.secret, clock: systemClock });
  const transfers = createTransfers(systemClock);
  try {
    const lines = Array.from({ length: 20_000 }, (_, i) => `aerender: PROGRESS: Größe (${i})`);
    await mkdir(join(workspace, 'logs'));
    await writeFile(join(workspace, 'logs', 'aerender.log'), `${lines.join('\n')}\n`);
    await writeFile(join(workspace, 'logs', 'not-a-log.txt'), 'x');
    const said: string[] = [];
    const options = {
      api: createAgentApi(http),
      transfers,
      clock: systemClock,
      logger: createLogger({ level: 'silent' }),
      say: (line: string) => void said.push(line),
    };
    await keepFullLogs(workspace, new ActiveTask(task.id, task.epoch), options);
    assert.deepEqual(said, []);
    assert.deepEqual((await readdir(join(workspace, 'logs'))).sort(), ['aerender.log', 'not-a-log.txt']);

    const env = { FLATRENDER_URL: farm.url, FLATRENDER_TOKEN: farm.token };
    const { json } = await runCliJson<{ logs: unknown[] }>(['job', 'logs', job, '--full'], { env });
    assert.deepEqual(json.logs, [{ task: task.id, epoch: 1, name: 'aerender.log', lines }]);
    const shown = await runCli(['job', 'show', job], { env });
    assert.match(shown.stdout, new RegExp(`complete log: flatrender job logs ${job} --full`));

    await finish(farm, node, task);
    await keepFullLogs(workspace, new ActiveTask(task.id, task.epoch), options);
    assert.match(said.join('\n'), /^the complete log aerender\.log could not be kept: .*does not hold/);
  } finally {
    await transfers.close();
    await http.close();
    await rm(workspace, { recursive: true, force: true });
  }
});

test('an attempt without a complete log is said to have none', async () => {
  await using farm = await startTestControl();
  await farm.addTemplate();
  const job = await farm.submit();
  assert.deepEqual((await farm.call('GET', `/v1/jobs/${job}/logs`)).body, { logs: [] });
  assert.equal((await farm.call('GET', '/v1/jobs/nope/logs')).status, 404);
  const env = { FLATRENDER_URL: farm.url, FLATRENDER_TOKEN: farm.token };
  const { stderr, exitCode } = await runCli(['job', 'logs', job, '--full'], { env });
  assert.equal(exitCode, 1);
  assert.match(stderr, /^error: no attempt of job \w+ left a complete log\nhint: see "flatrender job logs/);
});
