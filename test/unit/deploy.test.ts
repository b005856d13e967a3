import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { parse } from 'yaml';
import { z } from 'zod';
import { defaultControlConfig, variableOf } from '../../src/config/control-config.ts';
import { optionPaths } from '../../src/config/control-schema.ts';
import { packageRoot } from '../../src/lib/paths.ts';
import { type Dockerfile, execForm, isInContext, readDockerfile } from '../helpers/dockerfile.ts';
import { commandProblem, documentedCommands } from '../helpers/documented-commands.ts';

const root = packageRoot();
const read = (path: string): string => readFileSync(join(root, path), 'utf8');
const packageJson = JSON.parse(read('package.json'));
const commands = JSON.parse(read('test/fixtures/commands.json'));
const agentVariables = new Set(
  [...read('templates/config/agent.env.example').matchAll(/^([A-Z_]+)=/gm)].map(([, key]) => key),
);
const controlVariables = new Set(['FLATRENDER_HOME', ...optionPaths().map(variableOf)]);

/** A port that the defaults of the program give. */
const healthPort = Number(/^HEALTH_PORT=(\d+)$/m.exec(read('templates/config/agent.env.example'))?.[1]);
const images: readonly { file: string; port: number; dockerfile: Dockerfile }[] = [
  { file: 'deploy/Dockerfile.control', port: defaultControlConfig().gateway.port },
  { file: 'deploy/Dockerfile.node', port: healthPort },
].map((image) => ({ ...image, dockerfile: readDockerfile(read(image.file)) }));

for (const { file, port, dockerfile } of images) {
  const { instructions, stages, image, env } = dockerfile;
  const of = (name: string) =>
    image.filter((instruction) => instruction.name === name).map(({ text }) => text);

  test(`${file}: everything that is copied is in the build context or in an earlier stage`, () => {
    const ignore = read('.dockerignore');
    for (const { text, stage } of instructions.filter(({ name }) => name === 'COPY')) {
      const words = text.split(/\s+/);
      const from = /^--from=(.+)/.exec(words[0] ?? '')?.[1];
      if (from !== undefined) {
        assert.ok(stages.slice(0, stage).includes(from), text);
        continue;
      }
      for (const source of words.slice(0, -1)) {
        assert.ok(existsSync(join(root, source)), `${source} is there`);
        assert.ok(source === '.' || isInContext(ignore, source), `${source} is sent to Docker`);
      }
    }
    assert.deepEqual(
      instructions.filter(({ name }) => name === 'ADD'),
      [],
    );
  });

  test(`${file}: the Node is the major that the repository pins, of a named Debian`, () => {
    const base = /^NODE_IMAGE=(.+)$/.exec(instructions.find(({ name }) => name === 'ARG')?.text ?? '')?.[1];
    const major = String(packageJson.devDependencies.node).split('.')[0];
    assert.match(base ?? '', new RegExp(`^node:${major}-[a-z]+-slim$`));
    const froms = instructions.filter(({ name }) => name === 'FROM').map(({ text }) => text.split(/\s/)[0]);
    assert.deepEqual(new Set(froms), new Set([`\${NODE_IMAGE}`]));
  });

  test(`${file}: it runs as a user of its own under an init, tells its health, and exposes the default port`, () => {
    assert.deepEqual(of('USER'), ['node']);
    assert.deepEqual(of('EXPOSE'), [String(port)]);
    assert.deepEqual(execForm(of('ENTRYPOINT')[0] ?? ''), ['tini', '--', 'flatrender']);
    assert.equal(of('HEALTHCHECK').length, 1);
    assert.ok(of('LABEL').join().includes('org.opencontainers.image.title='));
    const order = image.map(({ name }) => name);
    assert.ok(order.lastIndexOf('RUN') < order.indexOf('USER'), 'nothing is installed by the user');
  });

  test(`${file}: its commands exist, and its variables are settings of the program`, () => {
    const health = execForm(of('HEALTHCHECK')[0] ?? '') ?? [];
    const called = [execForm(of('CMD')[0] ?? ''), health[0] === 'flatrender' ? health.slice(1) : undefined];
    for (const command of called) {
      if (command) assert.equal(commandProblem(command.join(' '), commands), null);
    }
    const known = new Set([...agentVariables, ...controlVariables, 'NODE_ENV']);
    assert.deepEqual(
      Object.keys(env).filter((key) => !known.has(key)),
      [],
    );
    for (const volume of of('VOLUME').flatMap((text) => execForm(text) ?? [text])) {
      assert.ok(
        of('RUN').some((line) => line.includes('install -d -o node') && line.includes(volume)),
        volume,
      );
    }
  });

  test(`${file}: packages of Debian leave neither recommendations nor lists behind`, () => {
    for (const { text } of instructions.filter(
      ({ name, text }) => name === 'RUN' && text.includes('apt-get'),
    )) {
      assert.match(
        text,
        /^apt-get update && apt-get install --yes --no-install-recommends [a-z ]+ && rm -rf \/var\/lib\/apt\/lists\/\*$/,
      );
    }
  });
}

test('nothing of this machine, of git or of a node gets into an image', () => {
  const ignore = read('.dockerignore');
  for (const path of [
    '.git',
    'node_modules/x',
    'test/unit',
    'deploy/.env',
    'deploy/agent.env',
    'agent.env',
    'src/agent.env',
    'dist/main.js',
    'coverage',
  ]) {
    assert.ok(!isInContext(ignore, path), path);
  }
  const shipped = [
    'package.json',
    'package-lock.json',
    ...packageJson.files.filter((path: string) => !/^!?dist|\*/.test(path)),
  ];
  for (const path of [
    ...shipped,
    'src/store/sqlite/migrations/0001_x.sql',
    'bin/build.js',
    'commands/job/submit.ts',
  ]) {
    assert.ok(isInContext(ignore, path), path);
  }
});

const Variables = z.record(z.string().regex(/^[A-Z][A-Z0-9_]+$/), z.union([z.string(), z.number()]));
const Time = z.string().regex(/^(\d+[smh]|\$\{\w+:-\d+[smh]\})$/);
// The parts of the Compose specification that these files use; a key that is written wrongly is not among them.
const Service = z.strictObject({
  image: z.string().regex(/^[a-z/-]+(:v?\d[\w.-]*)?$/, 'a pinned image, or one that is built here'),
  build: z.strictObject({ context: z.literal('..'), dockerfile: z.string() }).optional(),
  profiles: z.array(z.string()).optional(),
  command: z.string().optional(),
  restart: z.literal('unless-stopped'),
  stop_grace_period: Time.optional(),
  depends_on: z
    .union([
      z.array(z.string()),
      z.record(z.string(), z.strictObject({ condition: z.literal('service_healthy') })),
    ])
    .optional(),
  env_file: z.array(z.string()).optional(),
  environment: Variables.optional(),
  ports: z
    .array(z.string().regex(/^(127\.0\.0\.1:|\$\{S3_ADDRESS:-127\.0\.0\.1\}:)?\$\{\w+:-\d+\}:\d+$/))
    .optional(),
  volumes: z.array(z.string()).optional(),
  tmpfs: z.array(z.string()).optional(),
  read_only: z.literal(true).optional(),
  cap_drop: z.tuple([z.literal('ALL')]),
  cap_add: z.array(z.string()).optional(),
  security_opt: z.tuple([z.literal('no-new-privileges:true')]),
  network_mode: z.literal('host').optional(),
  user: z.string().optional(),
  healthcheck: z
    .strictObject({
      test: z.array(z.string()),
      interval: Time,
      timeout: Time,
      retries: z.int(),
      start_period: Time,
    })
    .optional(),
});
const Compose = z.strictObject({
  name: z.string().optional(),
  services: z.record(z.string(), Service),
  volumes: z.record(z.string(), z.null()).optional(),
});
const composeFiles = [
  'deploy/compose.control.yaml',
  'deploy/compose.node.yaml',
  'templates/config/cloudflared.compose.yaml',
];

for (const file of composeFiles) {
  test(`${file} is a compose file whose services, volumes and files belong together`, () => {
    const { services, volumes = {} } = Compose.parse(parse(read(file)));
    const used = new Set<string>();
    for (const service of Object.values(services)) {
      if (service.build) {
        assert.ok(existsSync(join(root, service.build.dockerfile)), service.build.dockerfile);
        if (service.command) assert.equal(commandProblem(service.command, commands), null);
      } else assert.match(service.image, /:v?\d/, 'pinned');
      const after = service.depends_on ?? [];
      for (const name of Array.isArray(after) ? after : Object.keys(after)) assert.ok(services[name], name);
      for (const volume of service.volumes ?? []) {
        const source = volume.replace(/\$\{\w+:-([^}]*)\}/g, '$1').split(':')[0] ?? '';
        if (!source.startsWith('.')) used.add(source);
        else if (/Caddyfile/.test(source)) assert.ok(existsSync(join(root, 'deploy', source)), source);
      }
    }
    assert.deepEqual([...used].sort(), Object.keys(volumes).sort());
  });

  test(`${file}: the flatrender commands in its comments exist`, () => {
    const found = documentedCommands(read(file));
    assert.deepEqual(found.map((command) => commandProblem(command, commands)).filter(Boolean), []);
  });
}

test('each variable of the compose files is in .env.example with the same default, and the other way round', () => {
  const example = new Map(
    [...read('deploy/.env.example').matchAll(/^([A-Z_0-9]+)=(.*)$/gm)].map(([, key = '', value = '']) => [
      key,
      value,
    ]),
  );
  const used = new Map(
    composeFiles.flatMap((file) =>
      [...read(file).matchAll(/\$\{(\w+):-([^}]*)\}/g)].map(([, key = '', value = '']) => [key, value]),
    ),
  );
  assert.deepEqual([...example].sort(), [...used].sort());
});

test('a node of the compose file is set by variables that an agent knows, and answers where its health is asked', () => {
  const { services } = Compose.parse(parse(read('deploy/compose.node.yaml')));
  const environment = services.node?.environment ?? {};
  assert.deepEqual(
    Object.keys(environment).filter((key) => !agentVariables.has(key)),
    [],
  );
  assert.equal(environment.HEALTH_PORT, healthPort);
  const node = images.find(({ file }) => file.endsWith('.node'));
  for (const key of ['STATE_DIR', 'TEMP_DIR', 'HEALTH_HOST'])
    assert.equal(environment[key], node?.dockerfile.env[key]);
});

test('the proxy leads to the control plane, and cloudflared is one version everywhere', () => {
  const { port } = defaultControlConfig().gateway;
  assert.match(read('deploy/Caddyfile'), new RegExp(`^\\treverse_proxy control:${port} \\{$`, 'm'));
  const versions = composeFiles.flatMap((file) => read(file).match(/cloudflare\/cloudflared:\S+/g) ?? []);
  assert.equal(versions.length, 3);
  assert.equal(new Set(versions).size, 1);
});

test('Dockerfiles are the only files of deploy without a check of their own', () => {
  const checked = [
    '.env.example',
    'Caddyfile',
    'Dockerfile.control',
    'Dockerfile.node',
    'README.md',
    'compose.control.yaml',
    'compose.node.yaml',
    'grafana',
    'n8n-workflow.json',
    'prometheus',
  ];
  // Beside them an operator has their own, which git does not know.
  const own = new Set(['.env', 'agent.env', 'cloudflared']);
  assert.deepEqual(
    readdirSync(join(root, 'deploy'))
      .filter((name) => !own.has(name))
      .sort(),
    checked,
  );
});
