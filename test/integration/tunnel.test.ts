import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { gunzipSync } from 'node:zlib';
import { Agent, request } from 'undici';
import { localCertificate } from '../helpers/certificate.ts';
import { runCli, runCliJson, startCli } from '../helpers/cli.ts';
import { type CloudflareStandIn, startCloudflareStandIn } from '../helpers/cloudflare-stand-in.ts';
import { startTestControl } from '../helpers/control.ts';
import { type AgentProcess, type Farm, mockTemplate, startFarm } from '../helpers/farm.ts';
import { untilJob } from '../helpers/farm-jobs.ts';

interface TunnelFarm {
  readonly farm: Farm;
  readonly tunnel: CloudflareStandIn;
  /** Variables for whoever comes through the tunnel. */
  readonly env: Record<string, string>;
}

async function setUp(t: TestContext, settings: Record<string, unknown> = {}): Promise<TunnelFarm> {
  const farm = await startFarm({
    settings: { 'agents.claimWaitSeconds': 2, 'leases.heartbeatSeconds': 0.5, ...settings },
  });
  t.after(() => farm[Symbol.asyncDispose]());
  const certificate = localCertificate();
  const tunnel = await startCloudflareStandIn(farm.url, certificate);
  t.after(() => tunnel[Symbol.asyncDispose]());
  const file = join(farm.home, 'ca.pem');
  await writeFile(file, certificate.cert);
  return { farm, tunnel, env: { ORCHESTRATOR_URL: tunnel.url, NODE_EXTRA_CA_CERTS: file } };
}

/** A node that has registered through the tunnel. */
async function startNode(farm: Farm, env: Record<string, string>): Promise<AgentProcess> {
  const agent = await farm.startAgent('studio-1', env);
  await agent.waitFor(/is ready for work/);
  return agent;
}

/** `METHOD /path` of what came by, ids and keys left out; each once. */
function kindsOf({ passed }: CloudflareStandIn): string[] {
  const kinds = passed.map(
    ({ method, path }) => `${method} ${path.replace(/\/(tasks|objects)\/(\w+)[^?]*?(\/\w+)?$/, '/$1/$2$3')}`,
  );
  return [
    ...new Set(
      kinds.map((kind) => kind.replace(/\/tasks\/\w+/, '/tasks/ID').replace(/(\/objects\/\w+).*/, '$1')),
    ),
  ].sort();
}

async function waitFor(what: string, isThere: () => boolean): Promise<void> {
  for (const giveUpAt = Date.now() + 30_000; !isThere(); ) {
    if (Date.now() > giveUpAt) assert.fail(`not within 30 s: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

test('an agent, a terminal and an event stream work through a tunnel; nothing goes past it', async (t) => {
  const { farm, tunnel, env } = await setUp(t);
  const agent = await startNode(farm, env);
  const cli = { home: farm.home, env: { ...env, FLATRENDER_URL: tunnel.url, FLATRENDER_TOKEN: farm.token } };
  const dir = join(farm.home, 'template');
  await mkdir(dir);
  for (const [name, text] of Object.entries(mockTemplate('card', 1))) await writeFile(join(dir, name), text);
  const pushed = await runCli(['template', 'push', dir], cli);
  assert.equal(pushed.exitCode, 0, pushed.stderr);
  await using watch = await startCli(['job', 'submit', '-t', 'card', '--output', 'out.mp4'], cli);
  const { exitCode, stderr } = await watch.ended;
  assert.equal(exitCode, 0, `${stderr}\n${agent.output().stderr}`);
  assert.ok((await readFile(join(farm.home, 'out.mp4'))).length > 100);
  const kinds = kindsOf(tunnel);
  for (const kind of [
    'POST /v1/agent/register',
    'POST /v1/agent/claim',
    'POST /v1/agent/heartbeat',
    'PUT /v1/agent/tasks/ID/preview',
    'POST /v1/agent/tasks/ID/uploads',
    'POST /v1/agent/tasks/ID/complete',
    'PUT /objects/bundles',
    'GET /objects/bundles',
    'PUT /objects/outputs',
    'GET /objects/outputs',
    'GET /v1/events',
  ]) {
    assert.ok(kinds.includes(kind), `${kind} went through the tunnel\n${kinds.join('\n')}`);
  }
  // Whether the template is there already is asked by its name.
  const failed = tunnel.passed.filter(
    ({ status, path }) => Number(status) >= 400 && path !== '/v1/templates/card',
  );
  assert.deepEqual(failed, []);
  const uploads = tunnel.passed.filter(
    ({ method, path }) => method === 'PUT' && path.startsWith('/objects/'),
  );
  assert.equal(uploads.length, 2, 'the template and the output, each sent once');
});

test('a claim that waits behind the tunnel is answered by the next job, and is never cut', async (t) => {
  const { farm, tunnel, env } = await setUp(t, { 'agents.claimWaitSeconds': 20 });
  await farm.pushTemplate(mockTemplate('card', 0));
  await startNode(farm, env);
  const claims = () => tunnel.passed.filter(({ path }) => path === '/v1/agent/claim');
  await waitFor('a claim that waits', () => claims().some(({ status }) => status === null));
  const [waiting] = claims();
  const { jobs } = await farm.run<{ jobs: { id: string }[] }>(['job', 'submit', '-t', 'card']);
  const job = await untilJob(farm, jobs[0]?.id ?? '', ({ state }) => state === 'succeeded');
  assert.equal(waiting?.status, 200, 'the open request itself brought the job');
  assert.equal(job.tasks?.[0]?.node, 'studio-1');
});

test('requests that the tunnel gives up on (524) are made again, and the job is done', async (t) => {
  const { farm, tunnel, env } = await setUp(t, { 'agents.claimWaitSeconds': 20 });
  tunnel.limits = { ...tunnel.limits, answerMs: 300 };
  await farm.pushTemplate(mockTemplate('card', 0));
  await startNode(farm, env);
  await waitFor('a claim that was given up', () => tunnel.passed.some(({ status }) => status === 524));
  const { jobs } = await farm.run<{ jobs: { id: string }[] }>(['job', 'submit', '-t', 'card']);
  await untilJob(farm, jobs[0]?.id ?? '', ({ state }) => state === 'succeeded');
});

test('an upload that the tunnel refuses is told with its size and the setting; with objects.publicUrl it goes past', async (t) => {
  const { farm, tunnel, env } = await setUp(t);
  await startNode(farm, env);
  const cli = { home: farm.home, env: { ...env, FLATRENDER_URL: tunnel.url, FLATRENDER_TOKEN: farm.token } };
  const dir = join(farm.home, 'template');
  await mkdir(dir);
  for (const [name, text] of Object.entries(mockTemplate('card', 0))) await writeFile(join(dir, name), text);
  // Does not compress.
  await writeFile(join(dir, 'footage.bin'), randomBytes(60_000));
  tunnel.limits = { ...tunnel.limits, uploadBytes: 50_000 };
  const refused = await runCli(['template', 'push', dir], cli);
  assert.equal(refused.exitCode, 1, refused.stdout);
  assert.match(refused.stderr, /HTTP 413/);
  assert.match(refused.stderr, /hint: .*objects\.publicUrl/);

  const doctor = async () => {
    const { json } = await runCliJson<{ checks: { name: string; status: string; message: string }[] }>(
      ['doctor'],
      cli,
    );
    const { status, message } = json.checks.find(({ name }) => name === 'uploads') ?? {};
    return `${status} ${message}`;
  };
  assert.match(await doctor(), /^warning files pass Cloudflare at https:\/\/localhost:\d+: .* over 100 MB/);

  await farm.control().stop();
  const file = join(farm.home, '.flatrender', 'flatrender.yaml');
  const yaml = await readFile(file, 'utf8');
  await writeFile(file, yaml.replace(/(# e\.g\. https:\/\/files[\s\S]*?publicUrl: )null/, `$1${farm.url}`));
  await farm.startControl();
  const pushed = await runCli(['template', 'push', dir], cli);
  assert.equal(pushed.exitCode, 0, pushed.stderr);
  const { jobs } = await farm.run<{ jobs: { id: string }[] }>(['job', 'submit', '-t', 'card']);
  await untilJob(farm, jobs[0]?.id ?? '', ({ state }) => state === 'succeeded');
  const through = tunnel.passed.filter(({ path, status }) => path.startsWith('/objects/') && status === 200);
  assert.deepEqual(through, [], 'files went past the tunnel');
  assert.match(await doctor(), /^ok files reach the control plane directly/);
});

test('an output that the tunnel refuses fails the job with the reason, and is not sent again and again', async (t) => {
  const { farm, tunnel, env } = await setUp(t);
  const files = mockTemplate('card', 0);
  const large = files['template.yaml']?.replace('width: 64, height: 64', 'width: 1280, height: 720');
  await farm.pushTemplate({ ...files, 'template.yaml': large ?? '' });
  await startNode(farm, env);
  // More than a report has, less than a video.
  tunnel.limits = { ...tunnel.limits, uploadBytes: 2000 };
  const { jobs } = await farm.run<{ jobs: { id: string }[] }>(['job', 'submit', '-t', 'card']);
  const job = await untilJob(
    farm,
    jobs[0]?.id ?? '',
    ({ state }) => state === 'failed' || state === 'succeeded',
  );
  const error = job.tasks?.[0]?.error;
  assert.equal(error?.code, 'TRANSFER_FAILED');
  assert.match(
    error?.message ?? '',
    /^cannot upload https:\/\/localhost:\d+\/objects\/outputs\/.*: HTTP 413/,
  );
  assert.match(error?.hint ?? '', /objects\.publicUrl/);
  const uploads = tunnel.passed.filter(
    ({ method, path }) => method === 'PUT' && path.startsWith('/objects/'),
  );
  assert.equal(uploads.length, 3, 'once an attempt: another node could have another way');
});

test('a hostname of its own leads to the health of a machine', async (t) => {
  const { farm, env } = await setUp(t);
  const agent = await startNode(farm, env);
  const certificate = localCertificate();
  await using machine = await startCloudflareStandIn(new URL(agent.healthUrl).origin, certificate);
  const { statusCode, body } = await request(`${machine.url}/api/health`, {
    headers: { 'accept-encoding': 'gzip' },
    dispatcher: new Agent({ connect: { ca: certificate.cert } }),
  });
  assert.equal(statusCode, 200);
  const health = JSON.parse(gunzipSync(await body.arrayBuffer()).toString());
  assert.deepEqual([health.status, health.machineId], ['online', 'studio-1']);
});

test('signed addresses are https behind a proxy that says so, and as configured where that is', async () => {
  const addressOf = async (gateway: object, objects: object): Promise<string> => {
    await using control = await startTestControl({ config: { gateway, objects } });
    const { statusCode, body } = await request(`${control.url}/v1/uploads`, {
      method: 'POST',
      headers: {
        authorization: `Bearer ${control.token}`,
        'content-type': 'application/json',
        host: 'render.example.com',
        'x-forwarded-proto': 'https',
      },
      body: JSON.stringify({ sha256: 'a'.repeat(64), sizeBytes: 3, kind: 'asset' }),
    });
    const answer = (await body.json()) as { url: string };
    assert.equal(statusCode, 200, JSON.stringify(answer));
    return answer.url.replace(/\/objects\/.*/, '');
  };
  assert.equal(await addressOf({}, {}), 'https://render.example.com');
  assert.equal(await addressOf({ publicUrl: 'http://10.66.0.1:8088' }, {}), 'https://render.example.com');
  const files = { publicUrl: 'https://files.example.com/' };
  assert.equal(await addressOf({ publicUrl: 'http://10.66.0.1:8088' }, files), 'https://files.example.com');
});
