import assert from 'node:assert/strict';
import { existsSync, mkdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { homePaths } from '../../src/config/home.ts';
import { runCli, runCliJson, startCli } from '../helpers/cli.ts';

interface InitJson {
  readonly url: string;
  readonly token?: string;
  readonly steps: readonly { readonly what: string; readonly result: string }[];
}

async function withHome(use: (home: string) => Promise<void>): Promise<void> {
  const home = await mkdtemp(join(tmpdir(), 'flatrender-commands-'));
  try {
    await use(home);
  } finally {
    await rm(home, { recursive: true, force: true, maxRetries: 3 });
  }
}

const results = (init: InitJson) => Object.fromEntries(init.steps.map(({ what, result }) => [what, result]));

test('a mistyped setting leaves nothing behind: the corrected command works', () =>
  withHome(async (home) => {
    const wrong = await runCli(['control', 'init', '--yes', '--public-url', 'not a url'], { home });
    assert.deepEqual(wrong, {
      stdout: '',
      stderr:
        'error: --public-url: an address such as http://10.66.0.1:8088\n' +
        'hint: every option is explained in the comments of flatrender.yaml\n',
      exitCode: 2,
      signal: null,
    });
    const right = await runCliJson<InitJson>(['control', 'init', '--yes'], { home });
    assert.deepEqual([...new Set(Object.values(results(right.json)))], ['created']);
  }));

test('an address that nobody can listen on is refused with its flag, also in a dry run', () =>
  withHome(async (home) => {
    for (const more of [[], ['--dry-run']]) {
      const wrong = await runCli(['control', 'init', '--yes', '--host', '300.1.1.1', ...more], { home });
      assert.equal(wrong.exitCode, 2);
      assert.match(wrong.stderr, /^error: --host: "300\.1\.1\.1" is not an address to listen on/);
    }
    const s3 = await runCli(['control', 'init', '--yes', '--objects', 's3'], { home });
    assert.match(s3.stderr, /^error: --s3-endpoint: .*needs it, such as http:/);
    assert.equal(existsSync(join(home, '.flatrender')), false);
  }));

test('a token that cannot be written into client.json is shown all the same', () =>
  withHome(async (home) => {
    const { clientConfig } = homePaths(join(home, '.flatrender'));
    mkdirSync(clientConfig, { recursive: true });
    const made = await runCli(['control', 'init', '--yes'], { home });
    assert.equal(made.exitCode, 0, made.stderr);
    assert.match(made.stdout, /^fr_\S+\n$/);
    assert.match(
      made.stderr,
      /^failed client configuration \S+client\.json \(EISDIR.*keep the token.*flatrender login/m,
    );
  }));

test('control init makes everything once, says "already" afterwards, and never another token unless asked', () =>
  withHome(async (home) => {
    const paths = homePaths(join(home, '.flatrender'));
    const plan = await runCliJson<InitJson>(['control', 'init', '--yes', '--dry-run'], { home });
    assert.deepEqual([...new Set(Object.values(results(plan.json)))], ['would create']);
    assert.equal(existsSync(paths.directory), false, 'a dry run writes nothing');

    const first = await runCliJson<InitJson>(
      ['control', 'init', '--yes', '--port', '18123', '--name', 'studio'],
      { home },
    );
    assert.equal(first.exitCode, 0);
    assert.match(String(first.json.token), /^fr_[A-Za-z0-9_-]{43}$/);
    assert.deepEqual([...new Set(Object.values(results(first.json)))], ['created']);
    if (process.platform !== 'win32') {
      for (const file of [paths.farmSecret, paths.clientConfig])
        assert.equal(statSync(file).mode & 0o777, 0o600, file);
    }
    assert.match(readFileSync(paths.config, 'utf8'), /# Address to listen on[\s\S]*port: 18123/);
    assert.deepEqual(JSON.parse(readFileSync(paths.clientConfig, 'utf8')), {
      url: 'http://127.0.0.1:18123',
      token: first.json.token,
    });
    assert.ok(
      !readFileSync(join(paths.directory, 'flatrender.db')).includes(String(first.json.token)),
      'only its hash is stored',
    );

    const secret = readFileSync(paths.farmSecret, 'utf8');
    const second = await runCliJson<InitJson>(['control', 'init', '--yes'], { home });
    assert.deepEqual([...new Set(Object.values(results(second.json)))], ['already']);
    assert.equal(second.json.token, undefined);
    assert.equal(readFileSync(paths.farmSecret, 'utf8'), secret);

    const third = await runCliJson<InitJson>(['control', 'init', '--yes', '--new-admin-token'], { home });
    assert.match(String(third.json.token), /^fr_/);
    assert.notEqual(third.json.token, first.json.token);
    const printed = await runCli(['control', 'init', '--yes', '--new-admin-token'], { home });
    assert.match(printed.stdout, /^fr_\S+\n$/, 'the token, and nothing else, is on stdout');
  }));

test('control run without init says what to do', () =>
  withHome(async (home) => {
    const result = await runCli(['control', 'run', '--port', '0'], { home });
    assert.equal(result.exitCode, 2);
    assert.match(result.stderr, /no farm secret[\s\S]*flatrender control init/);
  }));

test('control run makes no new farm where a mistyped store leads', () =>
  withHome(async (home) => {
    await runCli(['control', 'init', '--yes', '--port', '0'], { home });
    const { directory } = homePaths(join(home, '.flatrender'));
    const run = (store: string, ...more: string[]) =>
      runCli(['control', 'run', ...more], { home, env: { FLATRENDER_STORE: store } });
    for (const more of [[], ['--daemon']]) {
      const typo = await run('sqlite:nosuchdir/other.db', ...more);
      assert.equal(typo.exitCode, 2, typo.stderr);
      assert.match(typo.stderr, /^error: there is no farm in \S+nosuchdir[\\/]other\.db: no such file/m);
      assert.match(typo.stderr, /^hint: correct FLATRENDER_STORE; .*flatrender control init/m);
    }
    assert.equal(existsSync(join(directory, 'nosuchdir')), false);
    // As an older version left it behind.
    writeFileSync(join(directory, 'empty.db'), '');
    const empty = await run('sqlite:empty.db');
    assert.equal(empty.exitCode, 2, empty.stderr);
    assert.match(empty.stderr, /^error: there is no farm in sqlite:empty\.db: it has no token/m);
    await using running = await startCli(['control', 'run', '--port', '0'], { home });
    await running.waitFor(/control plane runs at/);
  }));

test('control run serves until it is told to stop, and a second one is refused', () =>
  withHome(async (home) => {
    await runCli(['control', 'init', '--yes'], { home });
    await using running = await startCli(['control', 'run', '--port', '0'], { home });
    const [, url] = await running.waitFor(/control plane runs at (\S+)/);
    const health = (await (await fetch(`${url}/health`)).json()) as { status: string };
    assert.equal(health.status, 'ok');
    const second = await runCliJson<{ error: { code: string } }>(['control', 'run', '--port', '0'], { home });
    assert.deepEqual([second.exitCode, second.json.error.code], [1, 'ALREADY_RUNNING']);
    const ended = await running.stop('SIGINT');
    assert.equal(ended.exitCode, 0);
    assert.match(ended.stderr, /"event":"control\.stopped"/);
    assert.equal(existsSync(homePaths(join(home, '.flatrender')).controlPid), false);
  }));

test('in the background it is started, shown, and stopped; a pid file that was left behind is no obstacle', () =>
  withHome(async (home) => {
    await runCli(['control', 'init', '--yes'], { home });
    const paths = homePaths(join(home, '.flatrender'));
    const status = () =>
      runCliJson<{ running: boolean; pid: number | null; url: string | null }>(['control', 'status'], {
        home,
      });
    assert.deepEqual([(await status()).exitCode, (await status()).json.running], [1, false]);
    // The number of a process that is none of ours.
    writeFileSync(paths.controlPid, `${process.pid}\n`);
    assert.equal((await status()).json.running, false);

    const started = await runCliJson<{ url: string; pid: number }>(
      ['control', 'run', '--daemon', '--port', '0'],
      { home },
    );
    assert.equal(started.exitCode, 0, started.stderr);
    try {
      const shown = await status();
      assert.deepEqual(
        [shown.exitCode, shown.json.pid, shown.json.url],
        [0, started.json.pid, started.json.url],
      );
      assert.equal(readFileSync(paths.controlPid, 'utf8'), `${started.json.pid}\n`);
      const again = await runCliJson<{ error: { code: string } }>(['control', 'run', '--daemon'], { home });
      assert.equal(again.json.error.code, 'ALREADY_RUNNING');
      assert.match(readFileSync(paths.controlLog, 'utf8'), /control\.started/);
    } finally {
      const stopped = await runCliJson<{ stopped: boolean; forced: boolean }>(['control', 'stop'], { home });
      assert.deepEqual([stopped.exitCode, stopped.json.stopped, stopped.json.forced], [0, true, false]);
    }
    assert.equal((await runCliJson<{ stopped: boolean }>(['control', 'stop'], { home })).json.stopped, false);
  }));

test('a start in the background that fails shows why', () =>
  withHome(async (home) => {
    await runCli(['control', 'init', '--yes'], { home });
    const config = homePaths(join(home, '.flatrender')).config;
    writeFileSync(
      config,
      readFileSync(config, 'utf8').replace('cron: 17 * * * *', 'cron: "whenever it suits"'),
    );
    const result = await runCli(['control', 'run', '--daemon', '--port', '0'], { home });
    assert.equal(result.exitCode, 1);
    assert.match(result.stderr, /ended while it started[\s\S]*retention\.cron: "whenever it suits"/);
  }));
