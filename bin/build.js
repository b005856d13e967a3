// Builds dist/ from commands/ and src/: one module per command (oclif finds commands by their file), shared chunks,
// and everything behind an `await import()` in a chunk of its own, so that a command loads only what it uses.
//
//   dist/commands/**/*.js     one per commands/**/*.ts
//   dist/main.js              what bin/run.js calls
//   dist/oclif.js             the parts of @oclif/core that write the manifest, the same copy the commands use
//   dist/engine-host.js       the child process in which engines render
//   dist/THIRD-PARTY-LICENSES.txt  of what is bundled
//   dist/oclif.manifest.json  all commands and flags, so that --help and start-up load no command
//
// Files that are read at run time are not copied: templates/ and src/store/**/migrations/*.sql ship where they are,
// and packageRoot() (src/lib/paths.ts) finds them in a checkout and in an installed package alike.
import { existsSync, globSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import { pathToFileURL } from 'node:url';
import { rolldown } from 'rolldown';
import { licences } from './licences.js';

const root = join(import.meta.dirname, '..');
const out = join(root, 'dist');

/**
 * Packages that stay in node_modules: native code (node-av), files found next to the package's own code (the wasm of
 * canvaskit-wasm, the OS scripts of systeminformation, the worker files of pino).
 */
export const external = [
  /^node:/,
  /^node-av($|\/)/,
  /^@seydx\//,
  /^canvaskit-wasm($|\/)/,
  /^systeminformation($|\/)/,
  /^pino(-pretty)?($|\/)/,
];

/** The entry points: output name without .js → source. */
export function entries() {
  const found = { oclif: 'virtual:oclif', main: join(root, 'src/cli/main.ts') };
  const engineHost = join(root, 'src/engines/engine-host.ts');
  if (existsSync(engineHost)) found['engine-host'] = engineHost;
  for (const file of globSync('commands/**/*.ts', { cwd: root })) {
    const name = relative('.', file).replaceAll('\\', '/').replace(/\.ts$/, '');
    found[name] = join(root, file);
  }
  return found;
}

/** dist/oclif.js with named exports: an entry that is CommonJS itself would only have a default one. */
const oclifEntry = {
  name: 'oclif-entry',
  resolveId: (id) => (id === 'virtual:oclif' ? { id: '\0oclif', moduleSideEffects: true } : undefined),
  load: (id) => (id === '\0oclif' ? "export { Plugin } from '@oclif/core';" : undefined),
};

/**
 * What oclif 5.1 does at every start and nobody here needs, a quarter of the time of a short command:
 * - loads wsl-utils to call the platform "wsl"; on Windows also runs PowerShell to learn the name of the shell
 * - sorts the commands by the rules of the user's language, for which V8 first loads the tables of ICU
 */
export const oclifAtStart = {
  name: 'oclif-at-start',
  resolveId: (id) => (id === 'wsl-utils' ? '\0wsl-utils' : undefined),
  load: (id) =>
    id === '\0wsl-utils'
      ? 'export const isWsl = false;\nexport function powerShellPath() { throw new Error("not looked for"); }'
      : undefined,
  transform(code, id) {
    if (!/@oclif[\\/]core[\\/]lib[\\/]config[\\/]plugin\.js$/.test(id)) return undefined;
    const sorted = code.replace('a.id.localeCompare(b.id)', 'a.id < b.id ? -1 : 1');
    if (sorted === code) throw new Error('oclif does not sort the commands any more: remove this transform');
    return sorted;
  },
};

/** Writes the modules into a directory. */
export async function bundle(dir) {
  const build = await rolldown({
    cwd: root,
    input: entries(),
    platform: 'node',
    external,
    plugins: [oclifEntry, oclifAtStart, licences],
    // Modules of node_modules are loaded for their exports only, unless their package.json says otherwise.
    treeshake: true,
    onLog(level, log, handler) {
      // oclif and others probe for optional packages with require() in a try block.
      if (log.code === 'UNRESOLVED_IMPORT' && /node_modules/.test(log.message)) return;
      // eval in node_modules is the packages' business.
      if (log.code === 'EVAL' || log.code === 'CIRCULAR_DEPENDENCY') return;
      handler(level, log);
    },
  });
  await build.write({
    dir,
    format: 'esm',
    entryFileNames: '[name].js',
    chunkFileNames: 'chunks/[name]-[hash].js',
    minify: false,
    codeSplitting: {
      // Every file costs a short command a third of a millisecond: what all of them load is in one, except for what
      // the child process of the engines needs as well.
      groups: [
        { name: 'errors', test: /[\\/]src[\\/]lib[\\/](errors|clock)\.ts$/, priority: 2 },
        {
          name: 'cli',
          test: /[\\/](@oclif[\\/]core[\\/]|src[\\/]cli[\\/](main|client-command|output|job-report)\.ts$)/,
          priority: 1,
        },
      ],
    },
    sourcemap: process.env.FLATRENDER_SOURCEMAP === '1',
  });
  await build.close();
}

/** Writes what oclif needs to know about the commands, so that it does not load them to find out; returns their number. */
export async function writeManifest(dir) {
  const { Plugin } = await import(pathToFileURL(join(dir, 'oclif.js')).href);
  const pkg = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
  const plugin = new Plugin({
    root: dir,
    isRoot: true,
    type: 'core',
    pjson: { ...pkg, oclif: { ...pkg.oclif, commands: './commands' } },
    ignoreManifest: true,
    errorOnManifestCreate: true,
    respectNoCacheDefault: true,
  });
  await plugin.load();
  const { commands, ...rest } = plugin.manifest;
  // In the order of their names, so that every build writes the same.
  const sorted = Object.fromEntries(Object.entries(commands).sort(([a], [b]) => (a < b ? -1 : 1)));
  writeFileSync(join(dir, 'oclif.manifest.json'), `${JSON.stringify({ commands: sorted, ...rest })}\n`);
  return Object.keys(commands).length;
}

// Built beside and moved into place: a failed build leaves the old one, and nobody runs half of a new one.
async function build() {
  // Called dist as well, because that is what git and Biome ignore.
  const scratch = join(root, `.build-${process.pid}`);
  const next = join(scratch, 'dist');
  const started = performance.now();
  try {
    await bundle(next);
    const count = await writeManifest(next);
    replace(next);
    process.stdout.write(
      `built ${count} commands into dist (${((performance.now() - started) / 1000).toFixed(1)} s)\n`,
    );
  } finally {
    rmSync(scratch, { recursive: true, force: true });
  }
}

/** Two builds at the same time (an editor's and a test's) may both find the other's result in their way. */
function replace(next) {
  for (let attempt = 1; ; attempt++) {
    rmSync(out, { recursive: true, force: true });
    try {
      return renameSync(next, out);
    } catch (error) {
      if (attempt === 5) throw error;
    }
  }
}

if (import.meta.main !== false) await build();
