// `npm test`: everything; `npm run test:quick` (--quick): types, unit and conformance tests. Run by bin/setup.js with
// the pinned Node. File names and options of `node --test` can follow: npm test -- test/unit/x.test.ts
import { spawn } from 'node:child_process';
import { globSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { delimiter, dirname, join } from 'node:path';
import { createInterface } from 'node:readline';
import { stripVTControlCharacters } from 'node:util';

const root = join(import.meta.dirname, '..');
const quick = process.argv.includes('--quick');
const args = process.argv.slice(2).filter((arg) => arg !== '--quick');
const options = args.filter((arg) => arg.startsWith('-'));
const named = args.filter((arg) => !arg.startsWith('-'));
const kinds = quick
  ? ['unit', 'conformance']
  : ['unit', 'conformance', 'integration', 'e2e', 'system', 'simulation', 'faults'];
const files =
  named.length > 0
    ? named
    : kinds
        .flatMap((kind) => globSync(`test/${kind}/**/*.test.ts`, { cwd: root }).sort())
        // Servers take their time: the contracts of the stores on them are not for the inner loop.
        .filter((file) => !quick || !/[\\/]conformance[\\/].*-(postgres|s3)\.test\.ts$/.test(file));

// Programs that tests start by name (node, flatrender's shebang) get the pinned Node as well.
process.env.PATH = `${dirname(process.execPath)}${delimiter}${process.env.PATH}`;
const failed = [];

// Goes on while others are tested: the tests that need it come last, and wait for it.
const wine = quick || named.length > 0 ? null : run('bash', ['test/provision-wine.sh'], false);
if (!quick)
  await step('programs', 'bash', ['test/provision.sh'], {
    optional: process.platform === 'win32',
    loud: true,
  });
const tsc = join('node_modules', 'typescript', 'bin', 'tsc');
await step('types', process.execPath, [tsc]);
await step('types of the script for After Effects', process.execPath, [
  tsc,
  '-p',
  'src/engines/aerender/script',
]);
if (!quick) {
  await step('lint', process.execPath, [join('node_modules', '@biomejs', 'biome', 'bin', 'biome'), 'check']);
  await step('build', process.execPath, ['bin/build.js']);
  process.env.FLATRENDER_TEST_CLI = 'built';
}
const summary = await runTests();
const made = await wine;
if (made?.output.trim()) process.stdout.write(`${made.output.trimEnd()}\n`);
if (failed.length > 0) process.stdout.write(`\nfailed: ${failed.join(', ')}\n`);
// Last, whatever failed: how many tests ran, passed, failed. CI reads these lines, so they come once.
process.stdout.write(`${summary.join('\n')}\n`);
process.exitCode = failed.length > 0 ? 1 : 0;

/** Runs a check, prints one line, and what it said if it failed (or always, when loud). */
async function step(name, program, argv, { optional = false, loud = false } = {}) {
  if (optional) return;
  const started = performance.now();
  const { code, output } = await run(program, argv, false);
  const seconds = ((performance.now() - started) / 1000).toFixed(1);
  process.stdout.write(`${code === 0 ? '✔' : '✖'} ${name} (${seconds} s)\n`);
  if (code !== 0) failed.push(name);
  if ((code !== 0 || loud) && output.trim()) process.stdout.write(`${output.trimEnd()}\n`);
}

/** One run of node --test over all files, so that there is one count; returns the lines of its summary. */
async function runTests() {
  const { code, output } = await run(
    process.execPath,
    [
      '--test',
      // The default leaves one core idle, which on a small machine is half of it.
      `--test-concurrency=${Math.max(2, availableParallelism() - 1)}`,
      // A test that leaks a server or a timer would never end; no file takes this long, also not on a busy machine.
      '--test-timeout=900000',
      '--test-reporter=spec',
      ...options,
      ...files,
    ],
    true,
  );
  if (code !== 0) failed.push('tests');
  return output.split('\n').filter(isSummary);
}

/** node --test prints its counts before the list of failures, where nobody looks. */
function isSummary(line) {
  return /^ℹ (tests|suites|pass|fail|cancelled|skipped|todo|duration_ms) /.test(
    stripVTControlCharacters(line),
  );
}

function run(program, argv, show) {
  return new Promise((resolve) => {
    const env = { ...process.env };
    if (show && process.stdout.isTTY && !env.NO_COLOR) env.FORCE_COLOR = '1';
    const child = spawn(program, argv, { cwd: root, env, stdio: ['ignore', 'pipe', 'pipe'] });
    let output = '';
    for (const [from, to] of [
      [child.stdout, process.stdout],
      [child.stderr, process.stderr],
    ]) {
      createInterface({ input: from }).on('line', (line) => {
        output += `${line}\n`;
        if (show && !isSummary(line)) to.write(`${line}\n`);
      });
    }
    const stop = (signal) => child.kill(signal);
    process.on('SIGTERM', stop);
    child.on('error', (error) => resolve({ code: 1, output: `${program}: ${error.message}` }));
    child.on('close', (code) => {
      process.off('SIGTERM', stop);
      resolve({ code: code ?? 1, output });
    });
  });
}
