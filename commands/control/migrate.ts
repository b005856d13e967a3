import { Flags } from '@oclif/core';
import { BaseCommand } from '../../src/cli/base-command.ts';

export default class ControlMigrate extends BaseCommand {
  static override summary = 'Move the farm into another database, for example from SQLite to PostgreSQL';
  static override description =
    'Copies everything, running tasks too, compares both databases row by row, and makes flatrender.yaml name the new one. ' +
    'The control plane must be stopped for it; nodes go on rendering for 15 minutes and deliver afterwards. The old ' +
    'database stays as it is: to go back, change "store" in flatrender.yaml.';
  static override examples = [
    '<%= config.bin %> <%= command.id %> --to postgres://flatrender:PASSWORD@10.66.0.1/flatrender',
    '<%= config.bin %> <%= command.id %> --to sqlite:flatrender.db',
  ];
  static override flags = {
    to: Flags.string({
      required: true,
      helpValue: '<database>',
      description: 'postgres://user:password@host/database, empty; or sqlite:PATH',
    }),
  };

  async run(): Promise<{ from: string; to: string; rows: Record<string, number> }> {
    const { flags } = await this.parse(ControlMigrate);
    const [{ controlHome }, { loadControlConfig }, { migrateFarm }, { storePlace }] = await Promise.all([
      import('../../src/config/home.ts'),
      import('../../src/config/control-config.ts'),
      import('../../src/control/copy-farm.ts'),
      import('../../src/control/open-store.ts'),
    ]);
    const directory = controlHome();
    const config = loadControlConfig({ directory });
    // The same check as for the file, before anything is copied.
    loadControlConfig({ directory, flags: { store: flags.to } });
    const { sums, rows } = await migrateFarm({ directory, config, to: flags.to, signal: this.signal });
    const tables = Object.fromEntries(Object.entries(sums).map(([table, sum]) => [table, sum.rows]));
    const to = storePlace(flags.to);
    this.print(
      `copied ${rows} rows, and compared them: ${tables.jobs} jobs, ${tables.tasks} tasks, ${tables.nodes} nodes`,
    );
    this.print(`flatrender.yaml names ${to} now`);
    this.print('next: flatrender control start (or control run --daemon)');
    return { from: storePlace(config.store), to, rows: tables };
  }
}
