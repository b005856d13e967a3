import { connect } from 'node:net';
import type { z } from 'zod';
import { type ErrorBody, errorFromBody, FlatrenderError } from '../lib/errors.ts';
import type { Mesh } from './mesh.ts';
import { MESH_RESULTS, type MeshCall, MeshReply } from './mesh-call.ts';

// A program is started for it, which may take a second on a busy machine; `wg` itself needs milliseconds.
const ANSWER_MS = 20_000;
const MAX_REPLY_BYTES = 4 * 1024 * 1024;

/** The mesh behind the helper's socket. Each call is a connection of its own. MESH_UNAVAILABLE when it does not answer. */
export function connectMesh(socket: string, timeoutMs: number = ANSWER_MS): Mesh {
  const ask = async <T extends z.ZodType>(call: MeshCall, result: T): Promise<z.output<T>> =>
    resultOf(socket, result, await exchange(socket, `${JSON.stringify(call)}\n`, timeoutMs));
  const results = MESH_RESULTS;
  return {
    server: () => ask({ call: 'server' }, results.server),
    peers: () => ask({ call: 'peers' }, results.peers),
    status: () => ask({ call: 'status' }, results.status),
    // undefined is left out by JSON.
    setPeer: ({ name, publicKey, address, temporaryUntil }) =>
      ask({ call: 'setPeer', name, publicKey, address, temporaryUntil }, results.setPeer),
    removePeer: (name, { keepAddress }) => ask({ call: 'removePeer', name, keepAddress }, results.removePeer),
    renamePeer: (from, to) => ask({ call: 'renamePeer', from, to }, results.renamePeer),
  };
}

/** The result in an answer, or the error that it carries. */
function resultOf<T extends z.ZodType>(path: string, schema: T, text: string): z.output<T> {
  let reply: z.output<typeof MeshReply>;
  try {
    reply = MeshReply.parse(JSON.parse(text));
    if (!('error' in reply)) return schema.parse(reply.result);
  } catch (cause) {
    const why = text === '' ? 'it ended without an answer' : 'its answer is not understood';
    throw unavailable(path, why, cause);
  }
  throw errorFromBody(reply.error as ErrorBody);
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
