import { BaseCommand } from '../../src/cli/base-command.ts';

export default class ControlStop extends BaseCommand {
  static override summary = 'Stop the control plane of this machine';
  static override description =
    'Waits until it has ended. Nodes go on rendering meanwhile and report when it runs again. Harmless when none runs.';
  static override examples = ['<%= config.bin %> <%= command.id %>'];

  async run(): Promise<{ stopped: boolean; pid: number | null; forced: boolean }> {
    await this.parse(ControlStop);
    const [{ flatrenderHome }, { findControl, stopControl }] = await Promise.all([
      import('../../src/config/home.ts'),
      import('../../src/control/process.ts'),
    ]);
    const running = await findControl(flatrenderHome());
    if (!running) {
      this.print('no control plane runs on this machine');
      return { stopped: false, pid: null, forced: false };
    }
    const { forced } = await stopControl(running.pid, this.signal);
    this.print(`stopped the control plane (pid ${running.pid})${forced ? '; it had to be told twice' : ''}`);
    return { stopped: true, pid: running.pid, forced };
  }
}
