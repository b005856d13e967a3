/** The whole program as one CommonJS script, which is what a single executable takes (Node 26, "Single executable applications"). */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { type Plugin, rolldown } from 'rolldown';

const root = join(import.meta.dirname, '..', '..');

/**
 * Writes the script. `manifest` is what oclif knows of the commands (dist/oclif.manifest.json); `plugins` are those of
 * the ordinary build.
 */
export async function bundleProgram(options: {
  readonly file: string;
  readonly manifest: string;
  readonly commands: Readonly<Record<string, string>>;
  readonly plugins: readonly Plugin[];
}): Promise<void> {
  const { file, manifest, commands, plugins } = options;
  const build = await rolldown({
    cwd: root,
    input: join(import.meta.dirname, 'main.ts'),
    platform: 'node',
    plugins: [...plugins, commandTable(manifest, commands), besideTheExecutable],
    treeshake: true,
    onLog(level, log, handler) {
      if (log.code === 'UNRESOLVED_IMPORT' && /node_modules/.test(log.message)) return;
      if (log.code === 'EVAL' || log.code === 'CIRCULAR_DEPENDENCY') return;
      handler(level, log);
    },
  });
  await build.write({ file, format: 'cjs', codeSplitting: false, minify: false });
  await build.close();
}

/** oclif finds its commands in a table instead of files, and what it knows of them in the script. */
function commandTable(manifestFile: string, commands: Readonly<Record<string, string>>): Plugin {
  const table = Object.entries(commands)
    .map(([id, file]) => `${JSON.stringify(id)}: () => import(${JSON.stringify(file)}),`)
    .join('\n');
  return {
    name: 'command-table',
    resolveId: (id) => (id === 'virtual:commands' ? '\0commands' : undefined),
    load: (id) =>
      id === '\0commands'
        ? `export const manifest = ${readFileSync(manifestFile, 'utf8').trim()};\nconst table = {\n${table}\n};\n` +
          "export async function load(cached) { return { isESM: true, filePath: '', module: await table[cached.id]() }; }"
        : undefined,
    transform(code, id) {
      if (!/@oclif[\\/]core[\\/]lib[\\/]config[\\/]plugin\.js$/.test(id)) return undefined;
      let changed = replaceOnce(
        code,
        'await (0, fs_1.readJson)(p)',
        "{ ...require('virtual:commands').manifest, version: this.version }",
      );
      changed = replaceOnce(
        changed,
        'await (0, module_loader_1.loadWithDataFromManifest)(this.manifest.commands[id], this.root)',
        "await require('virtual:commands').load(this.manifest.commands[id])",
      );
      return changed;
    },
  };
}

/** Skia is an asset of the executable; FFmpeg's libraries are a file beside it, if anywhere. */
const besideTheExecutable: Plugin = {
  name: 'beside-the-executable',
  resolveId(source, importer) {
    if (/[\\/]canvaskit\.ts$/.test(source)) return join(import.meta.dirname, 'canvaskit-asset.ts');
    if (/[\\/]binding\.js$/.test(source) && /[\\/]node-av[\\/]dist[\\/]/.test(importer ?? ''))
      return join(import.meta.dirname, 'node-av-binding.ts');
    return undefined;
  },
};

function replaceOnce(code: string, from: string, to: string): string {
  if (code.split(from).length !== 2) throw new Error(`oclif has changed: not once in its plugin.js: ${from}`);
  return code.replace(from, () => to);
}
