import { existsSync } from 'node:fs';
import type { ServiceRole } from '../../service/service-spec.ts';
import { askAgent } from '../../setup/node-status.ts';
import { serviceStatus, startService } from '../../setup/services.ts';
import type { ServiceFacts } from './service-checks.ts';

/** A service of this machine, asked when its check runs. */
export function serviceFacts(
  role: ServiceRole,
  options: {
    readonly usesAfterEffects: boolean;
    /** Of the agent; null: it has none. */
    readonly healthUrl: string | null;
    readonly signal: AbortSignal;
  },
): ServiceFacts {
  const { usesAfterEffects, healthUrl, signal } = options;
  return {
    role,
    status: () => serviceStatus(role, signal),
    start: () => startService(role, signal),
    isUnmanaged: process.platform === 'linux' && !existsSync('/run/systemd/system'),
    isRunningByHand: async () =>
      role === 'agent' && healthUrl !== null && (await askAgent(healthUrl, signal)) !== null,
    usesAfterEffects,
    platform: process.platform,
  };
}
