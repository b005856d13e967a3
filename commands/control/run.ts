import { Flags } from '@oclif/core';
import { BaseCommand } from '../../src/cli/base-command.ts';
import { FlatrenderError } from '../../src/lib/errors.ts';
import type { LogLevel } from '../../src/lib/logger.ts';

const LEVELS = ['trace', 'debug', 'info', 'warn', 'error', 'silent'] as const satisfies LogLevel[];

export default class ControlRun extends BaseCommand {
  static override summary = 'Run the control plane';
  static override description =
    'In the foreground until it is stopped, or with --daemon in the background. The first Ctrl-C ends it in order: waiting ' +
    'nodes are answered, everything is written. The second ends it at once; nothing that was acknowledged is lost then ' +
    'either. Every option of flatrender.yaml can be set in the environment (gateway.port: FLATRENDER_GATEWAY_PORT).';
  static override examples = [
    '<%= config.bin %> <%= command.id %>',
    '<%= config.bin %> <%= command.id %> --daemon',
    '<%= config.bin %> <%= command.id %> --host 10.66.0.1 --log-level debug',
  ];
  static override flags = {
    daemon: Flags.boolean({
      char: 'd',
      description: 'run in the background; logs go to control.log, 2 × 16 MB at most',
    }),
    host: Flags.string({ helpValue: '<address>', description: 'address to listen on (gateway.host)' }),
    port: Flags.integer({
      helpValue: '<port>',
      description: 'port to listen on; 0: any (gateway.port)',
      min: 0,
      max: 65_535,
    }),
    'log-level': Flags.option({ options: LEVELS })({ description: 'default: LOG_LEVEL, then info' }),
  };

  async run(): Promise<{ url: string; pid: number; daemon: boolean }> {
    const { flags } = await this.parse(ControlRun);
    const [{ loadControlConfig }, { controlHome, loadFarmSecret }, processes, farm] = await Promise.all([
      import('../../src/config/control-config.ts'),
      import('../../src/config/home.ts'),
      import('../../src/control/process.ts'),
      import('../../src/control/require-farm.ts'),
    ]);
    const directory = controlHome();
    const config = loadControlConfig({
      directory,
      flags: { 'gateway.host': flags.host, 'gateway.port': flags.port },
    });
    await this.refuseSecond(directory);
    // Before anything is opened: opening makes what is not there.
    loadFarmSecret(directory);
    await farm.requireDatabase(directory, config);
    if (flags.daemon) {
      const args = this.argv.filter((arg) => arg !== '--daemon' && arg !== '-d' && arg !== '--json');
      const { pid, url, logFile } = await processes.startDaemon(directory, args, this.signal);
      this.print(`control plane runs at ${url} (pid ${pid})`);
      this.note(`log: ${logFile}; stop it with "flatrender control stop"`);
      return { url, pid, daemon: true };
    }
    const [
      { startControl },
      { waitForStore },
      { createLogger },
      { onShutdownSignals },
      { limitLogFile },
      ...others
    ] = await Promise.all([
      import('../../src/control/control.ts'),
      import('../../src/control/open-store.ts'),
      import('../../src/lib/logger.ts'),
      import('../../src/lib/abort.ts'),
      import('../../src/lib/log-file.ts'),
      import('../../src/lib/clock.ts'),
      import('../../src/service/notify.ts'),
    ]);
    const [{ systemClock }, { systemdNotifier }] = others;
    const logger = createLogger({ level: flags['log-level'] });
    using _log = limitLogFile({ clock: systemClock, logger });
    using manager = systemdNotifier({ clock: systemClock, logger });
    const ended = Promise.withResolvers<void>();
    const starting = new AbortController();
    using _signals = onShutdownSignals({
      finish: () => {
        this.note('stopping; Ctrl-C again ends it at once');
        starting.abort(new FlatrenderError('ABORTED', 'stopped while it started'));
        ended.resolve();
      },
      abort: () => process.exit(130),
    });
    const options = { directory, config, logger, signal: starting.signal };
    const store = await waitForStore({ ...options, clock: systemClock });
    await farm.requireFarm(store, config).catch(async (error: unknown) => {
      await store.close();
      throw error;
    });
    const running = await startControl({ ...options, store });
    const withdraw = processes.announceProcess(directory, running.url);
    this.note(`control plane runs at ${running.url}`);
    await manager.ready(`serves ${running.url}`);
    try {
      await ended.promise;
      void manager.stopping();
      await running.close();
    } finally {
      withdraw();
    }
    return { url: running.url, pid: process.pid, daemon: false };
  }

  private async refuseSecond(directory: string): Promise<void> {
    const { findControl } = await import('../../src/control/process.ts');
    const other = await findControl(directory);
    if (!other) return;
    const where = other.url === null ? '' : ` at ${other.url}`;
    throw new FlatrenderError(
      'ALREADY_RUNNING',
      `the control plane runs already${where} (pid ${other.pid})`,
      {
        hint: 'run "flatrender control status", or stop it with "flatrender control stop"',
      },
    );
  }
}
