import { Args, Flags } from '@oclif/core';
import { ClientCommand } from '../../src/cli/client-command.ts';
import type { BackupSummary } from '../../src/store/dump-file.ts';

export default class ControlBackup extends ClientCommand {
  static override summary = "Write a backup of the farm's database, also while it works";
  static override description =
    'Jobs, nodes, templates, tokens, log lines and audit as of one moment, from SQLite or PostgreSQL, into one file that is ' +
    'read back before it counts. Not in it: flatrender.yaml and farm.secret of the state directory, and the objects ' +
    '(bundles, inputs, outputs): copy those as well.';
  static override examples = ['<%= config.bin %> <%= command.id %> farm-$(date +%F).backup'];
  static override args = {
    file: Args.string({ required: true, description: 'file to write; appears whole or not at all' }),
  };
  static override flags = {
    force: Flags.boolean({ description: 'replace a file that exists' }),
  };

  async run(): Promise<{ file: string; farm: string; rows: Record<string, number> }> {
    const { args, flags } = await this.parse(ControlBackup);
    const { checkNewFile } = await import('../../src/cli/new-file.ts');
    checkNewFile(args.file, flags);
    const { header, sums } = await this.write(args.file, flags.url);
    const rows = Object.fromEntries(Object.entries(sums).map(([table, sum]) => [table, sum.rows]));
    this.print(
      `${args.file}: farm "${header.farm}", ${rows.jobs} jobs, ${rows.nodes} nodes, ${rows.templates} templates`,
    );
    this.print('it holds no secrets of nodes, but who may do what: keep it like a key');
    return { file: args.file, farm: header.farm, rows };
  }

  private async write(path: string, url: string | undefined): Promise<BackupSummary> {
    const [{ controlHome, homePaths }, { findControl }, { loadControlConfig }, { existsSync }] =
      await Promise.all([
        import('../../src/config/home.ts'),
        import('../../src/control/process.ts'),
        import('../../src/config/control-config.ts'),
        import('node:fs'),
      ]);
    const directory = controlHome();
    const isHere = existsSync(homePaths(directory).farmSecret);
    const config = isHere ? loadControlConfig({ directory }) : null;
    const isBusy = config?.store.startsWith('sqlite:') && (await findControl(directory)) !== null;
    if (config && !isBusy && url === undefined) {
      const { backupFarm } = await import('../../src/control/copy-farm.ts');
      return await backupFarm({ directory, config, path, signal: this.signal });
    }
    // The database is the control plane's own: it copies it.
    const { writeBackup } = await import('../../src/store/dump-file.ts');
    return await writeBackup(path, await this.api.backup(), this.signal);
  }
}
