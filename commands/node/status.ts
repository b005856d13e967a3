import { facts, plural } from '../../src/cli/output.ts';
import { ServiceCommand, stateText } from '../../src/cli/service-command.ts';
import type { NodeStatus } from '../../src/setup/node-status.ts';

export default class NodeStatusCommand extends ServiceCommand {
  static override summary = 'How the node on this machine is: service, agent, tunnel';
  static override description =
    'Exit code 0 only when the service runs, the agent is connected to its control plane and its tunnel is up.';
  static override examples = [
    '<%= config.bin %> <%= command.id %>',
    '<%= config.bin %> <%= command.id %> --json',
  ];

  async run(): Promise<NodeStatus> {
    await this.parse(NodeStatusCommand);
    const { nodeStatus } = await import('../../src/setup/node-status.ts');
    const status = await nodeStatus(this.signal);
    const { service, tunnel, ok } = status;
    this.print(
      facts([
        ['service', `${service.name} (${service.manager}): ${stateText(service)}`],
        ['agent', agentText(status)],
        ['engines', status.health?.agent.engines.join(', ')],
        ['version', status.health?.agent.version],
        ['tunnel', tunnel.installed ? (tunnel.up ? `up, ${tunnel.address}` : 'down') : 'none'],
      ]),
    );
    if (!ok) {
      process.exitCode = 1;
      this.note(
        service.state === 'not-installed'
          ? 'install it: flatrender node install'
          : 'find out more: flatrender doctor, flatrender node logs',
      );
    }
    return status;
  }
}

function agentText({ health, healthUrl }: NodeStatus): string {
  if (healthUrl === null) return 'its health endpoint is switched off';
  if (health === null) return `does not answer at ${healthUrl}`;
  const { agent, queue } = health;
  const parts = [
    `node ${agent.nodeId}`,
    agent.connected ? 'connected' : 'NOT connected to the control plane',
    queue.processing > 0 ? `busy with ${plural(queue.processing, 'task')}` : 'idle',
    ...(agent.draining ? ['draining'] : []),
    ...(queue.pending > 0 ? [`${plural(queue.pending, 'report')} waiting`] : []),
  ];
  return parts.join(', ');
}
