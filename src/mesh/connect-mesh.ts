import { connect } from 'node:net';
import { type ErrorBody, errorFromBody, FlatrenderError } from '../lib/errors.ts';
import type { Mesh, MeshPeer, MeshServer, PeerStatus } from './mesh.ts';
import { type MeshCall, MeshReply } from './mesh-call.ts';

// A program is started for it, which may take a second on a busy machine; `wg` itself needs milliseconds.
const ANSWER_MS = 20_000;
const MAX_REPLY_BYTES = 4 * 1024 * 1024;

/** The mesh behind the helper's socket. Each call is a connection of its own. MESH_UNAVAILABLE when it does not answer. */
export function connectMesh(socket: string, timeoutMs: number = ANSWER_MS): Mesh {
  const ask = async <T>(call: MeshCall): Promise<T> => (await askHelper(socket, call, timeoutMs)) as T;
  return {
    server: () => ask<MeshServer>({ call: 'server' }),
    peers: () => ask<readonly MeshPeer[]>({ call: 'peers' }),
    status: () => ask<readonly PeerStatus[]>({ call: 'status' }),
    setPeer: ({ name, publicKey, address, temporaryUntil }) =>
      ask<MeshPeer>({
        call: 'setPeer',
        name,
        publicKey,
        ...(address === undefined ? {} : { address }),
        ...(temporaryUntil === undefined ? {} : { temporaryUntil }),
      }),
    removePeer: (name, { keepAddress }) => ask<boolean>({ call: 'removePeer', name, keepAddress }),
    renamePeer: (from, to) => ask<MeshPeer>({ call: 'renamePeer', from, to }),
  };
}

async function askHelper(path: string, call: MeshCall, timeoutMs: number): Promise<unknown> {
  const text = await exchange(path, `${JSON.stringify(call)}\n`, timeoutMs);
  let reply: ReturnType<typeof MeshReply.parse>;
  try {
    reply = MeshReply.parse(JSON.parse(text));
  } catch (cause) {
    throw unavailable(
      path,
      text === '' ? 'it ended without an answer' : 'its answer is not understood',
      cause,
    );
  }
  if ('error' in reply) throw errorFromBody(reply.error as ErrorBody);
  return reply.result;
}

function exchange(path: string, request: string, timeoutMs: number): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = connect({ path });
    const chunks: Buffer[] = [];
    let bytes = 0;
    const fail = (why: string, cause?: unknown): void => {
      socket.destroy();
      reject(unavailable(path, why, cause));
    };
    socket.setTimeout(timeoutMs, () => fail(`no answer within ${timeoutMs / 1000} s`));
    socket.on('error', (error) => fail(error.message, error));
    socket.on('data', (chunk: Buffer) => {
      bytes += chunk.length;
      if (bytes > MAX_REPLY_BYTES) fail('its answer is too long');
      else chunks.push(chunk);
    });
    socket.on('end', () => resolve(Buffer.concat(chunks).toString('utf8')));
    socket.on('connect', () => socket.end(request));
  });
}

function unavailable(path: string, why: string, cause?: unknown): FlatrenderError {
  return new FlatrenderError('MESH_UNAVAILABLE', `the helper that changes the mesh (${path}): ${why}`, {
    cause,
    hint: 'journalctl -u "flatrender-mesh@*"; systemctl status flatrender-mesh.socket',
  });
}
