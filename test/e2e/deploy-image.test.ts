import assert from 'node:assert/strict';
import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { cp, mkdir, mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { delimiter, dirname, join, relative } from 'node:path';
import { type TestContext, test } from 'node:test';
import { promisify } from 'node:util';
import { packageRoot } from '../../src/lib/paths.ts';
import { cliEnv, pinnedNode } from '../helpers/cli.ts';
import { execForm, isInContext, readDockerfile } from '../helpers/dockerfile.ts';
import { freePort } from '../helpers/free-port.ts';

const root = packageRoot();
const [control, node] = await Promise.all(
  ['control', 'node'].map(async (name) =>
    readDockerfile(await readFile(join(root, 'deploy', `Dockerfile.${name}`), 'utf8')),
  ),
);
assert.ok(control && node);

/** What the build stage does with the files of the context, done in `work`; the image's /opt/flatrender is `work`/opt. */
async function build(work: string): Promise<string> {
  const ignore = await readFile(join(root, '.dockerignore'), 'utf8');
  const source = join(work, 'src');
  const program = join(work, 'opt');
  await mkdir(source);
  for (const { name, text } of control?.instructions.filter(({ stage }) => stage === 0) ?? []) {
    if (name === 'COPY' && text === '. .') {
      for (const top of [
        'package.json',
        'package-lock.json',
        'CHANGELOG.md',
        'LICENSE',
        'README.md',
        'bin',
        'commands',
        'src',
        'templates',
      ])
        await cp(join(root, top), join(source, top), {
          recursive: true,
          filter: (path) => isInContext(ignore, relative(root, path)),
        });
    } else if (name === 'COPY') {
      for (const file of text.split(' ').slice(0, -1)) await cp(join(root, file), join(source, file));
    } else if (name === 'RUN') {
      await promisify(execFile)('sh', ['-ec', text.replaceAll('/opt/flatrender', program)], {
        cwd: source,
        env: {
          ...process.env,
          PATH: `${dirname(pinnedNode())}${delimiter}${process.env.PATH}`,
          npm_config_prefer_offline: 'true',
        },
        maxBuffer: 64 * 1024 * 1024,
      });
    }
  }
  return program;
}

interface Program {
  run(args: readonly string[]): Promise<string>;
  /** Runs until the end of the test; resolves once stderr or stdout matches. */
  start(args: readonly string[], pattern: RegExp): Promise<{ stop(): Promise<number | null> }>;
}

/** The program of the image with the variables of the image; directories of the image are below `work`. */
function programOf(
  t: TestContext,
  file: string,
  work: string,
  variables: Readonly<Record<string, string>>,
): Program {
  const paths = Object.fromEntries(
    Object.entries(variables).map(([key, value]) => [
      key,
      value.startsWith('/var/') ? join(work, value) : value,
    ]),
  );
  const env = cliEnv(work, { ...paths, NODE_PATH: undefined });
  return {
    async run(args) {
      const { stdout } = await promisify(execFile)(pinnedNode(), [file, ...args], { cwd: work, env });
      return stdout;
    },
    async start(args, pattern) {
      const child = spawn(pinnedNode(), [file, ...args], {
        cwd: work,
        env,
        stdio: ['ignore', 'pipe', 'pipe'],
      });
      t.after(() => child.kill('SIGKILL'));
      const { promise, resolve, reject } = Promise.withResolvers<void>();
      let text = '';
      for (const stream of [child.stdout, child.stderr]) {
        stream.setEncoding('utf8').on('data', (chunk: string) => {
          text += chunk;
          if (pattern.test(text)) resolve();
        });
      }
      child.on('exit', (code) => reject(new Error(`${args.join(' ')} ended with ${code}\n${text}`)));
      await promise;
      return {
        async stop() {
          child.kill('SIGTERM');
          if (child.exitCode === null) await once(child, 'exit');
          return child.exitCode;
        },
      };
    },
  };
}

test('the steps of the images, carried out here, make a farm that renders', {
  timeout: 600_000,
}, async (t) => {
  const stageOf = (file: typeof control) => file?.instructions.filter(({ stage }) => stage === 0);
  assert.deepEqual(stageOf(node), stageOf(control), 'both images are built alike');
  const work = await mkdtemp(join(tmpdir(), 'flatrender-image-'));
  t.after(() => rm(work, { recursive: true, force: true, maxRetries: 5 }));
  const program = join(await build(work), 'bin', 'run.js');

  const port = String(await freePort());
  const gateway = programOf(t, program, work, {
    ...control.env,
    FLATRENDER_GATEWAY_HOST: '127.0.0.1',
    FLATRENDER_GATEWAY_PORT: port,
  });
  await gateway.run(['control', 'init', '--yes']);
  const running = await gateway.start(
    execForm(control.image.find(({ name }) => name === 'CMD')?.text ?? '') ?? [],
    /control\.listening|listening|runs at/,
  );
  const health = execForm(control.image.find(({ name }) => name === 'HEALTHCHECK')?.text ?? '') ?? [];
  assert.match(await gateway.run(health.slice(1)), /^running at /);

  const url = `http://127.0.0.1:${port}`;
  const created = JSON.parse(
    await gateway.run(['node', 'add', 'desktop', '--manual', '--url', url, '--json']),
  );
  const agent = programOf(t, program, work, {
    ...node.env,
    HEALTH_HOST: '127.0.0.1',
    HEALTH_PORT: '0',
    NODE_ID: 'desktop',
    NODE_HMAC_SECRET: created.secret,
    ORCHESTRATOR_URL: url,
  });
  const rendering = await agent.start(
    execForm(node.image.find(({ name }) => name === 'CMD')?.text ?? '') ?? [],
    /is ready for work .*lottie/,
  );
  await gateway.run(['template', 'init', 'card', '--from', 'title-card']);
  await gateway.run(['template', 'push', 'card', '--url', url]);
  const video = join(work, 'out.mp4');
  await gateway.run(['job', 'submit', '-t', 'card', '--output', video, '--url', url]);
  assert.ok((await readFile(video)).length > 10_000);
  assert.equal(await rendering.stop(), 0);
  assert.equal(await running.stop(), 0);
});
