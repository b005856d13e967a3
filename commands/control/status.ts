import { BaseCommand } from '../../src/cli/base-command.ts';
import { formatRelative, plural } from '../../src/cli/output.ts';
import { stateText } from '../../src/cli/service-command.ts';
import type { HealthAnswer } from '../../src/protocol/tokens.ts';
import type { ServiceState } from '../../src/service/service-spec.ts';

interface ControlStatusResult {
  readonly running: boolean;
  readonly pid: number | null;
  readonly url: string | null;
  /** null when it does not answer. */
  readonly health: HealthAnswer | null;
  readonly service: ServiceState;
}

export default class ControlStatus extends BaseCommand {
  static override summary =
    'Does the control plane of this machine run, since when, and how much is there to do';
  static override description = 'Exit code 1 when it does not run or does not answer.';
  static override examples = [
    '<%= config.bin %> <%= command.id %>',
    '<%= config.bin %> <%= command.id %> --json',
  ];

  async run(): Promise<ControlStatusResult> {
    await this.parse(ControlStatus);
    const [{ controlHome }, { findControl, askHealth, askTrouble }, { controlServiceState }] =
      await Promise.all([
        import('../../src/config/home.ts'),
        import('../../src/control/process.ts'),
        import('../../src/setup/services.ts'),
      ]);
    const service = await controlServiceState(this.signal);
    const isService = service.state !== 'not-installed';
    if (isService) this.print(`service flatrender-control: ${stateText(service)}`);
    const running = await findControl(controlHome());
    if (!running) {
      process.exitCode = 1;
      this.print('not running');
      this.note(`start it with "flatrender control ${isService ? 'start' : 'run --daemon'}"`);
      return { running: false, pid: null, url: null, health: null, service };
    }
    const health = running.url === null ? null : await askHealth(running.url);
    if (!health) {
      process.exitCode = 1;
      const trouble = running.url === null ? null : await askTrouble(running.url);
      const what = trouble === null ? 'runs but does not answer' : 'runs but cannot work';
      const where = running.url === null ? ' yet' : ` at ${running.url}`;
      this.print(`pid ${running.pid} ${what}${where}${trouble === null ? '' : `: ${trouble}`}`);
      return { running: true, ...running, health, service };
    }
    const { nodes, tasks } = health;
    this.print(
      `running at ${running.url} (pid ${running.pid}), started ${formatRelative(health.startedAt, Date.now())}`,
    );
    this.print(`farm ${health.farm}, version ${health.version}`);
    this.print(
      `${nodes.online} of ${plural(nodes.known, 'node')} online; ${tasks.running} running, ${tasks.queued} queued`,
    );
    this.showParts(health);
    return { running: true, ...running, health, service };
  }

  /** Older control planes say nothing of these. */
  private showParts({ objects, replica, replicas = [] }: HealthAnswer): void {
    if (objects?.message != null)
      this.print(objects.ok ? objects.message : `objects cannot be reached: ${objects.message}`);
    // One that has just begun is not in the list yet.
    if (!replica || replicas.length === 0) return;
    this.print(`${plural(replicas.length, 'control plane')} on this database:`);
    for (const { id, hostname, version, startedAt, isLeader } of replicas) {
      const marks = [...(id === replica.id ? ['this one'] : []), ...(isLeader ? ['leads'] : [])];
      const about = `version ${version}, started ${formatRelative(startedAt, Date.now())}`;
      this.print(`  ${hostname} ${id}: ${about}${marks.length > 0 ? ` (${marks.join(', ')})` : ''}`);
    }
  }
}
