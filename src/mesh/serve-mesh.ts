import { FlatrenderError, toFlatrenderError } from '../lib/errors.ts';
import type { Mesh } from './mesh.ts';
import { MAX_CALL_BYTES, MeshCall } from './mesh-call.ts';

/** Answers one call: reads it to its line end, returns the line to write. Never rejects: what fails is in the answer. */
export async function answerMeshCall(mesh: Mesh, input: AsyncIterable<Buffer | string>): Promise<string> {
  try {
    const call = MeshCall.safeParse(parse(await readLine(input)));
    if (!call.success) throw refused(call.error.issues[0]?.message ?? 'not valid');
    return `${JSON.stringify({ result: await perform(mesh, call.data) })}\n`;
  } catch (error) {
    const { details: _, ...body } = toFlatrenderError(error).toBody();
    return `${JSON.stringify({ error: body })}\n`;
  }
}

function perform(mesh: Mesh, call: MeshCall): Promise<unknown> {
  switch (call.call) {
    case 'server':
      return mesh.server();
    case 'peers':
      return mesh.peers();
    case 'status':
      return mesh.status();
    case 'setPeer': {
      const { call: _, ...request } = call;
      return mesh.setPeer(request);
    }
    case 'removePeer':
      return mesh.removePeer(call.name, { keepAddress: call.keepAddress });
    case 'renamePeer':
      return mesh.renamePeer(call.from, call.to);
  }
}

async function readLine(input: AsyncIterable<Buffer | string>): Promise<string> {
  let text = '';
  for await (const chunk of input) {
    text += chunk.toString();
    if (text.length > MAX_CALL_BYTES) throw refused('too long');
    if (text.includes('\n')) break;
  }
  return text.split('\n', 1)[0] ?? '';
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    throw refused('not JSON');
  }
}

function refused(why: string): FlatrenderError {
  return new FlatrenderError('REQUEST_INVALID', `a call of the mesh's helper: ${why}`, {
    hint: 'it is started by flatrender-mesh.socket for the control plane, not by hand',
  });
}
