/** A private S3 server: Ceph's radosgw with one monitor and one OSD in memory, on loopback, gone with this process. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { accessSync, constants } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { createInterface } from 'node:readline';
import { freePort } from './free-port.ts';

export interface S3Account {
  readonly accessKey: string;
  readonly secretKey: string;
}

export interface Radosgw extends AsyncDisposable, S3Account {
  /** `http://127.0.0.1:port`. */
  readonly url: string;
  readonly region: string;
  /** Somebody else on the same server. */
  readonly other: S3Account;
  /** SIGKILL of the gateway; what it acknowledged stays. */
  kill(): Promise<void>;
  /** Starts the gateway again; resolves when it listens. */
  restart(): Promise<void>;
  /** The disk behind it stands still: requests are taken, none is answered. */
  freeze(): Promise<void>;
  thaw(): Promise<void>;
}

const PROGRAMS = ['ceph', 'ceph-authtool', 'monmaptool', 'ceph-mon', 'ceph-osd', 'radosgw', 'radosgw-admin'];

/** What a test says when it is skipped; undefined: everything is there. */
export const radosgwMissing: string | undefined = whatIsMissing();

function whatIsMissing(): string | undefined {
  const folders = [...(process.env.PATH ?? '').split(delimiter), '/usr/bin', '/usr/sbin'];
  const missing = PROGRAMS.filter((name) => !folders.some((folder) => isProgram(join(folder, name))));
  if (missing.length === 0) return undefined;
  return `${missing.join(', ')}: on Debian, apt-get install ceph-mon ceph-osd ceph-common radosgw`;
}

function isProgram(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

/** Starts one, ready in some 12 s. `bytes`: its memory for objects, default 4 GiB (used as it fills). */
export async function startRadosgw(options: { readonly bytes?: number } = {}): Promise<Radosgw> {
  const directory = await mkdtemp(join(tmpdir(), 'flatrender-rgw-'));
  const [port, monitor] = [await freePort(), await freePort()];
  const script = join(import.meta.dirname, 'radosgw.sh');
  // It ends when its input does, so also when this process is killed.
  const child = spawn('bash', [script, directory, String(port), String(monitor)], {
    stdio: ['pipe', 'pipe', 'inherit'],
    env: { ...process.env, ...(options.bytes === undefined ? {} : { RADOSGW_BYTES: String(options.bytes) }) },
    // A Ctrl-C at the terminal is for the tests; they end it.
    detached: true,
  });
  const told = lines(child);
  await told('ready');
  const command = async (name: string): Promise<void> => {
    child.stdin?.write(`${name}\n`);
    await told('ok');
  };
  return {
    url: `http://127.0.0.1:${port}`,
    region: 'us-east-1',
    accessKey: 'flatkey123',
    secretKey: 'flatsecret12345678',
    other: { accessKey: 'otherkey123', secretKey: 'othersecret12345678' },
    kill: () => command('kill'),
    restart: () => command('start'),
    freeze: () => command('stop-osd'),
    thaw: () => command('start-osd'),
    async [Symbol.asyncDispose]() {
      const ended = once(child, 'close');
      child.stdin?.end();
      if (child.exitCode === null && child.signalCode === null) await ended;
      await rm(directory, { recursive: true, force: true });
    },
  };
}

/** Waits for the next line; it must be this one. */
function lines(child: ChildProcess): (wanted: string) => Promise<void> {
  if (child.stdout === null) throw new Error('no output');
  const seen: string[] = [];
  const reader = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  return async (wanted) => {
    for (;;) {
      const { value, done } = await reader.next();
      if (done) throw new Error(`radosgw.sh ended: ${seen.join('\n')}`);
      if (value === wanted) return;
      seen.push(value);
    }
  };
}
