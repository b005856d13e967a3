import assert from 'node:assert/strict';
import { chmodSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { type TestContext, test } from 'node:test';
import fc from 'fast-check';
import { parse } from 'yaml';
import { defaultControlConfig } from '../../src/config/control-config.ts';
import { runPlan } from '../../src/lib/plan.ts';
import {
  CLOUDFLARE_ANSWER_SECONDS,
  gatewayService,
  parseRoute,
  planTunnel,
  type TunnelOptions,
  tunnelWarnings,
} from '../../src/setup/cloudflared.ts';
import { cloudflaredText, parseCloudflared } from '../../src/setup/cloudflared-config.ts';
import { runCli, runCliJson } from '../helpers/cli.ts';
import { failureOf } from '../helpers/failure-of.ts';

const ID = '5f1d7a2c-93b1-4a51-9c55-7a1a3cf0b6a2';
const RENDER = { hostname: 'render.example.com', service: 'http://localhost:8088' };

function directoryOf(context: TestContext): string {
  const directory = mkdtempSync(join(tmpdir(), 'flatrender-tunnel-'));
  context.after(() => rmSync(directory, { recursive: true, force: true }));
  return directory;
}

function refusalOf(work: () => unknown): ReturnType<typeof failureOf> {
  return failureOf(Promise.resolve().then(work));
}

async function apply(options: TunnelOptions): Promise<string[]> {
  const results = await runPlan(planTunnel(options).steps, { signal: new AbortController().signal });
  return results.map(({ result }) => result);
}

test('the plan is a config.yml, a compose file, the DNS records and what to type next', (context) => {
  const directory = directoryOf(context);
  const desktop = { hostname: 'render-desktop.example.com', service: 'http://localhost:7777' };
  const plan = planTunnel({ routes: [RENDER, desktop], tunnel: ID, directory });
  const credentials = join(directory, `${ID}.json`);
  assert.deepEqual(
    plan.steps.map((step) => [step.kind, 'path' in step ? step.path : '']),
    [
      ['directory', directory],
      ['write', join(directory, 'config.yml')],
      ['write', join(directory, 'compose.yaml')],
    ],
  );
  const [, config, compose] = plan.steps.map((step) => (step.kind === 'write' ? parse(step.text) : null));
  assert.deepEqual(config, {
    tunnel: ID,
    'credentials-file': credentials,
    originRequest: {
      connectTimeout: '10s',
      tcpKeepAlive: '30s',
      keepAliveTimeout: '60s',
      keepAliveConnections: 100,
    },
    ingress: [RENDER, desktop, { service: 'http_status:404' }],
  });
  assert.deepEqual(compose.services.cloudflared.volumes, [
    './config.yml:/etc/cloudflared/config.yml:ro',
    `${credentials}:${credentials}:ro`,
  ]);
  assert.deepEqual(
    plan.dns.map(({ name, target }) => [name, target]),
    [
      ['render.example.com', `${ID}.cfargotunnel.com`],
      ['render-desktop.example.com', `${ID}.cfargotunnel.com`],
    ],
  );
  assert.deepEqual(
    plan.next.map(({ command }) => command),
    [
      `cp ~/.cloudflared/${ID}.json ${credentials}`,
      `cloudflared tunnel route dns ${ID} render.example.com`,
      `cloudflared tunnel route dns ${ID} render-desktop.example.com`,
      `cloudflared tunnel --config ${join(directory, 'config.yml')} run`,
      `sudo chown 65532 ${credentials} && docker compose -f ${join(directory, 'compose.yaml')} up -d`,
    ],
  );
});

test('the id of a named tunnel is in its credentials; without them the record waits for it', async (context) => {
  const directory = directoryOf(context);
  const options = { routes: [RENDER], tunnel: 'flatrender', directory };
  assert.equal(planTunnel(options).dns[0]?.target, null);
  assert.deepEqual(
    planTunnel(options)
      .next.slice(0, 2)
      .map(({ command }) => command),
    [
      'cloudflared tunnel login',
      `cloudflared tunnel create --credentials-file ${join(directory, 'flatrender.json')} flatrender`,
    ],
  );
  writeFileSync(
    join(directory, 'flatrender.json'),
    JSON.stringify({ AccountTag: 'a', TunnelSecret: 's', TunnelID: ID }),
  );
  assert.equal(planTunnel(options).dns[0]?.target, `${ID}.cfargotunnel.com`);
  writeFileSync(join(directory, 'flatrender.json'), '{');
  const error = await refusalOf(() => planTunnel(options));
  assert.equal(error.message, `${join(directory, 'flatrender.json')} is no credentials file of a tunnel`);
});

test('applied twice nothing changes; with another hostname it is added, and what was written by hand stays', async (context) => {
  const directory = directoryOf(context);
  const options = { routes: [RENDER], tunnel: 'flatrender', directory };
  assert.deepEqual(await apply(options), ['already', 'done', 'done']);
  assert.deepEqual(await apply(options), ['already', 'already', 'already']);
  const file = join(directory, 'config.yml');
  const byHand = readFileSync(file, 'utf8').replace(
    '  - service: http_status:404\n',
    '  # ours\n  - hostname: "*.example.com"\n    path: ^/x   # mine\n    service: http://localhost:1\n  - service: hello_world\n',
  );
  writeFileSync(file, byHand);
  chmodSync(file, 0o644);
  assert.deepEqual(await apply(options), ['already', 'already', 'already']);
  const other = { hostname: 'b.example.com', service: 'http://localhost:7777' };
  assert.deepEqual(await apply({ ...options, routes: [other] }), ['already', 'done', 'already']);
  const text = readFileSync(file, 'utf8');
  for (const line of ['  # ours', 'path: ^/x # mine', 'keepAliveTimeout: 60s'])
    assert.ok(text.includes(line), line);
  assert.deepEqual(parseCloudflared(text, file).ingress, [
    RENDER,
    { hostname: '*.example.com', path: '^/x', service: 'http://localhost:1' },
    other,
    { service: 'hello_world' },
  ]);
  await apply({ ...options, routes: [{ ...other, service: 'http://localhost:8888' }] });
  assert.equal(
    parseCloudflared(readFileSync(file, 'utf8'), file).ingress[2]?.service,
    'http://localhost:8888',
  );
  assert.equal(statSync(file).mode & 0o777, 0o644);
});

test('a name goes before the wildcard that would take its requests', () => {
  const existing = `tunnel: t\ncredentials-file: /t.json\ningress:\n  - hostname: "*.example.com"\n    service: http://localhost:1\n  - service: http_status:404\n`;
  const text = cloudflaredText(
    existing,
    { tunnel: 't', credentialsFile: '/t.json', routes: [RENDER] },
    'config.yml',
  );
  assert.deepEqual(
    parseCloudflared(text, 'config.yml').ingress.map(({ hostname }) => hostname),
    ['render.example.com', '*.example.com', undefined],
  );
});

test('the file of another tunnel, and one that is wrong already, stay as they are', async (context) => {
  const directory = directoryOf(context);
  const file = join(directory, 'config.yml');
  writeFileSync(file, 'tunnel: other\ningress:\n  - service: http_status:404\n');
  const other = await refusalOf(() => planTunnel({ routes: [RENDER], tunnel: 'flatrender', directory }));
  assert.equal(other.message, `${file} is the configuration of tunnel other, not flatrender`);
  writeFileSync(
    file,
    'tunnel: flatrender\ningress:\n  - hostname: a.example.com:80\n    service: http://x\n  - service: http_status:404\n',
  );
  const wrong = await refusalOf(() => planTunnel({ routes: [RENDER], tunnel: 'flatrender', directory }));
  assert.equal(
    wrong.message,
    `${file}: rule 1: a.example.com:80: a hostname has no port here: the tunnel is reached on 443`,
  );
  writeFileSync(file, 'tunnel: [');
  assert.match(
    (await refusalOf(() => planTunnel({ routes: [RENDER], tunnel: 'flatrender', directory }))).message,
    /config\.yml: /,
  );
});

test('any set of names with any services becomes a file with exactly these rules', () => {
  const label = fc.stringMatching(/^[a-z0-9]{1,12}$/);
  const host = label.map((text) => `${text}.example.com`);
  const service = fc
    .tuple(fc.constantFrom('http', 'https'), fc.integer({ min: 1, max: 65_535 }))
    .map(([s, port]) => `${s}://localhost:${port}`);
  const routes = fc.uniqueArray(fc.record({ hostname: host, service }), {
    selector: (route) => route.hostname,
    minLength: 1,
    maxLength: 8,
  });
  fc.assert(
    fc.property(routes, routes, (first, second) => {
      const settings = { tunnel: 't', credentialsFile: '/t.json' };
      const one = cloudflaredText(null, { ...settings, routes: first }, 'config.yml');
      const two = cloudflaredText(one, { ...settings, routes: second }, 'config.yml');
      const known = new Map([...first, ...second].map((route) => [route.hostname, route.service]));
      assert.deepEqual(parseCloudflared(two, 'config.yml').ingress, [
        ...[...known].map(([hostname, to]) => ({ hostname, service: to })),
        { service: 'http_status:404' },
      ]);
      assert.equal(cloudflaredText(two, { ...settings, routes: second }, 'config.yml'), two);
    }),
    { numRuns: 60 },
  );
});

for (const [what, change, said] of [
  [
    'a hostname with a port',
    { routes: [{ ...RENDER, hostname: 'a.example.com:80' }] },
    /^hostname "a\.example\.com:80": a hostname has no port/,
  ],
  [
    'a service with a path',
    { routes: [{ ...RENDER, service: 'http://localhost:8088/x' }] },
    /^service "http:\/\/localhost:8088\/x" of render\.example\.com: without "\/x"/,
  ],
  ['a hostname twice', { routes: [RENDER, RENDER] }, /^hostname "render\.example\.com" is there twice/],
  ['a tunnel with a slash', { tunnel: 'a/b' }, /^--tunnel: "a\/b" is no name or id/],
] as const) {
  test(`${what} is refused before anything is written`, async (context) => {
    const options = { routes: [RENDER], tunnel: 'flatrender', directory: directoryOf(context), ...change };
    const error = await refusalOf(() => planTunnel(options));
    assert.match(error.message, said);
    assert.equal(error.code, 'USAGE');
    assert.ok(error.hint);
  });
}

test('a route is HOST=SERVICE', async () => {
  assert.deepEqual(parseRoute('a.example.com=http://localhost:7777'), {
    hostname: 'a.example.com',
    service: 'http://localhost:7777',
  });
  for (const text of ['a.example.com', '=http://localhost:1']) {
    assert.match((await refusalOf(() => parseRoute(text))).message, /is not HOST=SERVICE/);
  }
});

test('a control plane that sends nodes elsewhere for files, or through the tunnel with large ones, is told', () => {
  const config = defaultControlConfig();
  const name = 'render.example.com';
  assert.match(
    tunnelWarnings(config, name).join('\n'),
    /^uploads of more than 100 MB are refused .* objects\.publicUrl/,
  );
  const mesh = { ...config, gateway: { ...config.gateway, publicUrl: 'http://10.66.0.1:8088' } };
  assert.match(
    tunnelWarnings(mesh, name).join('\n'),
    /^gateway\.publicUrl in flatrender\.yaml is http:\/\/10\.66\.0\.1:8088/,
  );
  const files = { ...mesh, objects: { ...config.objects, publicUrl: 'https://files.example.com' } };
  assert.deepEqual(tunnelWarnings(files, name), []);
});

test('a service of a compose file is reached by the cloudflared of that file only', (context) => {
  const directory = directoryOf(context);
  const plan = planTunnel({
    routes: [{ ...RENDER, service: 'http://control:8088' }],
    tunnel: 'flatrender',
    directory,
  });
  assert.deepEqual(
    plan.steps.map((step) => ('path' in step ? basename(step.path) : '')),
    [basename(directory), 'config.yml'],
  );
  assert.equal(
    plan.next.at(-1)?.command,
    `sudo chown 65532 ${join(directory, 'flatrender.json')} && docker compose --profile tunnel up -d`,
  );
});

test('the tunnel leads to where this control plane listens', () => {
  const config = defaultControlConfig();
  const at = (gateway: object) => gatewayService({ ...config, gateway: { ...config.gateway, ...gateway } });
  assert.equal(at({}), 'http://localhost:8088');
  assert.equal(at({ host: '0.0.0.0', port: 9000 }), 'http://localhost:9000');
  assert.equal(at({ host: '10.66.0.1' }), 'http://10.66.0.1:8088');
  assert.equal(at({ host: 'fd00::1', tls: { cert: 'c', key: 'k' } }), 'https://[fd00::1]:8088');
});

test('everything that waits is answered before Cloudflare gives up', () => {
  const { agents } = defaultControlConfig();
  assert.ok(agents.claimWaitSeconds < CLOUDFLARE_ANSWER_SECONDS / 2);
});

test('tunnel init writes, says what is next, and says "already" the second time', async (context) => {
  const home = directoryOf(context);
  const args = [
    'tunnel',
    'init',
    '--hostname',
    'render.example.com',
    '--machine-hostname',
    'desktop.example.com',
  ];
  const dry = await runCli([...args, '--dry-run'], { home });
  assert.equal(dry.exitCode, 0, dry.stderr);
  assert.match(dry.stdout, /# write the configuration of cloudflared\nwrite .*config\.yml \(mode 0644\)/);
  const first = await runCli(args, { home });
  assert.equal(
    first.stdout,
    `wrote ${join(home, 'cloudflared', 'config.yml')}\nwrote ${join(home, 'cloudflared', 'compose.yaml')}\n`,
  );
  assert.match(
    first.stderr,
    /cloudflared tunnel route dns flatrender render\.example\.com {3}# DNS: render\.example\.com CNAME <id of the tunnel>\.cfargotunnel\.com/,
  );
  assert.match(first.stderr, /ORCHESTRATOR_URL=https:\/\/render\.example\.com/);
  const again = await runCliJson<{ files: { result: string }[]; dryRun: boolean }>(args, { home });
  assert.deepEqual(
    again.json.files.map(({ result }) => result),
    ['already', 'already'],
  );
  const check = await runCli(['tunnel', 'check'], { home });
  assert.equal(check.stdout, 'ok cloudflared/config.yml\n');
  writeFileSync(
    join(home, 'bad.yml'),
    'tunnel: x\ningress:\n  - hostname: a.example.com\n    service: http://localhost:1/\n',
  );
  const bad = await runCliJson<{ problems: { rule: number }[] }>(['tunnel', 'check', 'bad.yml'], { home });
  assert.equal(bad.exitCode, 1);
  assert.deepEqual(
    bad.json.problems.map(({ rule }) => rule),
    [1, 1],
  );
  const missing = await runCli(['tunnel', 'check', 'none.yml'], { home });
  assert.equal(missing.exitCode, 2);
  assert.match(missing.stderr, /cannot read none\.yml\nhint: "flatrender tunnel init/);
});
