import { BaseCommand } from '../../src/cli/base-command.ts';

export default class ControlStop extends BaseCommand {
  static override summary = 'Stop the control plane of this machine';
  static override description =
    'Waits until it has ended. Nodes go on rendering meanwhile and report when it runs again. Harmless when none runs. A ' +
    'service is stopped until the next boot; "control start" starts it.';
  static override examples = ['<%= config.bin %> <%= command.id %>'];

  async run(): Promise<{ stopped: boolean; pid: number | null; forced: boolean }> {
    await this.parse(ControlStop);
    const [{ controlHome }, { findControl, stopControl }, { controlServiceState, stopService }] =
      await Promise.all([
        import('../../src/config/home.ts'),
        import('../../src/control/process.ts'),
        import('../../src/setup/services.ts'),
      ]);
    const service = await controlServiceState(this.signal);
    if (['running', 'starting'].includes(service.state)) {
      await stopService('control', this.signal);
      this.print(
        `stopped the service of the control plane${service.pid === null ? '' : ` (pid ${service.pid})`}`,
      );
      return { stopped: true, pid: service.pid, forced: false };
    }
    const running = await findControl(controlHome());
    if (!running) {
      this.print('no control plane runs on this machine');
      return { stopped: false, pid: null, forced: false };
    }
    const { forced } = await stopControl(running.pid, this.signal);
    this.print(`stopped the control plane (pid ${running.pid})${forced ? '; it had to be told twice' : ''}`);
    return { stopped: true, pid: running.pid, forced };
  }
}
