import { resolve } from 'node:path';
import { Args, Flags } from '@oclif/core';
import { BaseCommand } from '../../src/cli/base-command.ts';
import { isInteractive, paint } from '../../src/cli/paint.ts';
import { confirm } from '../../src/cli/prompt.ts';
import { createSteps } from '../../src/cli/steps.ts';
import type { ServicePlatform } from '../../src/config/machine-paths.ts';
import { FlatrenderError } from '../../src/lib/errors.ts';
import { type PlanStep, planText } from '../../src/lib/plan.ts';
import type { JoinMachine } from '../../src/setup/join/join-machine.ts';
import type { Joined, JoinOptions } from '../../src/setup/join/join-node.ts';

export default class NodeJoin extends BaseCommand {
  static override summary = 'Make this machine a node, with the invitation of "flatrender node add"';
  static override description =
    'Run on the machine, as administrator: checks it, makes its own key, brings the tunnel up, writes agent.env, installs and starts ' +
    'the agent, and waits until it is connected. Interrupted or failed, the same command goes on where it stopped.\n\n' +
    'The invitation is good once. The private key that the tunnel uses in the end never leaves this machine.';
  static override examples = [
    'sudo <%= config.bin %> <%= command.id %> desktop.invitation.json',
    'sudo <%= config.bin %> <%= command.id %> flatrender-invitation:eyJmbGF0…',
    '<%= config.bin %> <%= command.id %> desktop.invitation.json --dry-run --platform win32',
    '<%= config.bin %> <%= command.id %> - --no-service --agent-env agent.env <desktop.invitation.json',
  ];
  static override args = {
    invitation: Args.string({
      required: true,
      description: 'its file, the line that "--print" printed, or - for stdin',
    }),
  };
  static override flags = {
    service: Flags.boolean({ allowNo: true, default: true, description: 'install the agent as a service' }),
    start: Flags.boolean({ allowNo: true, default: true, description: 'start the agent' }),
    interactive: Flags.boolean({
      description: 'run the agent in the session of the user who logs in: GPU, fonts (Windows, macOS)',
    }),
    set: Flags.string({
      multiple: true,
      helpValue: '<KEY=VALUE>',
      description: 'further setting of agent.env, such as MAX_CONCURRENT_JOBS=2',
    }),
    'agent-env': Flags.string({
      helpValue: '<path>',
      description: 'write agent.env there (with --no-service); keys are beside it',
    }),
    timeout: Flags.integer({
      default: 60,
      min: 1,
      helpValue: '<seconds>',
      description: 'for the control plane to answer, and for the agent to be connected',
    }),
    'dry-run': Flags.boolean({ description: 'only show files and commands' }),
    platform: Flags.string({
      options: ['linux', 'darwin', 'win32'],
      dependsOn: ['dry-run'],
      description: 'of which system; default: this one',
    }),
    yes: Flags.boolean({ char: 'y', description: 'do not ask' }),
  };

  async run(): Promise<(Joined & { next: string }) | { planned: readonly string[] }> {
    const { args, flags } = await this.parse(NodeJoin);
    const [{ readInvitation, invitationName }, { parseSettings }, { thisMachine }, { joinNode }] =
      await Promise.all([
        import('../../src/setup/join/read-invitation.ts'),
        import('../../src/setup/join/agent-settings.ts'),
        import('../../src/setup/join/this-machine.ts'),
        import('../../src/setup/join/join-node.ts'),
      ]);
    const envFile = flags['agent-env'];
    if (envFile !== undefined && flags.service) {
      throw new FlatrenderError(
        'USAGE',
        'the service reads its own agent.env: --agent-env needs --no-service',
        {
          hint: 'leave one of them out',
        },
      );
    }
    const settings = parseSettings(flags.set ?? []);
    const invitation = await readInvitation(args.invitation);
    const machine = thisMachine({
      version: this.config.version,
      platform: flags.platform as ServicePlatform | undefined,
      envFile: envFile === undefined ? undefined : resolve(envFile),
      withService: flags.service,
      isInteractive: flags.interactive,
      elevatedCommand: elevated(`flatrender node join ${invitationName(args.invitation)}`),
      signal: this.signal,
    });
    if (flags['dry-run']) return await this.showPlan(machine, { invitation, settings });
    if (isInteractive()) {
      await confirm(
        `make this machine node ${invitation.node} of ${invitation.farm} (${invitation.url})?`,
        flags.yes,
      );
    }
    this.goesOn = 'the same command goes on where it stopped';
    const joined = await joinNode(
      machine,
      { invitation, settings, start: flags.start, timeoutMs: flags.timeout * 1000 },
      createSteps({ quiet: this.jsonEnabled() }),
      this.signal,
    );
    return this.tell(joined);
  }

  private async showPlan(
    machine: JoinMachine,
    options: Pick<JoinOptions, 'invitation' | 'settings'>,
  ): Promise<{ planned: readonly string[] }> {
    const { planJoin } = await import('../../src/setup/join/plan-join.ts');
    const steps: readonly PlanStep[] = await planJoin(machine, options);
    this.print(planText(steps));
    this.note('\nnothing was changed');
    return { planned: steps.map(({ what }) => what) };
  }

  private tell(joined: Joined): Joined & { next: string } {
    const { node, farm, url, address, agent, envFile, result, warnings } = joined;
    for (const warning of warnings) this.note(paint('warning', `warning: ${warning}`, process.stderr));
    const way = address === null ? url : `${url}, in the mesh as ${address}`;
    const how = {
      ready: 'is ready',
      started: 'is started',
      installed: 'is installed',
      none: 'is set up',
    }[agent];
    this.print(
      `node ${node} of ${farm} ${how}${result === 'joined' ? '' : ` (${result === 'already' ? 'already' : 'it had joined before'})`}: ${way}`,
    );
    const next = {
      ready: `on the control plane: flatrender node show ${node}`,
      started: `on the control plane: flatrender node show ${node}`,
      installed: 'flatrender node start',
      none: `flatrender agent run --agent-env ${envFile}`,
    }[agent];
    this.note(`next: ${next}`);
    if (result === 'joined') this.note('the invitation is used up: its file can be deleted');
    return { ...joined, next };
  }
}

function elevated(command: string): string {
  return process.platform === 'win32'
    ? `open a terminal "as administrator" and repeat: ${command}`
    : `sudo ${command}`;
}
