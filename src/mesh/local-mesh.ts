/** The mesh of this machine, changed by this process: it must be root. */
import { chmod, mkdir, mkdtemp, readFile, rm, rmdir, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { FlatrenderError } from '../lib/errors.ts';
import { type RunOptions, type RunResult, run } from '../lib/exec.ts';
import { replaceFile } from '../lib/replace-file.ts';
import { decodeConfig } from './decode-config.ts';
import { peerNotFound, peersOf, removePeerText, renamePeerText, setPeerText } from './edit-config.ts';
import type { AddPeerRequest, Mesh, MeshPeer, MeshServer, PeerStatus } from './mesh.ts';
import { parseWgConfig, type WgConfig } from './wg-config.ts';
import { parseWgDump } from './wg-dump.ts';

export interface LocalMeshOptions {
  /** e.g. wg0. */
  readonly interface: string;
  /** Where `<interface>.conf` is: /etc/wireguard. */
  readonly directory: string;
  readonly signal?: AbortSignal | undefined;
  readonly now?: () => number;
}

/** The mesh and what only its own commands do. */
export interface LocalMesh extends Mesh {
  readonly file: string;
  /** The file, checked. MESH_UNAVAILABLE when there is none, or it may not be read. */
  read(): Promise<WgConfig>;
  /** Changes the text under the lock and applies it. Returns false when nothing changed. */
  change(edit: (config: WgConfig) => string): Promise<boolean>;
  /** Brings the running interface in line with the file. False: it is not up. */
  sync(): Promise<boolean>;
  isUp(): Promise<boolean>;
  /** Takes the file away from everybody but its owner. False: nobody else could read it, there is none, or it is not ours. */
  protect(): Promise<boolean>;
}

// Each answers in milliseconds; what hangs looks up a name, or has a broken kernel module. A writer runs four of them while it
// holds the lock, and must be through before others take it for dead.
const WG_MS = 7_000;
const LOCK_MS = 15_000;
const LOCK_POLL_MS = 20;
/** A writer holds the lock for milliseconds; one that is older was killed. */
const LOCK_STALE_MS = 30_000;

/** The mesh of this machine; nothing is read or checked before the first call. */
export function openLocalMesh(options: LocalMeshOptions): LocalMesh {
  const { interface: device, directory, signal, now = Date.now } = options;
  const file = join(directory, `${device}.conf`);
  const read = async (): Promise<WgConfig> => parseWgConfig(await readText(file), file);

  const wg = async (args: readonly string[]): Promise<string> => {
    const { stdout } = await runTool('wg', args, { timeoutMs: WG_MS });
    return stdout;
  };
  /** At once: `wg syncconf` waits for names of hand-made peers that cannot be looked up, and changes nothing then. */
  const cut = async (keys: readonly string[]): Promise<void> => {
    if (keys.length > 0) await wg(['set', device, ...keys.flatMap((key) => ['peer', key, 'remove'])]);
  };
  const isUp = async (): Promise<boolean> => {
    const names = await wg(['show', 'interfaces']);
    return names.split(/\s+/).includes(device);
  };
  const sync = async (): Promise<boolean> => {
    if (!(await isUp())) return false;
    await applyFile(file, device);
    return true;
  };
  const change = async (edit: (config: WgConfig) => string): Promise<boolean> => {
    await using _lock = await lock(file, signal);
    const text = await readText(file);
    const before = parseWgConfig(text, file);
    const next = edit(before);
    if (next !== text) replaceFile(file, next, { mode: 0o600 });
    // Also when the file said so already: the one who wrote it may have been ended before the interface knew. From here on
    // an abort waits: the file is written, and each program has its own limit.
    if (await isUp()) {
      const kept = new Set(parseWgConfig(next, file).peers.map(({ publicKey }) => publicKey));
      await cut(before.peers.map(({ publicKey }) => publicKey).filter((key) => !kept.has(key)));
      await applyFile(file, device);
    }
    return next !== text;
  };
  return {
    file,
    read,
    change,
    sync,
    isUp,
    async protect(): Promise<boolean> {
      const found = await stat(file).catch(() => null);
      if (found === null || (found.mode & 0o077) === 0) return false;
      // Somebody else's file, for whom may not change that: no reason to do nothing at all.
      return await chmod(file, 0o600).then(
        () => true,
        () => false,
      );
    },
    async server(): Promise<MeshServer> {
      const { publicKey, endpoint, address, network, listenPort } = await read();
      return {
        interface: device,
        publicKey,
        endpoint: endpoint?.text ?? null,
        address,
        network: network.text,
        listenPort,
      };
    },
    async peers(): Promise<readonly MeshPeer[]> {
      return peersOf(await read());
    },
    async status(): Promise<readonly PeerStatus[]> {
      const config = await read();
      const live = (await isUp()) ? parseWgDump(await wg(['show', device, 'dump'])) : new Map();
      return peersOf(config).map((peer) => {
        const seen = peer.publicKey === null ? undefined : live.get(peer.publicKey);
        const handshakeAt = seen?.handshakeAt ?? null;
        return {
          ...peer,
          handshakeAt,
          endpoint: seen?.endpoint ?? null,
          rxBytes: seen?.rxBytes ?? 0,
          txBytes: seen?.txBytes ?? 0,
          isOnline: handshakeAt !== null && now() - handshakeAt < 180_000,
        };
      });
    },
    async setPeer(request: AddPeerRequest): Promise<MeshPeer> {
      let peer: MeshPeer | undefined;
      await change((config) => {
        const edited = setPeerText(config, request);
        peer = edited.peer;
        return edited.changed ? edited.text : config.lines.join('\n');
      });
      return required(peer);
    },
    async removePeer(name, { keepAddress }): Promise<boolean> {
      let removed = false;
      await change((config) => {
        const edited = removePeerText(config, name, { keepAddress });
        removed = edited !== null;
        return edited?.text ?? config.lines.join('\n');
      });
      return removed;
    },
    async renamePeer(from, to): Promise<MeshPeer> {
      let peer: MeshPeer | undefined;
      await change((config) => {
        if (!peersOf(config).some(({ name }) => name === from)) throw peerNotFound(from, config);
        const edited = renamePeerText(config, from, to);
        peer = edited.peer;
        return edited.changed ? edited.text : config.lines.join('\n');
      });
      return required(peer);
    },
  };
}

/**
 * `wg syncconf <device> <(wg-quick strip <file>)`, without a shell: the stripped text goes through a private file. Other
 * peers' sessions go on (measured: 0 to 2 of 600 pings lost). A text without a private key would wipe the key: refused.
 */
async function applyFile(file: string, device: string): Promise<void> {
  const limits = { timeoutMs: WG_MS };
  const { stdout } = await runTool('wg-quick', ['strip', file], limits);
  if (!/^\s*PrivateKey\s*=/im.test(stdout)) {
    throw new FlatrenderError(
      'MESH_INVALID',
      `${file}: wg-quick strip gave no PrivateKey: nothing was applied`,
      {
        hint: `wg-quick strip ${file}`,
      },
    );
  }
  const directory = await mkdtemp(join(tmpdir(), 'flatrender-wg-'));
  const stripped = join(directory, 'stripped.conf');
  try {
    await writeFile(stripped, stdout, { mode: 0o600 });
    await runTool('wg', ['syncconf', device, stripped], limits);
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
}

/** PROGRAM_MISSING says which package has it. */
async function runTool(program: string, args: readonly string[], options: RunOptions): Promise<RunResult> {
  try {
    return await run(program, args, options);
  } catch (error) {
    if (!(error instanceof FlatrenderError) || error.code !== 'PROGRAM_MISSING') throw error;
    throw new FlatrenderError('PROGRAM_MISSING', `${program} is not on this machine`, {
      cause: error,
      hint: 'install WireGuard and nftables, e.g. apt install wireguard-tools nftables',
    });
  }
}

async function readText(file: string): Promise<string> {
  try {
    return decodeConfig(await readFile(file), file);
  } catch (cause) {
    if (cause instanceof FlatrenderError) throw cause;
    const { code } = cause as NodeJS.ErrnoException;
    if (code === 'ENOENT') {
      throw new FlatrenderError('MESH_UNAVAILABLE', `there is no mesh on this machine: no ${file}`, {
        cause,
        hint: 'sudo flatrender wg init --endpoint HOST:51820',
      });
    }
    throw new FlatrenderError('ELEVATION_NEEDED', `${file} may only be read and changed by root`, {
      cause,
      hint: 'run the command with sudo',
    });
  }
}

/** One writer at a time, across processes: a directory is made by exactly one. */
async function lock(file: string, signal: AbortSignal | undefined): Promise<AsyncDisposable> {
  const path = `${file}.lock`;
  const deadline = performance.now() + LOCK_MS;
  for (;;) {
    signal?.throwIfAborted();
    try {
      await mkdir(path, { mode: 0o700 });
      return { [Symbol.asyncDispose]: () => rmdir(path).catch(() => undefined) };
    } catch (cause) {
      const { code } = cause as NodeJS.ErrnoException;
      if (code === 'EACCES' || code === 'EROFS' || code === 'EPERM') {
        throw new FlatrenderError('ELEVATION_NEEDED', `${file} may only be changed by root`, {
          cause,
          hint: 'run the command with sudo',
        });
      }
      if (code !== 'EEXIST') throw cause;
    }
    const age = await stat(path).then(
      ({ mtimeMs }) => Date.now() - mtimeMs,
      () => 0,
    );
    if (age > LOCK_STALE_MS) await rmdir(path).catch(() => undefined);
    if (performance.now() > deadline) {
      throw new FlatrenderError('MESH_UNAVAILABLE', `another program changes ${file} and does not end`, {
        hint: `if none runs: rmdir ${path}`,
      });
    }
    await new Promise((resolve) => setTimeout(resolve, LOCK_POLL_MS));
  }
}

function required<T>(value: T | undefined): T {
  if (value === undefined) throw new Error('nothing was edited');
  return value;
}
