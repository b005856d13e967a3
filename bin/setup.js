// What `npm start`, `npm test`, … run first: installs what package-lock.json says, builds if sources changed, then
// goes on with the Node that the repository pins. Plain JavaScript for Node 20 and npm 10 or 11, no dependencies.
import { spawn, spawnSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { constants } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));
const windows = process.platform === 'win32';
const pinned = join(root, 'node_modules', 'node', 'bin', windows ? 'node.exe' : 'node');

/** What runs for each npm script: the build first or not, then the program and its arguments. */
const tasks = {
  start: { build: true, run: ['bin/run.js', 'quickstart'] },
  test: { build: false, run: ['test/run.js'] },
  'test:quick': { build: false, run: ['test/run.js', '--quick'] },
  build: { build: false, run: ['bin/build.js'] },
  'build:windows': { build: false, run: ['bin/build-windows.ts'] },
  release: { build: true, run: ['bin/release.ts'] },
  bench: { build: true, run: ['test/bench/run.ts'] },
  simulate: { build: false, run: ['test/simulation/run.ts'] },
  faults: { build: true, run: ['test/faults/run.ts'] },
  fuzz: { build: false, run: ['test/fuzz/run.ts'] },
  docs: { build: false, run: ['bin/docs.ts'] },
};

const [name = '', ...args] = process.argv.slice(2);
const task = tasks[name];
if (!task) fail(`unknown task "${name}": ${Object.keys(tasks).join(', ')}`, 2);

const missing = whatToInstall();
if (missing) await step(`dependencies (${missing})`, installDependencies);
const node = existsSync(pinned) ? pinned : process.execPath;
if (node !== pinned && Number.parseInt(process.versions.node, 10) < 24) {
  fail('the pinned Node.js could not be installed; install Node.js 24 or newer from https://nodejs.org');
}
if (task.build && isStale()) await step('build', () => quietly(node, ['bin/build.js']));
process.exitCode = await follow(node, [...task.run, ...args]);

/** Says why `npm ci` has to run, or returns undefined. Packages that only some machines need may be missing. */
function whatToInstall() {
  const wanted = readJson('package-lock.json').packages;
  if (!existsSync(join(root, 'node_modules', '.package-lock.json'))) return 'first run';
  const installed = readJson('node_modules/.package-lock.json').packages;
  for (const [path, entry] of Object.entries(wanted)) {
    if (path === '' || (entry.optional && !installed[path])) continue;
    if (installed[path]?.version !== entry.version)
      return `${path.replace(/^.*node_modules\//, '')} ${entry.version}`;
  }
  return existsSync(pinned) || Number.parseInt(process.versions.node, 10) >= 24 ? undefined : 'node';
}

async function installDependencies() {
  const flags = ['--include=dev', '--no-audit', '--no-fund', '--loglevel=error', '--prefer-offline'];
  let result = await npm(['ci', ...flags]);
  // A lock file written where a registry lacks packages of other platforms does not satisfy `npm ci`.
  if (/EUSAGE/.test(result.output)) result = await npm(['install', '--no-save', ...flags]);
  // A package's install script may fail where the package is not even needed (node-av is optional).
  if (result.code !== 0 && /command failed|ELIFECYCLE/i.test(result.output)) {
    const scripts = result.output;
    result = await npm(['ci', '--ignore-scripts', ...flags]);
    result.output = `${scripts}\n${result.output}`;
  }
  if (result.code !== 0) fail(`npm could not install the dependencies\n${result.output}`);
  // The one script that matters: it fetches the Node binary. Skipped when scripts are switched off.
  if (!existsSync(pinned))
    await capture(process.execPath, ['installArchSpecificPackage'], join(root, 'node_modules', 'node'));
}

/** True when a source is newer than what was built from it; directories count, so that a deletion is noticed. */
function isStale() {
  const built = statSync(join(root, 'dist', 'oclif.manifest.json'), { throwIfNoEntry: false });
  if (!built) return true;
  const newer = (path) => statSync(path).mtimeMs > built.mtimeMs;
  const walk = (dir) =>
    newer(dir) ||
    readdirSync(dir, { withFileTypes: true }).some((entry) => {
      const path = join(dir, entry.name);
      return entry.isDirectory() ? walk(path) : /\.[cm]?[jt]s$/.test(entry.name) && newer(path);
    });
  return (
    ['package.json', 'package-lock.json', 'bin/build.js', 'bin/licences.js'].some((file) =>
      newer(join(root, file)),
    ) || ['commands', 'src'].some((dir) => walk(join(root, dir)))
  );
}

async function step(what, work) {
  const started = Date.now();
  // The first takes a while, and a terminal that says nothing looks stuck.
  if (process.stderr.isTTY) process.stderr.write(`${what} …`);
  await work();
  process.stderr.write(`${eraseLine()}${what}: ${((Date.now() - started) / 1000).toFixed(1)} s\n`);
}

function npm(argv) {
  const cli = process.env.npm_execpath;
  return cli?.endsWith('.js')
    ? capture(process.execPath, [cli, ...argv], root)
    : capture(windows ? 'npm.cmd' : 'npm', argv, root);
}

function capture(program, argv, cwd) {
  return new Promise((resolve) => {
    const child = spawn(program, argv, {
      cwd,
      stdio: ['ignore', 'pipe', 'pipe'],
      shell: program.endsWith('.cmd'),
    });
    let output = '';
    for (const stream of [child.stdout, child.stderr]) {
      stream.setEncoding('utf8').on('data', (chunk) => {
        output += chunk;
      });
    }
    child.on('error', (error) => resolve({ code: 1, output: `${program}: ${error.message}` }));
    child.on('close', (code) => resolve({ code, output }));
  });
}

function quietly(program, argv) {
  const { status, stdout, stderr } = spawnSync(program, argv, { cwd: root, encoding: 'utf8' });
  if (status !== 0) fail(`${argv.join(' ')} failed\n${stdout}${stderr}`);
}

/** Runs a program in the foreground; resolves with its exit code. */
function follow(program, argv) {
  return new Promise((resolve) => {
    const child = spawn(program, argv, { cwd: root, stdio: 'inherit' });
    // A terminal sends Ctrl-C to the whole group: passing it on as well would make it the second one.
    process.on('SIGINT', () => process.stdin.isTTY || child.kill('SIGINT'));
    for (const signal of ['SIGTERM', 'SIGHUP']) process.on(signal, () => child.kill(signal));
    child.on('error', (error) => fail(`${program}: ${error.message}`));
    child.on('close', (code, signal) => resolve(code ?? 128 + constants.signals[signal]));
  });
}

function readJson(file) {
  return JSON.parse(readFileSync(join(root, file), 'utf8'));
}

function fail(message, code = 1) {
  process.stderr.write(`${eraseLine()}${message}\n`);
  process.exit(code);
}

function eraseLine() {
  return process.stderr.isTTY ? '\r\x1b[K' : '';
}
