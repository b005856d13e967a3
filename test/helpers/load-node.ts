/** Nodes that claim and complete without rendering: they load the control plane, nothing else. */
import { createHash } from 'node:crypto';
import { newId } from '../../src/lib/ids.ts';
import type { EngineName } from '../../src/protocol/names.ts';
import type { LoadClient } from './load-client.ts';
import { registration } from './registration.ts';

export interface NodeKey {
  readonly id: string;
  readonly secret: string;
}

export interface ClaimedTask {
  readonly id: string;
  readonly jobId: string;
  readonly epoch: number;
}

const RESULT = {
  sha256: 'a'.repeat(64),
  sizeBytes: 1000,
  frames: 30,
  durationMs: 1000,
  width: 1920,
  height: 1080,
  codec: 'h264',
  renderMs: 1,
  overheadMs: 1,
};

/** Creates a node and registers it with one engine. */
export async function addNode(
  client: LoadClient,
  id: string,
  engine: EngineName,
  tags: string[] = [],
): Promise<NodeKey> {
  const created = await client.call('POST', '/v1/nodes', { id });
  const node = { id, secret: String(created.body?.secret) };
  const registered = await client.asNode(node, '/v1/agent/register', registration(id, [engine], tags, 64));
  if (registered.status >= 300) throw new Error(`register refused: ${JSON.stringify(registered.body)}`);
  return node;
}

/** One claim; null when nothing came within `waitMs`. */
export async function claimOnce(
  client: LoadClient,
  node: NodeKey,
  waitMs: number,
): Promise<ClaimedTask | null> {
  const answer = await client.asNode(node, '/v1/agent/claim', {
    claimId: newId('c', Date.now()),
    freeSlots: 1,
    waitMs,
  });
  if (answer.status === 204) return null;
  if (answer.status !== 200)
    throw new Error(`claim was answered ${answer.status}: ${JSON.stringify(answer.body)}`);
  return answer.body?.task as ClaimedTask;
}

/** Uploads a small output for the task to where the control plane says; returns the result to complete with. */
export async function uploadOnce(client: LoadClient, node: NodeKey, task: ClaimedTask): Promise<object> {
  const body = Buffer.from(`output of ${task.id}`);
  const sha256 = createHash('sha256').update(body).digest('hex');
  const { epoch } = task;
  const place = await client.asNode(node, `/v1/agent/tasks/${task.id}/uploads`, {
    epoch,
    fileName: 'main.mp4',
    sizeBytes: body.length,
    sha256,
  });
  const { url, key, headers } = place.body as { url: string; key: string; headers: Record<string, string> };
  const put = await fetch(url, { method: 'PUT', headers, body });
  await put.arrayBuffer();
  if (!put.ok) throw new Error(`upload was answered ${put.status}`);
  return { ...RESULT, key, sha256, sizeBytes: body.length };
}

/** Reports the task done; returns the HTTP status. Without a result: one that names an output nobody uploaded. */
export async function completeOnce(
  client: LoadClient,
  node: NodeKey,
  task: ClaimedTask,
  result: object = { ...RESULT, key: `outputs/${task.jobId}/${task.id}-${task.epoch}/main.mp4` },
): Promise<number> {
  const answer = await client.asNode(node, `/v1/agent/tasks/${task.id}/complete`, {
    epoch: task.epoch,
    result,
  });
  return answer.status;
}
