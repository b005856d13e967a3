import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmod, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { packageRoot } from '../../src/lib/paths.ts';
import { cliEnv, pinnedNode } from '../helpers/cli.ts';
import { isSameLine, readTour } from '../helpers/console-tour.ts';

const BIN = join(packageRoot(), 'bin', process.env.FLATRENDER_TEST_CLI === 'built' ? 'run.js' : 'dev.js');

test('every command of the README’s tour works as printed there', async () => {
  const steps = readTour(await readFile(join(packageRoot(), 'README.md'), 'utf8'), 'A farm in five minutes');
  assert.ok(steps.length >= 8, 'the tour is there');
  const home = await mkdtemp(join(tmpdir(), 'flatrender-tour-'));
  const shell = await startShell(home);
  try {
    for (const { command, expected } of steps) {
      // A reader types slowly enough for the agent to be there; a busy machine may not.
      if (command.includes('job submit'))
        await shell.run(
          'for i in $(seq 100); do flatrender node list | grep -q ready && break; sleep 0.1; done',
        );
      const { output, status } = await shell.run(command);
      assert.equal(status, 0, `${command}\n${output.join('\n')}`);
      assertPrinted(command, output, expected);
    }
  } finally {
    await shell.close();
    await rm(home, { recursive: true, force: true, maxRetries: 5 });
  }
});

/** Every documented line was printed, in that order; `…` skips. */
function assertPrinted(command: string, output: readonly string[], expected: readonly string[]): void {
  let from = 0;
  for (const line of expected) {
    if (line.trim() === '' || line.trim() === '…') continue;
    const at = output.findIndex((printed, index) => index >= from && isSameLine(printed, line));
    assert.ok(at >= 0, `$ ${command}\ndocumented: ${line}\nprinted:\n${output.slice(from).join('\n')}`);
    from = at + 1;
  }
}

interface Shell {
  run(command: string): Promise<{ output: string[]; status: number }>;
  close(): Promise<void>;
}

/** One bash for the whole tour, so that `cd`, `export` and background jobs work as they do for a reader. */
async function startShell(home: string): Promise<Shell> {
  const bin = join(home, 'bin');
  await mkdir(bin);
  await writeFile(join(bin, 'flatrender'), `#!/bin/sh\nexec "${pinnedNode()}" "${BIN}" "$@"\n`);
  await chmod(join(bin, 'flatrender'), 0o755);
  const env = cliEnv(home, { PATH: `${bin}:${process.env.PATH}` });
  const bash: ChildProcess = spawn('bash', ['--norc'], {
    cwd: home,
    env,
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  let text = '';
  let wake: (() => void) | undefined;
  bash.stdout?.setEncoding('utf8').on('data', (chunk: string) => {
    text += chunk;
    wake?.();
  });
  const MARK = 'tour-step-ended';
  return {
    async run(command) {
      text = '';
      bash.stdin?.write(`{ ${command}\n} 2>&1; echo; echo ${MARK} $?\n`);
      for (;;) {
        const ended = new RegExp(`\\n${MARK} (\\d+)\\n`).exec(text);
        if (ended) return { output: text.slice(0, ended.index).split('\n'), status: Number(ended[1]) };
        await new Promise<void>((resolve) => {
          wake = resolve;
        });
      }
    },
    async close() {
      bash.stdin?.end('flatrender control stop >/dev/null 2>&1; kill $(jobs -p) 2>/dev/null; wait; exit\n');
      if (bash.exitCode === null) await once(bash, 'exit');
    },
  };
}
