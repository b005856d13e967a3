/** An S3 server that is away when a program starts, or goes away while it runs. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import type { ControlConfigInput } from '../../src/config/control-schema.ts';
import { keptLog } from '../helpers/agent-under-test.ts';
import { runCli, runCliJson, startCli } from '../helpers/cli.ts';
import { startTestControl, type TestControl } from '../helpers/control.ts';
import { freePort } from '../helpers/free-port.ts';
import { manualClock } from '../helpers/manual-clock.ts';
import { type Radosgw, radosgwMissing, startRadosgw } from '../helpers/radosgw.ts';

const keys = { FLATRENDER_S3_ACCESS_KEY: 'key', FLATRENDER_S3_SECRET_KEY: 'secret' };
let dir: string;

before(async () => {
  dir = await mkdtemp(join(tmpdir(), 'flatrender-away-'));
});
after(() => rm(dir, { recursive: true, force: true }));

async function newHome(name: string): Promise<string> {
  const home = join(dir, name);
  await mkdir(home);
  return home;
}

test('control init names an S3 server that is not there, or is none', async () => {
  const page = createServer((_, response) => response.writeHead(404).end('<html>not here</html>'));
  page.listen(0, '127.0.0.1');
  await once(page, 'listening');
  const web = `http://127.0.0.1:${(page.address() as AddressInfo).port}`;
  const closed = `http://127.0.0.1:${await freePort()}`;
  const cases = [
    [closed, /cannot be reached: nothing listens there/, /objects\.endpoint/],
    ['http://nohost.invalid:9000', /nohost\.invalid:9000 cannot be reached: the name/, /objects\.endpoint/],
    [web, /what answers at .* is not an S3 server/, /S3 API/],
  ] as const;
  try {
    const home = await newHome('init');
    for (const [endpoint, message, hint] of cases) {
      const args = ['control', 'init', '--objects', 's3', '--s3-endpoint', endpoint, '--s3-create-bucket'];
      const { json, exitCode } = await runCliJson<{ error: Record<string, string> }>(args, {
        home,
        env: keys,
      });
      assert.equal(exitCode, 1);
      assert.equal(json.error.code, 'UNAVAILABLE');
      assert.match(json.error.message ?? '', message);
      assert.match(json.error.hint ?? '', hint);
    }
  } finally {
    page.close();
  }
});

test('a control plane starts without its S3 server; doctor goes on behind it', async () => {
  const home = await newHome('run');
  const port = await freePort();
  await runCli(['control', 'init', '--port', String(port)], { home });
  const file = join(home, '.flatrender', 'flatrender.yaml');
  const endpoint = `http://127.0.0.1:${await freePort()}`;
  const text = await readFile(file, 'utf8');
  await writeFile(
    file,
    text.replace(/^ {2}type: fs$/m, '  type: s3').replace(/^ {2}endpoint: null$/m, `  endpoint: ${endpoint}`),
  );
  await using running = await startCli(['control', 'run'], { home, env: keys });
  await running.waitFor(/control plane runs at/);
  const { json: jobs, exitCode } = await runCliJson(['job', 'list'], { home });
  assert.equal(exitCode, 0, JSON.stringify(jobs));
  const { stdout: status } = await runCli(['control', 'status'], { home });
  assert.match(status, /objects cannot be reached: .*nothing listens there/);
  const doctor = await runCliJson<{ checks: { name: string; status: string; message: string }[] }>(
    ['doctor'],
    { home, env: keys },
  );
  assert.equal(doctor.exitCode, 1);
  const find = (name: string) => doctor.json.checks.find((check) => check.name === name);
  assert.match(find('gateway')?.message ?? '', /but it cannot reach its objects: .*nothing listens there/);
  assert.equal(find('objects')?.status, 'failed');
  assert.match(find('objects')?.message ?? '', /cannot be reached: nothing listens there/);
  assert.equal(find('token')?.status, 'ok', 'the checks behind it');
  const { stderr, exitCode: ended } = await running.stop();
  assert.equal(ended, 0);
  assert.equal(stderr.match(/objects\.(unreachable|lost)/g)?.length, 1, stderr);
});

describe('on Ceph radosgw', { skip: radosgwMissing ?? false }, () => {
  let server: Radosgw;
  before(async () => {
    server = await startRadosgw();
  });
  after(() => server[Symbol.asyncDispose]());

  const config = (more: Partial<Radosgw & { bucket: string }> = {}): ControlConfigInput => ({
    objects: {
      type: 's3',
      endpoint: server.url,
      bucket: more.bucket ?? 'away',
      accessKey: server.accessKey,
      secretKey: more.secretKey ?? server.secretKey,
      createBucket: true,
    },
  });
  const healthOf = async (control: TestControl) => (await control.call('GET', '/health')).body;
  const becomes = async (control: TestControl, status: string): Promise<void> => {
    const end = performance.now() + 20_000;
    while ((await healthOf(control)).status !== status) {
      assert.ok(performance.now() < end, `${status}: ${JSON.stringify(await healthOf(control))}`);
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
  };

  // A gateway that was killed holds up the next bucket for half a minute: all are made before.
  test('a bucket without the bundles of the farm is warned of, until they are there', async () => {
    const { logger, events } = keptLog();
    await using control = await startTestControl({ config: config({ bucket: 'empty' }), logger });
    assert.deepEqual((await healthOf(control)).objects, { ok: true, message: null });
    await control.addTemplate();
    await control.restart();
    const { status, objects } = await healthOf(control);
    assert.equal(status, 'degraded');
    assert.equal(objects.ok, true);
    assert.match(objects.message, /mock-template@1\.0\.0, is not in the bucket "empty" at http/);
    assert.equal(events().filter((event) => event === 'objects.bundle-missing').length, 1);
    await control.control.objects.put(`bundles/${'b'.repeat(64)}.zip`, Buffer.from('zip'));
    await becomes(control, 'ok');
  });

  test('a wrong secret is told at the start', async () => {
    await assert.rejects(startTestControl({ config: config({ secretKey: 'another secret' }) }), {
      code: 'UNAVAILABLE',
      message: /the secret of access key/,
    });
  });

  test('what fails because it is away shows in the health at once', async () => {
    // Nothing looks by itself while this clock stands still.
    const clock = manualClock(Date.now());
    await using control = await startTestControl({ config: config(), clock });
    assert.equal((await healthOf(control)).status, 'ok');
    await server.kill();
    try {
      const failed = assert.rejects(control.control.objects.head(`assets/${'a'.repeat(64)}`), {
        code: 'UNAVAILABLE',
      });
      for (let i = 0; i < 50; i += 1) {
        await new Promise((resolve) => setTimeout(resolve, 20));
        await clock.advance(100);
      }
      await failed;
      const { status, objects } = await healthOf(control);
      assert.equal(status, 'degraded');
      assert.match(objects.message, /nothing listens there/);
    } finally {
      await server.restart();
    }
  });

  test('it comes back by itself after a start without it', async () => {
    await server.kill();
    const { logger, events } = keptLog();
    let control: TestControl;
    try {
      control = await startTestControl({ config: config(), logger });
    } finally {
      await server.restart();
    }
    await using _ = control;
    assert.equal((await healthOf(control)).objects.ok, false);
    await becomes(control, 'ok');
    const key = `assets/${'a'.repeat(64)}`;
    await control.control.objects.put(key, Buffer.from('a'));
    assert.ok(await control.control.objects.head(key));
    assert.equal(events().filter((event) => event === 'objects.unreachable').length, 1);
    assert.equal(events().filter((event) => event === 'objects.back').length, 1);
  });
});
