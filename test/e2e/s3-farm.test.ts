/** A whole farm of real processes whose files are in a bucket: from `control init` to the downloaded film. */
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { systemClock } from '../../src/lib/clock.ts';
import { createS3ObjectStore } from '../../src/objects/s3.ts';
import { runCliJson } from '../helpers/cli.ts';
import { mockTemplate, startFarm } from '../helpers/farm.ts';
import { type Radosgw, radosgwMissing, startRadosgw } from '../helpers/radosgw.ts';

describe('a farm on S3', { skip: radosgwMissing ?? false }, () => {
  let server: Radosgw;
  before(async () => {
    server = await startRadosgw();
  });
  after(() => server[Symbol.asyncDispose]());

  test('job submit to job download, with an input file', async (t) => {
    const { url, accessKey, secretKey } = server;
    await using farm = await startFarm({
      settings: {
        'objects.type': 's3',
        'objects.endpoint': url,
        'objects.accessKey': accessKey,
        'objects.secretKey': secretKey,
        'objects.bucket': 'farm-films',
        'objects.createBucket': true,
      },
    });
    await farm.startAgent('studio-1');
    const manifest = mockTemplate('card', 0)['template.yaml'] ?? '';
    await farm.pushTemplate({
      'template.yaml': manifest.replace('engines:', '  logo: { type: image, required: true }\nengines:'),
    });
    const logo = join(farm.home, 'logo.png');
    await writeFile(logo, Buffer.from('89504e470d0a1a0a', 'hex'));
    const submitted = await farm.run<{ jobs: { id: string; state: string }[] }>([
      'job',
      'submit',
      '--template',
      'card',
      '--set',
      `logo=@${logo}`,
      '--wait',
    ]);
    const id = submitted.jobs[0]?.id ?? '';
    const films = await mkdtemp(join(farm.home, 'films-'));
    await farm.run(['job', 'download', id, '--output', films]);
    const [film] = await readdir(films);
    const bytes = await readFile(join(films, film ?? ''));
    const job = await farm.run<{ tasks: { result: { sha256: string; key: string } }[] }>(['job', 'show', id]);
    const result = job.tasks[0]?.result;
    assert.equal(createHash('sha256').update(bytes).digest('hex'), result?.sha256);
    // Nothing of it is on the control plane's own disk.
    assert.equal((await readdir(join(farm.home, '.flatrender'))).includes('objects'), false);
    const store = createS3ObjectStore({
      endpoint: url,
      region: 'us-east-1',
      bucket: 'farm-films',
      accessKey,
      secretKey,
      pathStyle: true,
      partBytes: 5 * 1024 * 1024,
      createBucket: false,
      clock: systemClock,
    });
    t.after(() => store.close());
    const keys = [];
    for await (const { key } of store.list('')) keys.push(key.split('/')[0]);
    assert.deepEqual([...new Set(keys)].sort(), ['assets', 'bundles', 'outputs']);
    assert.equal((await store.head(result?.key ?? ''))?.sha256, result?.sha256);
  });

  test('control init tries the bucket before it writes anything, and says what is wrong with it', async (t) => {
    const home = await mkdtemp(join(tmpdir(), 'flatrender-init-'));
    t.after(() => rm(home, { recursive: true, force: true }));
    const args = ['control', 'init', '--yes', '--objects', 's3', '--s3-endpoint'];
    const keys = { FLATRENDER_S3_ACCESS_KEY: server.accessKey, FLATRENDER_S3_SECRET_KEY: server.secretKey };
    type Answer = { error?: { code: string; message: string; hint: string }; steps?: { what: string }[] };
    const init = async (more: string[], env: Record<string, string>, endpoint = server.url) =>
      runCliJson<Answer>([...args, endpoint, ...more], { home, env });
    const refusals: [string[], Record<string, string>, RegExp, RegExp, string?][] = [
      [[], {}, /^--s3-access-key: objects\.type: s3 needs it/, /./],
      [[], keys, /--s3-endpoint: scheme, host and port alone/, /./, 'http://10.66.0.1:9000/files'],
      [['--s3-bucket', 'No'], keys, /--s3-bucket: 3 to 63 characters/, /./],
      [[], keys, /there is no bucket "flatrender" at http/, /createBucket/],
      [
        [],
        { ...keys, FLATRENDER_S3_SECRET_KEY: 'wrong' },
        /secret of access key "flatkey123" is another/,
        /SECRET_KEY/,
      ],
    ];
    for (const [more, env, message, hint, endpoint] of refusals) {
      const { json, exitCode } = await init(more, env, endpoint);
      assert.notEqual(exitCode, 0);
      assert.match(json.error?.message ?? '', message);
      assert.match(json.error?.hint ?? '', hint);
    }
    assert.deepEqual(await readdir(home), []);
    const secretFile = join(home, 'secret');
    await writeFile(secretFile, `${server.secretKey}\n`);
    const env = { FLATRENDER_S3_ACCESS_KEY: server.accessKey, FLATRENDER_S3_SECRET_KEY_FILE: secretFile };
    const { json, exitCode, stderr } = await init(['--s3-create-bucket'], env);
    assert.equal(exitCode, 0, stderr);
    assert.ok(json.steps?.some(({ what }) => what === 'object store'));
    const yaml = await readFile(join(home, '.flatrender', 'flatrender.yaml'), 'utf8');
    assert.match(yaml, /type: s3/);
    assert.doesNotMatch(yaml, new RegExp(server.secretKey));
  });
});
