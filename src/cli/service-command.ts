/** What the commands of both services (`node …` on a node, `control …` on the control plane) have in common. */

import { Flags } from '@oclif/core';
import type { ServicePlatform } from '../config/machine-paths.ts';
import { planText, type StepResult } from '../lib/plan.ts';
import type { ServiceRole, ServiceState } from '../service/service-spec.ts';
import { BaseCommand } from './base-command.ts';
import { formatRelative } from './output.ts';

export interface InstallResult {
  readonly result: 'installed' | 'updated' | 'already' | 'planned';
  readonly name?: string;
  readonly manager?: string;
  readonly state?: ServiceState;
}

/** What both `logs` commands take. */
export const LOG_FLAGS = {
  follow: Flags.boolean({ char: 'f', description: 'go on with new lines' }),
  lines: Flags.integer({
    char: 'n',
    helpValue: '<n>',
    default: 30,
    min: 0,
    max: 1_000_000,
    description: 'so many of the last lines',
  }),
};

/** A command on a service of this machine. */
export abstract class ServiceCommand extends BaseCommand {
  protected readonly say = ({ step, result }: StepResult): void => this.note(`${result}: ${step.what}`);

  protected async install(
    role: ServiceRole,
    options: {
      readonly dryRun: boolean;
      readonly platform?: ServicePlatform | undefined;
      readonly isInteractive?: boolean | undefined;
      readonly start: boolean;
    },
  ): Promise<InstallResult> {
    const { installService, planInstall } = await import('../setup/services.ts');
    const { platform, isInteractive, start, dryRun } = options;
    if (dryRun) {
      const steps = await planInstall({ role, platform, isInteractive, signal: this.signal });
      if (steps.length > 0) this.print(planText(steps));
      this.note(steps.length > 0 ? '\nnothing was changed' : 'already installed: nothing to do');
      return { result: steps.length > 0 ? 'planned' : 'already' };
    }
    const done = await installService(
      { role, isInteractive },
      { signal: this.signal, onStep: this.say, start },
    );
    const how = { installed: 'installed', updated: 'updated', already: 'already installed' }[done.result];
    this.print(`${done.name} is ${how}; ${stateText(done.state)}`);
    return done;
  }

  protected async uninstall(role: ServiceRole): Promise<{ readonly wasInstalled: boolean }> {
    const { uninstallService } = await import('../setup/services.ts');
    const wasInstalled = await uninstallService(role, { signal: this.signal, onStep: this.say });
    this.print(wasInstalled ? 'the service is removed' : 'already: no service is installed');
    return { wasInstalled };
  }

  protected async start(role: ServiceRole): Promise<ServiceState> {
    const { startService } = await import('../setup/services.ts');
    const { already, ...state } = await startService(role, this.signal);
    this.print(already ? `already ${stateText(state)}` : `started; ${stateText(state)}`);
    return state;
  }

  protected async stop(role: ServiceRole): Promise<ServiceState> {
    const { stopService } = await import('../setup/services.ts');
    this.note('stopping');
    const { already, ...state } = await stopService(role, this.signal);
    this.print(already ? 'already stopped' : 'stopped');
    return state;
  }

  protected async restart(role: ServiceRole): Promise<ServiceState> {
    const { restartService } = await import('../setup/services.ts');
    this.note('restarting');
    const state = await restartService(role, this.signal);
    this.print(`restarted; ${stateText(state)}`);
    return state;
  }

  protected async logs(role: ServiceRole, lines: number, follow: boolean): Promise<{ lines: string[] }> {
    const { readServiceLog } = await import('../setup/service-logs.ts');
    const kept: string[] = [];
    const onLine = (line: string): void => {
      if (this.jsonEnabled()) kept.push(line);
      else this.print(line);
    };
    await readServiceLog(role, {
      lines,
      follow: follow && !this.jsonEnabled(),
      signal: this.signal,
      onLine,
    });
    return { lines: kept };
  }
}

/** `running (pid 4711), since 3 min ago` */
export function stateText({ state, pid, since, lastExit }: ServiceState): string {
  const parts = [
    `${state}${pid === null ? '' : ` (pid ${pid})`}`,
    ...(since === null ? [] : [`started ${formatRelative(since, Date.now())}`]),
    ...(lastExit === null ? [] : [`last exit: ${lastExit}`]),
  ];
  return parts.join(', ');
}
