/** Puts together what `doctor` looks at: this machine, and whatever role it has. */
import type { Api } from '../../client/api.ts';
import { healthUrlOf } from '../../config/agent-config.ts';
import type { ClientConfig } from '../../config/client-config.ts';
import { flatrenderHome } from '../../config/home.ts';
import { FlatrenderError } from '../../lib/errors.ts';
import type { ServiceRole } from '../../service/service-spec.ts';
import { agentCheck } from './agent-check.ts';
import type { Check, CheckResult } from './checks.ts';
import { controlChecks } from './control-checks.ts';
import { farmChecks } from './farm-checks.ts';
import { machineChecks } from './machine-checks.ts';
import { nodeChecks } from './node-checks.ts';
import { serviceCheck } from './service-checks.ts';
import { serviceFacts } from './service-facts.ts';
import { writeSupportBundle } from './support-bundle.ts';
import {
  agentDisks,
  agentFacts,
  bundleSources,
  findAgent,
  findControlHome,
  knownSecrets,
  nodeFacts,
  pathsOf,
} from './this-machine.ts';
import { tunnelChecks } from './tunnel-checks.ts';
import { tunnelFacts } from './tunnel-facts.ts';

interface DoctorOptions {
  readonly version: string;
  readonly signal: AbortSignal;
  /** Throws CONFIG_MISSING when this terminal knows no control plane. */
  readonly connect: () => { api: Api; config: ClientConfig };
}

/** The checks of this machine; dispose of it. */
export interface Doctor extends AsyncDisposable {
  readonly checks: readonly Check[];
  /** Writes the support bundle; returns the names in it. */
  writeBundle(file: string, results: readonly CheckResult[]): Promise<readonly string[]>;
}

/** Finds out what this machine is, and which checks that means. */
export async function openDoctor({ version, signal, connect }: DoctorOptions): Promise<Doctor> {
  const agent = findAgent();
  const broken = agent instanceof FlatrenderError ? agent : null;
  const loaded = agent instanceof FlatrenderError ? null : agent;
  const controlHome = findControlHome();
  const facts = loaded === null ? null : nodeFacts(loaded, signal);
  const usesAfterEffects = loaded !== null && loaded.config.aerender.path !== '';
  const service = (role: ServiceRole): Check =>
    serviceCheck(
      serviceFacts(role, { usesAfterEffects, healthUrl: loaded && healthUrlOf(loaded.config), signal }),
    );
  const checks: Check[] = [
    ...machineChecks({
      home: flatrenderHome(),
      disks: loaded === null ? [] : agentDisks(loaded.config),
      ffmpegPath: loaded?.config.ffmpegPath ?? '',
      aerender: loaded?.config.aerender ?? null,
    }),
    ...(controlHome === null
      ? []
      : [service('control'), ...controlChecks({ directory: controlHome, version, signal })]),
    ...(broken ? [{ name: 'agent.env', run: () => Promise.reject(broken) }] : []),
    ...(loaded === null || facts === null
      ? []
      : [
          service('agent'),
          ...tunnelChecks(tunnelFacts(pathsOf('agent').tunnelFile, signal), loaded.config.url),
          ...nodeChecks(facts),
        ]),
    ...farmChecks({ connect, version }),
    agentCheck(
      loaded === null
        ? broken
          ? 'needs an agent.env that can be read'
          : 'this machine has no agent.env'
        : agentFacts(loaded.config, version, signal),
    ),
  ];
  return {
    checks,
    async writeBundle(file, results) {
      const secrets = await knownSecrets(agent, controlHome);
      const sources = bundleSources(agent, controlHome, signal);
      return await writeSupportBundle({ file, flatrender: version, results, sources, secrets });
    },
    async [Symbol.asyncDispose]() {
      await facts?.close();
    },
  };
}
