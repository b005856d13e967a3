import type { EngineName } from '../../src/protocol/names.ts';

/** What a node says of itself when it registers. */
export function registration(
  hostname: string,
  engines: EngineName[],
  tags: string[] = [],
  maxConcurrentJobs = 4,
): Record<string, unknown> {
  return {
    hostname,
    roles: ['render'],
    hostIp: '127.0.0.1',
    machineId: hostname,
    agentVersion: '0.0.0',
    capabilities: {
      os: 'linux',
      arch: 'x64',
      cpu: 'none',
      cores: 2,
      system: {
        gpu: null,
        memory: { total: 1000, used: 100, free: 900 },
        disk: { total: 1000, used: 100, free: 900 },
      },
      engines: engines.map((name) => ({ name, available: true, version: '1' })),
      tags,
      maxConcurrentJobs,
    },
  };
}
