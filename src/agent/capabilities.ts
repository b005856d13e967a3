/** What this machine can do, as reported at registration. */
import { createSocket } from 'node:dgram';
import { arch, cpus, release, type } from 'node:os';
import type { AgentConfig } from '../config/agent-config.ts';
import type { Capabilities, EngineInfo, SystemInfo } from '../protocol/nodes.ts';

/** CPU, cores, operating system, memory, GPU, disk, engines and limits. */
export function capabilitiesOf(
  config: AgentConfig,
  engines: readonly EngineInfo[],
  system: SystemInfo,
): Capabilities {
  const cores = cpus();
  return {
    os: `${type()} ${release()}`.slice(0, 64),
    arch: arch(),
    cpu: (cores[0]?.model.trim() || 'unknown').slice(0, 256),
    cores: Math.max(1, cores.length),
    system,
    engines: [...engines],
    tags: [...config.tags],
    maxConcurrentJobs: config.maxConcurrentJobs,
  };
}

/**
 * Own address on the interface that reaches the control plane. Connecting a UDP socket only asks the routing table;
 * nothing is sent. `0.0.0.0` when there is no route (yet).
 */
export async function hostIpTowards(url: string): Promise<string> {
  const { hostname, port, protocol } = new URL(url);
  const host = hostname.replace(/^\[|\]$/g, '');
  const socket = createSocket(host.includes(':') ? 'udp6' : 'udp4');
  try {
    return await new Promise<string>((resolve) => {
      socket.on('error', () => resolve('0.0.0.0'));
      socket.connect(Number(port) || (protocol === 'https:' ? 443 : 80), host, () =>
        resolve(socket.address().address),
      );
    });
  } finally {
    socket.close();
  }
}
