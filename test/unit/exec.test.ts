import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { FlatrenderError } from '../../src/lib/errors.ts';
import { isRunning, killTree, run, selfCommand, start, startDetached } from '../../src/lib/exec.ts';
import { membersOfTree, parseProcStat, parsePs } from '../../src/lib/process-list.ts';
import { failureOf } from '../helpers/failure-of.ts';

const node = process.execPath;
const script = (code: string): string[] => ['-e', code];

test('run returns output, exit code 0, and passes input as it is', async () => {
  const result = await run(node, script('process.stdin.pipe(process.stdout); console.error("äöü")'), {
    input: 'a "quoted" $HOME `line`\n',
  });
  assert.equal(result.stdout, 'a "quoted" $HOME `line`\n');
  assert.equal(result.stderr, 'äöü\n');
  assert.equal(result.exitCode, 0);
});

test('arguments reach the program as they are: no shell', async () => {
  const args = ['a b', '$(touch x)', "it's", '"', '*', ';', '', 'ü'];
  const result = await run(node, ['-p', 'JSON.stringify(process.argv.slice(1))', '--', ...args]);
  assert.deepEqual(JSON.parse(result.stdout), args);
});

test('a failure says program, exit code and the last lines', async () => {
  const error = await failureOf(run(node, script('console.error("one\\ntwo"); process.exit(3)')));
  assert.equal(error.code, 'PROGRAM_FAILED');
  assert.match(error.message, /^node(\.exe)? ended with exit code 3: two$/);
  assert.deepEqual(error.details?.lastLines, ['one', 'two']);
  assert.equal(error.details?.exitCode, 3);
});

test('a program that is not there is PROGRAM_MISSING; a missing working directory is named', async () => {
  const missing = await failureOf(run('/nowhere/tool', []));
  assert.equal(missing.code, 'PROGRAM_MISSING');
  assert.match(missing.message, /\/nowhere\/tool: there is no such program/);
  const cwd = await failureOf(run(node, ['-v'], { cwd: '/nowhere' }));
  assert.match(cwd.message, /working directory \/nowhere does not exist/);
});

test('a death by signal is named', async () => {
  const error = await failureOf(run(node, script('process.kill(process.pid, "SIGKILL")')));
  assert.match(error.message, /was ended by SIGKILL/);
});

test('a time limit ends the program with PROGRAM_TIMEOUT', async () => {
  const error = await failureOf(run(node, script('setInterval(() => {}, 1000)'), { timeoutMs: 150 }));
  assert.equal(error.code, 'PROGRAM_TIMEOUT');
});

test('abort ends the program and rejects with ABORTED, or with the error given as the reason', async () => {
  const controller = new AbortController();
  const running = run(node, script('console.log("up"); setInterval(() => {}, 1000)'), {
    signal: controller.signal,
    onLine: () => controller.abort(),
  });
  assert.equal((await failureOf(running)).code, 'ABORTED');
  const reason = new FlatrenderError('LEASE_LOST', 'taken by another node');
  assert.equal(await failureOf(run(node, ['-v'], { signal: AbortSignal.abort(reason) })), reason);
});

test('lines arrive whole, also the last one without a line feed', async () => {
  const lines: string[] = [];
  await run(node, script('process.stdout.write("a\\r\\nb\\rc\\n\\nd")'), {
    onLine: (line) => lines.push(line),
  });
  assert.deepEqual(lines, ['a', 'b', 'c', '', 'd']);
});

test('of much output the end is kept', async () => {
  const code = 'for (let i = 0; i < 20000; i++) console.log("line " + i)';
  const { stdout } = await run(node, script(code), { maxOutput: 100 });
  assert.equal(stdout.length, 100);
  assert.match(stdout, /line 19999\n$/);
});

test('killing ends the whole tree, also a child that ignores SIGTERM', async (context) => {
  if (process.platform === 'win32') return context.skip('POSIX signals');
  const child = "process.on('SIGTERM', () => {}); console.log(process.pid); setInterval(() => {}, 1000)";
  const parent = `require('child_process').spawn(process.execPath, ['-e', ${JSON.stringify(child)}], { stdio: ['ignore', 'inherit', 'inherit'] }); setInterval(() => {}, 1000)`;
  const { promise, resolve } = Promise.withResolvers<number>();
  const program = await start(node, script(parent), { onLine: (line) => resolve(Number(line)) });
  const grandchild = await promise;
  assert.ok(isRunning(grandchild) && isRunning(program.pid));
  await killTree(program.pid, 200);
  assert.deepEqual([isRunning(grandchild), isRunning(program.pid)], [false, false]);
  assert.equal((await program.done).signal, 'SIGTERM');
});

test('kill() of a started program ends what it left behind in its group', async (context) => {
  if (process.platform === 'win32') return context.skip('POSIX process groups');
  const child = "process.on('SIGTERM', () => {}); console.log(process.pid); setInterval(() => {}, 1000)";
  const parent = `require('child_process').spawn(process.execPath, ['-e', ${JSON.stringify(child)}], { stdio: ['ignore', 'inherit', 'ignore'] }); setInterval(() => {}, 1000)`;
  const { promise, resolve } = Promise.withResolvers<number>();
  const program = await start(node, script(parent), { onLine: (line) => resolve(Number(line)) });
  const grandchild = await promise;
  await program.kill(100);
  const deadline = Date.now() + 2000; // the signal is sent; the kernel needs a moment
  while (isRunning(grandchild) && Date.now() < deadline)
    await new Promise((resolve) => setImmediate(resolve));
  assert.equal(isRunning(grandchild), false);
});

test('messages travel both ways, buffers as they are', async () => {
  const { promise, resolve } = Promise.withResolvers<unknown>();
  const program = await start(node, script('process.on("message", (m) => process.send({ got: m }))'), {
    ipc: true,
  });
  program.onMessage(resolve);
  assert.equal(program.send({ bytes: new Uint8Array([1, 2, 3]) }), true);
  assert.deepEqual(await promise, { got: { bytes: new Uint8Array([1, 2, 3]) } });
  await program.kill();
  assert.equal(program.send('late'), false);
});

test('a detached program writes to its log file and lives on its own', async () => {
  const directory = mkdtempSync(join(tmpdir(), 'flatrender-exec-'));
  const logFile = join(directory, 'log');
  const code = 'console.log("hello " + process.env.GREETED); setInterval(() => {}, 1000)';
  const pid = await startDetached(node, script(code), { logFile, env: { GREETED: 'you' } });
  try {
    while (!readFileSync(logFile, 'utf8').includes('\n'))
      await new Promise((resolve) => setImmediate(resolve));
    assert.equal(readFileSync(logFile, 'utf8'), 'hello you\n');
    assert.equal(isRunning(pid), true);
  } finally {
    await killTree(pid);
    rmSync(directory, { recursive: true });
  }
  assert.equal(isRunning(pid), false);
  const missing = startDetached('/nowhere/tool', [], { logFile: join(tmpdir(), `none-${process.pid}`) });
  assert.equal((await failureOf(missing)).code, 'PROGRAM_MISSING');
  rmSync(join(tmpdir(), `none-${process.pid}`));
});

test('the program can start itself', async () => {
  const { file, args } = selfCommand(['--version']);
  const { stdout } = await run(file, args);
  assert.match(stdout, /^flatrender\/\d/);
});

test('processes are read from /proc and ps, and a tree is found by parent and by group', () => {
  assert.deepEqual(parseProcStat('42 (a) R) b) S 7 42 42 0'), {
    pid: 42,
    parent: 7,
    group: 42,
    isZombie: false,
  });
  assert.equal(parseProcStat(''), undefined);
  const entries = parsePs(
    '  1 0 1 Ss\n 10 1 10 S\n 11 10 10 S+\n 12 11 12 S\n 13 1 10 S\n 14 10 10 Z\n 20 1 20 S\n',
  );
  assert.deepEqual(membersOfTree(10, entries, 13).sort(), [10, 11, 12]);
  assert.deepEqual(membersOfTree(10, entries, 0).sort(), [10, 11, 12, 13]);
});
