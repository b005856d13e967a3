import { Args } from '@oclif/core';
import { BaseCommand } from '../../src/cli/base-command.ts';

export default class ControlRestore extends BaseCommand {
  static override summary = 'Write a backup into the empty database that flatrender.yaml names';
  static override description =
    'The file may come from SQLite or PostgreSQL, whatever the database is now. It is read whole before anything is written, ' +
    'and compared with what was written. The control plane must be stopped; a database with a farm in it is refused.';
  static override examples = ['<%= config.bin %> <%= command.id %> farm-2026-11-21.backup'];
  static override args = {
    file: Args.string({ required: true, description: 'what "control backup" wrote' }),
  };

  async run(): Promise<{ file: string; farm: string; madeAt: string; rows: Record<string, number> }> {
    const { args } = await this.parse(ControlRestore);
    const [{ controlHome, homePaths }, { loadControlConfig }, { restoreFarm }, { existsSync }] =
      await Promise.all([
        import('../../src/config/home.ts'),
        import('../../src/config/control-config.ts'),
        import('../../src/control/copy-farm.ts'),
        import('node:fs'),
      ]);
    const directory = controlHome();
    const config = loadControlConfig({ directory });
    const { header, sums } = await restoreFarm({ directory, config, path: args.file, signal: this.signal });
    const rows = Object.fromEntries(Object.entries(sums).map(([table, sum]) => [table, sum.rows]));
    this.print(
      `restored farm "${header.farm}" as of ${header.madeAt}: ${rows.jobs} jobs, ${rows.nodes} nodes, ${rows.templates} templates`,
    );
    const { farmSecret } = homePaths(directory);
    if (existsSync(farmSecret)) {
      this.print('nodes go on with the secrets they have, if farm.secret is the one of that farm');
      this.print('next: flatrender control start (or control run --daemon)');
    } else {
      this.print(`next: copy farm.secret of that farm to ${farmSecret}; without it no node is known here`);
      this.print('then: flatrender control start (or control run --daemon)');
    }
    return { file: args.file, farm: header.farm, madeAt: header.madeAt, rows };
  }
}
