import assert from 'node:assert/strict';
import { globSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { pathToFileURL } from 'node:url';
import { ERROR_CODES } from '../../src/lib/errors.ts';
import {
  checkArchitecture,
  importsOf,
  packageOf,
  type Rules,
  type SourceFile,
} from '../helpers/architecture.ts';

const root = join(import.meta.dirname, '..', '..');
const { external } = (await import(pathToFileURL(join(root, 'bin', 'build.js')).href)) as {
  external: RegExp[];
};

const rules: Rules = {
  ranks: {
    lib: 0,
    protocol: 1,
    config: 2,
    jobs: 2,
    bundle: 2,
    store: 3,
    objects: 3,
    client: 3,
    media: 3,
    engines: 3,
    mesh: 3,
    service: 3,
    agent: 4,
    control: 4,
    setup: 4,
    cli: 5,
    commands: 6,
  },
  never: [
    { from: 'agent', to: ['store', 'objects', 'control'] },
    { from: 'control', to: ['agent', 'engines'] },
    // What people see and type; only commands bring it together with what runs for long.
    { from: 'cli', to: ['agent', 'control'] },
  ],
  allowed: [
    {
      from: 'engines',
      to: 'media',
      reason: 'engines encode and probe with the same FFmpeg runner as everything else',
    },
  ],
  homes: {
    'node:child_process': ['src/lib/exec.ts'],
    'node:sqlite': ['src/store/sqlite/'],
    '@fastify/swagger': ['src/control/'],
    '@opentelemetry/api': ['src/lib/tracing.ts'],
    '@opentelemetry/exporter-trace-otlp-http': ['src/lib/tracing.ts'],
    '@opentelemetry/resources': ['src/lib/tracing.ts'],
    '@opentelemetry/sdk-trace': ['src/lib/tracing.ts'],
    '@oclif/core': ['src/cli/', 'commands/'],
    'canvaskit-wasm': ['src/engines/lottie/'],
    chalk: ['src/cli/'],
    'csv-parse': ['src/cli/'],
    'eventsource-parser': ['src/client/'],
    execa: ['src/lib/exec.ts'],
    fastify: ['src/control/'],
    'fastify-type-provider-zod': ['src/control/'],
    // Engines check and lay out text; the inspector only reads the names of fonts.
    fontkit: ['src/engines/font-file.ts', 'src/bundle/'],
    inquirer: ['src/cli/'],
    koffi: ['src/service/windows/'],
    listr2: ['src/cli/'],
    minio: ['src/objects/'],
    'node-av': ['src/media/'],
    'node-cron': ['src/control/'],
    pg: ['src/store/postgres/'],
    pino: ['src/lib/logger.ts'],
    'pino-pretty': ['src/lib/logger.ts'],
    'prom-client': ['src/control/'],
    systeminformation: ['src/agent/'],
    undici: ['src/client/'],
    // flatrender.yaml, template.yaml, the files of `job submit --inputs`, and cloudflared's config.yml.
    yaml: ['src/config/', 'src/bundle/', 'src/cli/', 'src/setup/cloudflared-config.ts'],
    yauzl: ['src/bundle/'],
    // Templates, and what a machine shows of itself to whoever helps.
    yazl: ['src/bundle/', 'src/cli/doctor/'],
    // The schema language of the whole program.
    zod: ['**'],
  },
};

/** Files over 300 lines, and why they are better off in one piece. */
const longFiles: Record<string, string> = {
  'src/bundle/manifest.ts': 'the whole format of template.yaml in one place; a third of it is documentation',
  'src/store/store.ts': 'the whole contract of the stores in one place; most of it is documentation',
};

const files = readSources(['src/**/*.ts', 'commands/**/*.ts']);

test('imports follow the ranks, and each package has one home', () => {
  assert.deepEqual(checkArchitecture(files, rules), []);
});

/** Development dependencies that no source imports by name, and what uses them. */
const tools: Record<string, string> = {
  '@biomejs/biome': 'npm run lint',
  'lottie-web': 'its test animations are read as files',
  node: 'runs every npm script',
  'types-for-adobe': 'npm run typecheck, for the script that runs in After Effects',
  typescript: 'npm run typecheck',
};

const { dependencies, optionalDependencies, devDependencies } = JSON.parse(
  readFileSync(join(root, 'package.json'), 'utf8'),
);

test('every dependency is imported, or a tool that a script runs', () => {
  const used = new Set(
    [...files, ...readSources(['test/**/*.ts', 'bin/*.{js,ts}'])]
      .flatMap((file) => importsOf(file).imports)
      .map(({ specifier }) => packageOf(specifier)),
  );
  const declared = Object.keys({ ...dependencies, ...optionalDependencies, ...devDependencies });
  const unused = declared.filter((name) => {
    const types = /^@types\/(.+)/.exec(name)?.[1];
    return !used.has(name) && !tools[name] && types !== 'node' && !(types && declared.includes(types));
  });
  assert.deepEqual(unused, [], 'nobody imports them: remove them');
  assert.deepEqual(
    Object.keys(tools).filter((name) => !declared.includes(name)),
    [],
    'no longer there: remove them from the list',
  );
});

test('what the program imports has a home, and is installed with it exactly when it is not bundled', () => {
  const used = new Set(
    files.flatMap((file) => importsOf(file).imports.map(({ specifier }) => packageOf(specifier))),
  );
  const packages = [...used].filter((name) => !name.startsWith('.') && !name.startsWith('node:'));
  const homeless = packages.filter((name) => !rules.homes[name]);
  assert.deepEqual(homeless, [], 'give it a home');
  const notBundled = packages.filter((name) => external.some((pattern) => pattern.test(name)));
  assert.deepEqual(
    Object.keys({ ...dependencies, ...optionalDependencies }).sort(),
    notBundled.sort(),
    'dependencies are the packages that bin/build.js leaves outside, devDependencies all others',
  );
});

test('what is exported is used somewhere else', () => {
  const all = [...files, ...readSources(['test/**/*.ts', 'bin/*.{js,ts}'])];
  const words = new Map(all.map(({ path, text }) => [path, new Set(text.match(/[\w$]+/g))]));
  const unused = files.flatMap(({ path, text }) =>
    [...text.matchAll(/^export (?:async )?(?:function\*?|const|class) ([\w$]+)/gm)].flatMap(
      ([, name = '']) =>
        all.some((other) => other.path !== path && words.get(other.path)?.has(name))
          ? []
          : `${path}: ${name}`,
    ),
  );
  assert.deepEqual(unused, [], 'keep it to its file, or remove it');
});

test('every error code is thrown somewhere', () => {
  const text = files.filter(({ path }) => path !== 'src/lib/errors.ts').map((file) => file.text);
  const unused = Object.keys(ERROR_CODES).filter(
    (code) => !text.some((source) => source.includes(`'${code}'`)),
  );
  assert.deepEqual(unused, []);
});

test('no file of src is over 300 lines without a reason', () => {
  const long = files.filter((file) => file.path.startsWith('src/') && lineCount(file.text) > 300);
  const tooLong = long
    .filter((file) => !longFiles[file.path])
    .map((file) => `${file.path}: ${lineCount(file.text)}`);
  assert.deepEqual(tooLong, []);
  const stale = Object.keys(longFiles).filter((path) => !long.some((file) => file.path === path));
  assert.deepEqual(stale, [], 'no longer long: remove them from the list');
});

const breaches = (path: string, text: string) => checkArchitecture([{ path, text }], rules);

test('the check refuses a higher rank, however it is imported', () => {
  const expected = 'lib (rank 0) must not import store (rank 3): src/store/store.ts';
  for (const text of [
    "import { a } from '../store/store.ts';",
    "import type { A } from '../store/store.ts';",
    "import '../store/store.ts';",
    "export { a } from '../store/store.ts';",
    "export * from '../store/store.ts';",
    "const a = await import('../store/store.ts');",
    "type A = import('../store/store.ts').A;",
    "require('../store/store.ts');",
  ]) {
    assert.deepEqual(breaches('src/lib/a.ts', text), [`src/lib/a.ts:1: ${expected}`], text);
  }
});

test('the check allows lower ranks, the own folder, and the listed exceptions', () => {
  assert.deepEqual(breaches('src/control/a.ts', "import '../store/store.ts';\nimport './b.ts';"), []);
  assert.deepEqual(breaches('src/agent/a.ts', "import '../client/client.ts';"), []);
  assert.deepEqual(breaches('src/engines/lottie/a.ts', "import '../../media/encoder.ts';"), []);
  assert.deepEqual(breaches('commands/job/list.ts', "import '../../src/cli/base.ts';"), []);
});

test('the check refuses equal ranks and forbidden pairs', () => {
  assert.match(
    breaches('src/media/a.ts', "import '../engines/engine.ts';").join(),
    /must not import engines/,
  );
  assert.match(
    breaches('src/agent/a.ts', "import '../store/store.ts';").join(),
    /agent must never import store/,
  );
  assert.match(
    breaches('src/control/a.ts', "import '../engines/engine.ts';").join(),
    /must never import engines/,
  );
  assert.match(
    breaches('src/cli/a.ts', "import '../../commands/doctor.ts';").join(),
    /must not import commands/,
  );
});

test('the check refuses packages away from home, and unknown ones', () => {
  assert.deepEqual(breaches('src/agent/a.ts', "\nimport { execa } from 'execa';"), [
    'src/agent/a.ts:2: execa belongs to src/lib/exec.ts',
  ]);
  assert.match(
    breaches('src/agent/a.ts', "import type { A } from '@oclif/core/command';").join(),
    /belongs to src.cli/,
  );
  assert.match(
    breaches('src/lib/a.ts', "await import('node:child_process');").join(),
    /belongs to src.lib.exec/,
  );
  assert.match(breaches('src/lib/a.ts', "import a from 'left-pad';").join(), /give it a home: left-pad/);
  assert.match(
    breaches('src/lib/a.ts', "import.meta.resolve('canvaskit-wasm/bin/x.wasm');").join(),
    /belongs to/,
  );
});

test('the check refuses unknown folders, files outside folders and computed names', () => {
  assert.match(breaches('src/utils/a.ts', "import '../lib/a.ts';").join(), /give the folder utils a rank/);
  assert.match(breaches('src/lib/a.ts', "import '../main.ts';").join(), /only folders of src/);
  assert.match(breaches('src/lib/a.ts', 'await import(name);').join(), /computed name/);
});

test('text that looks like an import is none', () => {
  const text =
    "// import 'execa';\nconst a = `import 'execa';`;\nconst b = \"from 'execa'\";\nexport { a, b };";
  assert.deepEqual(importsOf({ path: 'src/lib/a.ts', text }), { imports: [], computed: [] });
});

function readSources(patterns: string[]): SourceFile[] {
  return globSync(patterns, { cwd: root })
    .sort()
    .map((file) => ({ path: file.replaceAll('\\', '/'), text: readFileSync(join(root, file), 'utf8') }));
}

function lineCount(text: string): number {
  return text.trimEnd().split('\n').length;
}
