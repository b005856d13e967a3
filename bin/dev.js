#!/usr/bin/env node
// Development entry: runs commands/*.ts and src/*.ts as they are, by Node's type stripping. Nothing is built.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';

if (Number.parseInt(process.versions.node, 10) < 24) {
  process.stderr.write(
    `flatrender needs Node.js 24 or newer; this is ${process.version} (${process.execPath}).\n` +
      'In this repository use "node_modules/node/bin/node bin/dev.js".\n',
  );
  process.exit(2);
}

if (process.argv[2] === '__engine-host') {
  const { runEngineHost } = await import('../src/engines/engine-host.ts');
  await runEngineHost();
} else {
  process.stdout.on('error', (error) => {
    if (error.code === 'EPIPE') process.exit(0);
    throw error;
  });
  // Nobody reads the log any more, or its disk is full: no reason for a control plane to stop.
  process.stderr.on('error', (error) => {
    if (!['EPIPE', 'ENOSPC', 'EDQUOT', 'EIO'].includes(error.code)) throw error;
  });
  const { settings } = await import('@oclif/core');
  // Without this oclif looks for ts-node and tsx, finds neither, and may run a stale dist.
  settings.enableAutoTranspile = false;
  const root = join(import.meta.dirname, '..');
  const pkg = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
  const { runProgram } = await import('../src/cli/main.ts');
  await runProgram(process.argv.slice(2), {
    root,
    ignoreManifest: true,
    pjson: { ...pkg, oclif: { ...pkg.oclif, commands: './commands' } },
  });
}
