import { ClientCommand } from '../src/cli/client-command.ts';
import { type CheckResult, checkText, runChecks } from '../src/cli/doctor/checks.ts';
import { farmChecks } from '../src/cli/doctor/farm-checks.ts';
import { machineChecks } from '../src/cli/doctor/machine-checks.ts';
import { plural } from '../src/cli/output.ts';
import type { AerenderSettings } from '../src/config/aerender-settings.ts';
import { flatrenderHome } from '../src/config/home.ts';
import { FlatrenderError } from '../src/lib/errors.ts';

export default class Doctor extends ClientCommand {
  static override summary = 'Check this machine and its connection to the control plane';
  static override description =
    'Each line is ok, warning, failed or skipped; under what is wrong stands the command that mends it. Exit code 1 when something failed.';
  static override examples = [
    '<%= config.bin %> <%= command.id %>',
    '<%= config.bin %> <%= command.id %> --url http://10.66.0.1:8088 --json',
  ];

  async run(): Promise<{ ok: boolean; checks: readonly CheckResult[] }> {
    await this.parse(Doctor);
    const found = await agentSettings();
    const broken = found instanceof FlatrenderError ? found : null;
    const agent = found instanceof FlatrenderError ? null : found;
    const checks = [
      ...(broken ? [{ name: 'agent.env', run: () => Promise.reject(broken) }] : []),
      ...machineChecks({
        home: flatrenderHome(),
        ffmpegPath: agent?.ffmpegPath ?? '',
        aerender: agent?.aerender ?? null,
      }),
      ...farmChecks({
        connect: () => ({ api: this.api, config: this.clientConfig }),
        version: this.config.version,
        agentHealthUrl: agent?.healthUrl ?? null,
        whyNoAgent: broken
          ? 'needs an agent.env that can be read'
          : agent
            ? 'it has no health endpoint of its own to ask (HEALTH_PORT)'
            : 'this machine has no agent.env',
        signal: this.signal,
      }),
    ];
    const onResult = (result: CheckResult): void => this.print(checkText(result));
    const results = await runChecks(checks, { signal: this.signal, onResult });
    const count = (status: CheckResult['status']): number =>
      results.filter((result) => result.status === status).length;
    const [failed, warnings] = [count('failed'), count('warning')];
    if (failed > 0) process.exitCode = 1;
    this.note(failed + warnings === 0 ? 'all is well' : `${failed} failed, ${plural(warnings, 'warning')}`);
    return { ok: failed === 0, checks: results };
  }
}

interface AgentSettings {
  readonly ffmpegPath: string;
  readonly aerender: AerenderSettings;
  readonly healthUrl: string | null;
}

/** What this machine's agent is set to; null when it has none. The error when its agent.env is broken. */
async function agentSettings(): Promise<AgentSettings | FlatrenderError | null> {
  const { isAgentSetUp, loadAgentConfig } = await import('../src/config/agent-config.ts');
  try {
    if (!isAgentSetUp()) return null;
    const { aerender, ffmpegPath, healthPort, healthHost } = loadAgentConfig({}).config;
    const host = healthHost === '0.0.0.0' ? '127.0.0.1' : healthHost;
    return {
      ffmpegPath,
      aerender,
      healthUrl: healthPort === null || healthPort === 0 ? null : `http://${host}:${healthPort}/health`,
    };
  } catch (error) {
    if (error instanceof FlatrenderError) return error;
    throw error;
  }
}
