#!/usr/bin/env node
// Production entry: runs the built CLI in dist/. Must stay parseable by Node 20, so that it can say what is wrong there.
import { readFileSync } from 'node:fs';
import module from 'node:module';
import { homedir } from 'node:os';
import { join } from 'node:path';

const pkg = JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8'));

if (Number.parseInt(process.versions.node, 10) < 24) {
  process.stderr.write(
    `flatrender needs Node.js 24 or newer; this is ${process.version} (${process.execPath}).\n` +
      'Install a current Node.js from https://nodejs.org, or use "npm start" in a checkout of the repository.\n',
  );
  process.exit(2);
}

// Halves the time to load the bundle. In the user's own cache directory: Node's default is below the shared
// temporary directory, where another user could have put something first.
if (!process.env.NODE_COMPILE_CACHE) {
  const cacheHome =
    process.platform === 'win32'
      ? (process.env.LOCALAPPDATA ?? join(homedir(), 'AppData', 'Local'))
      : process.env.XDG_CACHE_HOME || join(homedir(), '.cache');
  module.enableCompileCache(join(cacheHome, 'flatrender', 'compile-cache'));
} else {
  module.enableCompileCache();
}

if (process.argv[2] === '__engine-host') {
  // The child process in which engines render: a crash of native code must not take the agent down. Knows no oclif.
  const { runEngineHost } = await import('../dist/engine-host.js');
  await runEngineHost();
} else {
  // `flatrender … | head` closes the pipe early: that is success.
  process.stdout.on('error', (error) => {
    if (error.code === 'EPIPE') process.exit(0);
    throw error;
  });
  // Nobody reads the log any more, or its disk is full: no reason for a control plane to stop.
  process.stderr.on('error', (error) => {
    if (!['EPIPE', 'ENOSPC', 'EDQUOT', 'EIO'].includes(error.code)) throw error;
  });
  if (process.argv.length === 3 && process.argv[2] === '--version') {
    // What oclif would print (test/e2e/bin.test.ts compares), without loading it.
    process.stdout.write(
      `${pkg.name}/${pkg.version} ${process.platform}-${process.arch} node-${process.version}\n`,
    );
  } else {
    const { runProgram } = await import('../dist/main.js');
    // dist is the root for oclif: the manifest is in it, and nothing is searched for at start.
    const root = join(import.meta.dirname, '..', 'dist');
    await runProgram(process.argv.slice(2), {
      root,
      pjson: { ...pkg, oclif: { ...pkg.oclif, commands: './commands' } },
    });
  }
}
