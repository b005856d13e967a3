/** The program in flatrender.exe: what bin/run.js does, with everything in one script and nothing to find on disk. */
import { dirname } from 'node:path';
import { getAsset } from 'node:sea';

const pkg = JSON.parse(getAsset('package.json', 'utf8'));

process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code === 'EPIPE') process.exit(0);
  throw error;
});
process.stderr.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code !== 'EPIPE') throw error;
});

async function main(): Promise<void> {
  if (process.argv[2] === '__engine-host') {
    const { runEngineHost } = await import('../../src/engines/engine-host.ts');
    return await runEngineHost();
  }
  if (process.argv.length === 3 && process.argv[2] === '--version') {
    const { platform, arch, version } = process;
    process.stdout.write(`${pkg.name}/${pkg.version} ${platform}-${arch} node-${version}\n`);
    return;
  }
  const { runProgram } = await import('../../src/cli/main.ts');
  const oclif = { ...pkg.oclif, commands: './commands' };
  await runProgram(process.argv.slice(2), { root: dirname(process.execPath), pjson: { ...pkg, oclif } });
}

void main();
