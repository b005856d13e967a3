import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { cliEnv, pinnedNode, runCli, runCliJson } from '../helpers/cli.ts';

const probes = join(import.meta.dirname, '..', 'fixtures', 'cli', 'commands.ts');

interface Ended {
  stdout: string;
  stderr: string;
  exitCode: number | null;
}

function probe(args: string[], env: Record<string, string> = {}, signalOn?: RegExp): Promise<Ended> {
  const child = spawn(pinnedNode(), [probes, ...args], {
    env: cliEnv('/nonexistent', { HOME: process.env.HOME, ...env }),
  });
  let stdout = '';
  let stderr = '';
  let signalled = false;
  child.stdout.setEncoding('utf8').on('data', (chunk) => {
    stdout += chunk;
  });
  child.stderr.setEncoding('utf8').on('data', (chunk) => {
    stderr += chunk;
    // Once: the second one would end it at once.
    if (signalOn?.test(stderr) && !signalled) signalled = child.kill('SIGINT');
  });
  return new Promise((resolve) => child.on('close', (exitCode) => resolve({ stdout, stderr, exitCode })));
}

test('a result: text on stdout, notes on stderr; with --json nothing but the value', async () => {
  assert.deepEqual(await probe(['result']), { stdout: 'for people\n', stderr: 'on the side\n', exitCode: 0 });
  const { stdout, stderr, exitCode } = await probe(['result', '--json']);
  assert.deepEqual([JSON.parse(stdout), stderr, exitCode], [{ answer: 42 }, '', 0]);
});

test('a command without a result still prints one JSON value', async () => {
  assert.deepEqual(await probe(['nothing', '--json']), { stdout: 'null\n', stderr: '', exitCode: 0 });
});

test('an expected failure: message, hint, the exit code of its code', async () => {
  assert.deepEqual(await probe(['expected']), {
    stdout: '',
    stderr: 'error: there is no job x\nhint: look elsewhere\n',
    exitCode: 1,
  });
  const { stdout, stderr, exitCode } = await probe(['expected', '--json']);
  assert.deepEqual(
    [JSON.parse(stdout), stderr, exitCode],
    [
      {
        error: {
          code: 'JOB_NOT_FOUND',
          message: 'there is no job x',
          hint: 'look elsewhere',
          retryable: false,
        },
      },
      '',
      1,
    ],
  );
  assert.equal((await probe(['usage'])).exitCode, 2);
});

test('bad news that is a result keeps its exit code', async () => {
  assert.deepEqual(await probe(['bad-news', '--json']), {
    stdout: '{\n  "ok": false\n}\n',
    stderr: '',
    exitCode: 1,
  });
});

test('wrong usage: exit 2 and a hint, as JSON too, and never the whole configuration', async () => {
  const text = await probe(['result', '--bogus']);
  assert.deepEqual(
    [text.exitCode, text.stderr],
    [2, 'error: Nonexistent flag: --bogus\nhint: run "flatrender probe --help"\n'],
  );
  const { stdout, exitCode } = await probe(['result', '--count', 'x', '--json']);
  const { error } = JSON.parse(stdout);
  assert.deepEqual([error.code, exitCode], ['USAGE', 2]);
  assert.match(error.message, /^--count: Expected an integer but received: x$/);
  assert.ok(stdout.length < 500);
});

test('anything unknown is a bug: exit 70, no stack unless DEBUG is set', async () => {
  const { stderr, exitCode } = await probe(['bug']);
  assert.equal(exitCode, 70);
  assert.match(stderr, /^error: undefined is not a function\nhint: this is a bug in flatrender/);
  assert.doesNotMatch(stderr, /\n\s+at /);
  assert.match(
    (await probe(['bug'], { DEBUG: '1' })).stderr,
    /TypeError: undefined is not a function\n\s+at Probe\.run/,
  );
  const asJson = await probe(['bug', '--json']);
  assert.deepEqual([JSON.parse(asJson.stdout).error.code, asJson.exitCode], ['INTERNAL', 70]);
});

test('an error that no await caught is reported the same way', async () => {
  const { stderr, exitCode } = await probe(['escaped']);
  assert.equal(exitCode, 70);
  assert.match(stderr, /^error: out of nowhere\nhint: this is a bug/);
});

test('an error of the machine is no bug', async () => {
  const { stderr, exitCode } = await probe(['no-space']);
  assert.equal(exitCode, 1);
  assert.match(stderr, /no space left on device.*\nhint: make room/);
});

test('Ctrl-C: exit 130, whatever breaks because of it', { skip: process.platform === 'win32' }, async () => {
  const { stderr, exitCode } = await probe(['wait'], {}, /waiting/);
  assert.deepEqual([stderr, exitCode], ['waiting\nerror: stopped\n', 130]);
});

test('something left open does not keep a failed command alive', async () => {
  const { exitCode } = await probe(['open-handle']);
  assert.equal(exitCode, 1);
});

test('colour goes to terminals and where FORCE_COLOR wants it, never with NO_COLOR', async () => {
  const esc = String.fromCharCode(27);
  assert.ok(!(await probe(['expected'], { NO_COLOR: '' })).stderr.includes(esc));
  assert.ok((await probe(['expected'], { NO_COLOR: '', FORCE_COLOR: '1' })).stderr.includes(`${esc}[31m`));
  assert.ok(!(await probe(['expected'], { FORCE_COLOR: '1' })).stderr.includes(esc));
});

test('every command that takes --json answers a wrong flag with one JSON value and exit 2', async () => {
  for (const command of [
    'job list',
    'job submit',
    'node add',
    'token create',
    'quickstart',
    'smoke-test',
    'doctor',
    'login',
    'completion',
  ]) {
    const { json, exitCode } = await runCliJson<{ error: { code: string } }>([
      ...command.split(' '),
      '--bogus',
    ]);
    assert.deepEqual([json.error.code, exitCode], ['USAGE', 2], command);
  }
});

test('completion scripts know every command, and bash completes with them', async (t) => {
  const { stdout, exitCode } = await runCli(['completion', 'bash']);
  assert.equal(exitCode, 0);
  for (const word of ['quickstart', "'job submit'", '--no-such-flag'.replace('no-such-flag', 'template')])
    assert.ok(stdout.includes(word), word);
  const script = `${stdout}
COMP_WORDS=(flatrender job list --state ru); COMP_CWORD=4; _flatrender; echo "\${COMPREPLY[*]}"
COMP_WORDS=(flatrender jo); COMP_CWORD=1; _flatrender; echo "\${COMPREPLY[*]}"`;
  const bash = spawn('bash', ['-c', script]);
  let out = '';
  bash.stdout.on('data', (chunk) => {
    out += chunk;
  });
  const code = await new Promise((resolve) => {
    bash.on('error', () => resolve(null));
    bash.on('close', resolve);
  });
  if (code === null) return t.skip('no bash on this machine');
  assert.equal(out, 'running\njob\n');
});

test('doctor fails for an agent.env that cannot be read, and says what mends it', async () => {
  const home = mkdtempSync(join(tmpdir(), 'flatrender-doctor-'));
  try {
    const file = join(home, 'agent.env');
    writeFileSync(
      file,
      `NODE_ID=n\nNODE_HMAC_SECRET=${'s'.repeat(43)}\nORCHESTRATOR_URL=http://127.0.0.1:9\nAE_MODE=fast\n`,
      { mode: 0o600 },
    );
    const found = await runCli(['doctor'], { home, env: { AGENT_ENV_FILE: file } });
    assert.equal(found.exitCode, 1);
    assert.match(found.stdout, /^failed +agent\.env +AE_MODE in .*line 4: "fast" is not valid/m);
    assert.match(found.stdout, /^skipped +agent +needs an agent\.env that can be read$/m);
    const lost = await runCli(['doctor'], { home, env: { AGENT_ENV_FILE: join(home, 'no.env') } });
    assert.match(lost.stdout, /^failed +agent\.env +there is no file .*no\.env$/m);
    const none = await runCli(['doctor'], { home });
    assert.equal(none.exitCode, 0);
    assert.match(none.stdout, /^skipped +agent +this machine has no agent\.env$/m);
  } finally {
    rmSync(home, { recursive: true });
  }
});
