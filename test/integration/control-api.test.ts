import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { validate } from '@readme/openapi-parser';
import { packBundle } from '../../src/bundle/pack.ts';
import { ROUTES } from '../../src/protocol/routes.ts';
import { claimBody, finish, startTestControl } from '../helpers/control.ts';

test('the OpenAPI document is valid, lists exactly the routes of the contract, and its references hold', async () => {
  await using farm = await startTestControl();
  const { status, body } = await farm.call('GET', '/openapi.json');
  assert.equal(status, 200);
  assert.equal(body.openapi, '3.1.0');
  const verdict = await validate(structuredClone(body));
  assert.deepEqual(verdict, { valid: true, warnings: [], specification: 'OpenAPI' });
  const listed = Object.entries(body.paths).flatMap(([path, methods]) =>
    Object.keys(methods as object).map((method) => `${method.toUpperCase()} ${path}`),
  );
  const wanted = Object.values(ROUTES).map(
    ({ method, path }) => `${method} ${path.replace(/:([a-z]+)/g, '{$1}').replace('*', '{*}')}`,
  );
  assert.deepEqual(listed.sort(), wanted.sort());
  const ids = new Set<string>();
  for (const methods of Object.values(body.paths as Record<string, unknown>)) {
    for (const operation of Object.values(
      methods as Record<string, { operationId: string; summary: string; responses: object }>,
    )) {
      assert.ok(operation.summary);
      assert.ok(Object.keys(operation.responses).length >= 2, operation.operationId);
      ids.add(operation.operationId);
    }
  }
  assert.deepEqual([...ids].sort(), Object.keys(ROUTES).sort());
  const text = JSON.stringify(body);
  for (const [, pointer = ''] of text.matchAll(/"\$ref":"#\/([^"]+)"/g)) {
    let at: unknown = body;
    for (const part of pointer.split('/')) at = (at as Record<string, unknown>)?.[part];
    assert.notEqual(at, undefined, pointer);
  }
  assert.deepEqual(body.paths['/v1/jobs'].post.security, [{ token: [] }]);
  assert.ok(text.includes('"default":50'), 'defaults of the schemas are in it');
});

test('health and metrics tell how much there is to do', async () => {
  await using farm = await startTestControl();
  await farm.addTemplate();
  const node = await farm.addNode('studio-1');
  for (let i = 0; i < 2; i += 1) await farm.submit();
  const { task } = (await farm.asNode(node, '/v1/agent/claim', claimBody())).body;
  const health = (await farm.call('GET', '/health')).body;
  assert.deepEqual(
    [health.status, health.nodes, health.tasks],
    ['ok', { online: 1, known: 1 }, { queued: 1, running: 1 }],
  );
  await finish(farm, node, task);
  const metrics = String((await farm.call('GET', '/metrics')).body);
  for (const line of [
    'flatrender_jobs{state="succeeded"} 1',
    'flatrender_tasks{state="queued"} 1',
    'flatrender_nodes{status="ready"} 1',
    'flatrender_jobs_submitted_total 2',
    'flatrender_claims_total{result="task"} 1',
    'flatrender_attempts_finished_total{outcome="succeeded"} 1',
    'flatrender_jobs_ended_total{state="succeeded"} 1',
    'flatrender_render_seconds_count{template="mock-template",engine="mock"} 1',
    'flatrender_overhead_seconds_count{template="mock-template",engine="mock"} 1',
    'flatrender_queue_wait_seconds_count{template="mock-template",engine="mock"} 1',
    'flatrender_store_seconds_count{operation="submit"} 2',
    'flatrender_nodes_online 1',
  ]) {
    assert.ok(metrics.includes(`\n${line}\n`), `${line} is not in\n${metrics}`);
  }
});

test('a bundle is uploaded, registered once, shown with its manifest and removed', async () => {
  await using farm = await startTestControl();
  const dir = await mkdtemp(join(tmpdir(), 'flatrender-bundle-'));
  try {
    await mkdir(join(dir, 'title'));
    const push = async (version: string, extra = '') => {
      await writeFile(
        join(dir, 'title', 'template.yaml'),
        `schema: 1\nname: title\nversion: ${version}\ntitle: A title\ncomposition: { width: 64, height: 64, fps: 10, duration: 1 }\nengines:\n  mock: {}\noutputs: [original]\n${extra}`,
      );
      const zip = join(dir, `${version}.zip`);
      await packBundle(join(dir, 'title'), zip);
      const bytes = await readFile(zip);
      const sha256 = createHash('sha256').update(bytes).digest('hex');
      const grant = (
        await farm.call('POST', '/v1/uploads', { kind: 'bundle', sha256, sizeBytes: bytes.length })
      ).body;
      if (grant.url !== null)
        assert.equal((await fetch(grant.url, { method: 'PUT', body: bytes })).status, 200);
      return farm.call('POST', '/v1/templates', { sha256 });
    };
    const first = await push('1.0.0');
    assert.equal(first.status, 201, JSON.stringify(first.body));
    assert.deepEqual(
      [first.body.template.name, first.body.template.latest, first.body.already],
      ['title', true, false],
    );
    const [audited] = await farm.control.store.listAudit({ limit: 1, action: 'pushTemplate' });
    assert.deepEqual([audited?.subject, audited?.details.version], ['title', '1.0.0']);
    assert.deepEqual([(await push('1.0.0')).status, (await push('1.0.0')).body.already], [200, true]);
    const changed = await push('1.0.0', '# other bytes\n');
    assert.equal(changed.body.error.code, 'TEMPLATE_VERSION_EXISTS');
    assert.equal((await push('1.1.0')).status, 201);
    const list = (await farm.call('GET', '/v1/templates')).body.templates;
    assert.deepEqual(
      list
        .map((template: { version: string; latest: boolean }) => `${template.version} ${template.latest}`)
        .sort(),
      ['1.0.0 false', '1.1.0 true'],
    );
    const shown = (await farm.call('GET', '/v1/templates/title?version=1.0.0')).body;
    assert.deepEqual(
      [shown.version, shown.title, shown.engines, shown.manifest.name],
      ['1.0.0', 'A title', ['mock'], 'title'],
    );
    const job = (await farm.call('POST', '/v1/jobs', { template: 'title' })).body.jobs[0];
    assert.equal(job.version, '1.1.0', 'the newest unless another is asked for');
    assert.equal((await farm.call('DELETE', '/v1/templates/title')).body.error.code, 'TEMPLATE_IN_USE');
    await farm.call('POST', `/v1/jobs/${job.id}/cancel`, {});
    assert.equal((await farm.call('DELETE', '/v1/templates/title')).body.templates.length, 2);
    assert.equal(
      (await farm.call('POST', '/v1/jobs', { template: 'title' })).body.error.code,
      'TEMPLATE_NOT_FOUND',
    );
  } finally {
    await rm(dir, { recursive: true, force: true });
  }
});

test('what is no bundle is refused by its own code and leaves no file behind', async () => {
  await using farm = await startTestControl();
  const bytes = Buffer.from('not a zip at all');
  const sha256 = createHash('sha256').update(bytes).digest('hex');
  assert.equal((await farm.call('POST', '/v1/templates', { sha256 })).body.error.code, 'OBJECT_NOT_FOUND');
  await farm.control.objects.put(`bundles/${sha256}.zip`, bytes);
  const refused = await farm.call('POST', '/v1/templates', { sha256 });
  assert.equal(refused.status, 422);
  assert.equal(refused.body.error.code, 'BUNDLE_REFUSED');
  assert.ok(!JSON.stringify(refused.body).includes(farm.directory), 'no path of the server in the answer');
});

test('jobs are listed newest first, by state and page', async () => {
  await using farm = await startTestControl();
  await farm.addTemplate();
  const ids: string[] = [];
  for (let i = 0; i < 5; i += 1) ids.push(await farm.submit({ name: `job ${i}` }));
  await farm.call('POST', `/v1/jobs/${ids[0]}/cancel`, {});
  const page = async (query: string) => (await farm.call('GET', `/v1/jobs${query}`)).body;
  const one = await page('?limit=2');
  assert.deepEqual(
    one.jobs.map((job: { id: string }) => job.id),
    [ids[4], ids[3]],
  );
  const two = await page(`?limit=2&before=${one.next}`);
  assert.deepEqual(
    two.jobs.map((job: { id: string }) => job.id),
    [ids[2], ids[1]],
  );
  assert.deepEqual(
    (await page('?state=cancelled')).jobs.map((job: { id: string }) => job.id),
    [ids[0]],
  );
  assert.equal((await page('?state=cancelled,queued')).jobs.length, 5);
  assert.equal((await page('?state=cancelled&state=queued')).jobs.length, 5);
  assert.equal((await page('?state=nonsense')).error.code, 'REQUEST_INVALID');
  const retried = await farm.call('POST', `/v1/jobs/${ids[0]}/retry`, {});
  assert.equal(retried.body.state, 'queued');
  assert.equal((await farm.call('POST', `/v1/jobs/${ids[1]}/retry`, {})).body.error.code, 'JOB_STATE');
});

test('the list says which node renders or rendered a job, and not which had it before', async () => {
  await using farm = await startTestControl();
  await farm.addTemplate();
  const node = await farm.addNode('studio-1');
  const nodes = async () => (await farm.call('GET', '/v1/jobs')).body.jobs[0].nodes;
  await farm.submit();
  assert.deepEqual(await nodes(), []);
  const { task } = (await farm.asNode(node, '/v1/agent/claim', claimBody())).body;
  assert.deepEqual(await nodes(), ['studio-1']);
  assert.equal((await finish(farm, node, task)).status, 200);
  assert.deepEqual(await nodes(), ['studio-1']);
});

test('a node with a name that is none is refused with what was typed', async () => {
  await using farm = await startTestControl();
  const { status, body } = await farm.call('POST', '/v1/nodes', { id: 'bad name!' });
  assert.equal(status, 400);
  assert.match(body.error.message, /^id: "bad name!" is no name of a node: lower-case letters, digits/);
});
