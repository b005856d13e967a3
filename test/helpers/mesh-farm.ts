/** A farm in a mesh, made with the commands that its operators type. */
import { readFile, writeFile } from 'node:fs/promises';
import { resolve } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import type { JobView } from '../../src/protocol/jobs.ts';
import type { NodeView } from '../../src/protocol/nodes.ts';
import { CONTROL_PUBLIC, type Internet } from './internet.ts';
import type { Box, Machine } from './machines.ts';

/** Where the gateway is, in the mesh. */
export const GATEWAY = 'http://10.66.0.1:8088';

/** Boots the control plane's machine and makes a mesh and a farm on it; resolves when its gateway answers. */
export async function setUpControl({ control }: Internet): Promise<void> {
  await control.boot();
  await control.json(['wg', 'init', '--endpoint', `${CONTROL_PUBLIC}:51820`]);
  await control.json(['control', 'init', '--mesh', '--yes']);
  await control.json(['control', 'install']);
  await until('the gateway answers', () => answers(control, `${GATEWAY}/health`));
}

/** `node add` on the control plane; the invitation's file is carried to the machine. Its place there. */
export async function invite({ control }: Internet, node: string, machine: Machine): Promise<string> {
  const { file } = await control.json<{ file: string }>(['node', 'add', node]);
  return await carry(control, file, machine);
}

/** Copies a file from one machine to /root of another. Its place there. */
export async function carry(from: Machine, file: string, to: Machine): Promise<string> {
  const place = `/root/${file.split('/').at(-1)}`;
  await writeFile(to.path(place), await readFile(from.path(resolve('/root', file))), { mode: 0o600 });
  return place;
}

/** Boots a machine and joins it: resolves when `node join` says that the node is ready; how long that took, in seconds. */
export async function join(machine: Machine, invitation: string): Promise<number> {
  const watch = stopwatch();
  await machine.json(['node', 'join', invitation], { timeoutMs: 120_000 });
  return watch();
}

export async function nodeView({ control }: Internet, node: string): Promise<NodeView> {
  return await control.json<NodeView>(['node', 'show', node]);
}

/** Submits a job and waits for its end, which must be a success. */
export async function render(
  { control }: Internet,
  args: readonly string[],
  output: string,
  timeoutMs = 120_000,
): Promise<JobView> {
  const { jobs } = await control.json<{ jobs: JobView[] }>(
    ['job', 'submit', ...args, '--output', output, '--force'],
    { timeoutMs },
  );
  const [job] = jobs;
  if (job?.state !== 'succeeded') throw new Error(`the job failed: ${JSON.stringify(job, null, 1)}`);
  return job;
}

/** Does an HTTP server answer there within two seconds, with whatever status? */
export async function answers(box: Box, url: string, options: readonly string[] = []): Promise<boolean> {
  const command = ['curl', '-s', '-g', '-o', '/dev/null', '-m', '2', ...options, url];
  return (await box.run(command)).exitCode === 0;
}

/** Does it answer a ping within a second? */
export async function pings(box: Box, address: string, options: readonly string[] = []): Promise<boolean> {
  return (await box.run(['ping', '-c', '1', '-W', '1', ...options, address])).exitCode === 0;
}

/** Seconds since it was made. */
export function stopwatch(): () => number {
  const from = performance.now();
  return () => Math.round((performance.now() - from) / 10) / 100;
}

/** Waits for what must come by itself; how long it took, in seconds. */
export async function until(
  what: string,
  check: () => Promise<boolean>,
  timeoutMs = 60_000,
): Promise<number> {
  const watch = stopwatch();
  while (!(await check())) {
    if (watch() * 1000 > timeoutMs) throw new Error(`not within ${timeoutMs / 1000} s: ${what}`);
    await delay(100);
  }
  return watch();
}

/** Brings a tunnel `stolen` up on a machine, with what is in an invitation. */
export async function useStolenKey(machine: Machine, invitation: string): Promise<void> {
  const { mesh } = JSON.parse(await readFile(machine.path(invitation), 'utf8'));
  const config = `[Interface]
PrivateKey = ${mesh.privateKey}
Address = ${mesh.address}/32

[Peer]
PublicKey = ${mesh.serverPublicKey}
Endpoint = ${mesh.endpoint}
AllowedIPs = ${mesh.serverAddress}/32
PersistentKeepalive = 1
`;
  await writeFile(machine.path('/etc/wireguard/stolen.conf'), config, { mode: 0o600 });
  await machine.sh('wg-quick up stolen');
}

/** Publishes a template whose output is 30 MB that no codec can make smaller. Its name. */
export async function pushNoise(control: Machine): Promise<string> {
  const template = `schema: 1
name: noise
version: 1.0.0
composition: { width: 640, height: 360, fps: 25, duration: 4 }
engines:
  ffmpeg:
    sources:
      - { generate: 'color=c=gray:s={width}x{height}:r={fps}:d={duration}' }
    graph: '[0:v]noise=alls=100:allf=t[video]'
    video: '[video]'
outputs:
  - { name: main, container: mp4, quality: 4 }
`;
  await control.sh('mkdir -p /root/noise; cat >/root/noise/template.yaml', { input: template });
  await control.json(['template', 'push', '/root/noise']);
  return 'noise';
}

/** A download that goes on while other things happen. */
export interface Transfer {
  isOver(): boolean;
  /** curl's exit code and the sum of what came: `0 e3b0c442…`. */
  readonly ended: Promise<string>;
}

/** Downloads a job's file on a machine over one connection, never resumed, 1.5 MB/s; given up after 3 s of silence. */
export async function download({ control }: Internet, machine: Machine, job: string): Promise<Transfer> {
  const { token } = JSON.parse(await readFile(control.path('/root/.flatrender/client.json'), 'utf8'));
  const answer = await control.sh(
    `curl -sf -H 'authorization: Bearer ${token}' ${GATEWAY}/v1/jobs/${job}/output`,
  );
  const curl = 'curl -sf -m 60 --limit-rate 1500k --speed-time 3 --speed-limit 1 -o /root/download "$0"';
  const script = `rm -f /root/download; ${curl} && code=0 || code=$?; echo "$code $(sha256sum </root/download)"`;
  const running = machine.start(['bash', '--norc', '-c', script, JSON.parse(answer).outputs[0].url]);
  let isOver = false;
  const ended = running.ended.then(({ stdout }) => {
    isOver = true;
    return stdout.trim().replace(/ +-$/, '');
  });
  await until('the download runs', async () => {
    const { stdout } = await machine.run(['stat', '-c', '%s', '/root/download']);
    return Number(stdout) > 0;
  });
  return { isOver: () => isOver, ended };
}

/** Waits until a node is reached through the tunnel and has beaten since; seconds from now. */
export async function untilBack(net: Internet, node: string): Promise<number> {
  const since = Date.now();
  const watch = stopwatch();
  await until(`${node} beats again`, async () => {
    const seen = await nodeView(net, node).catch(() => null);
    return seen?.status === 'ready' && Date.parse(seen.lastSeenAt ?? '') > since;
  });
  return watch();
}
