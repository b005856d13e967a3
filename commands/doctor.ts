import { Flags } from '@oclif/core';
import { ClientCommand } from '../src/cli/client-command.ts';
import { type CheckResult, checkText, runChecks } from '../src/cli/doctor/checks.ts';
import { openDoctor } from '../src/cli/doctor/doctor.ts';
import { plural } from '../src/cli/output.ts';

export default class Doctor extends ClientCommand {
  static override summary = 'Check this machine and its connection to the control plane';
  static override description =
    'Looks at what this machine is: a node, the control plane, or a terminal. Each line is ok, warning, failed or skipped; under ' +
    'what is wrong stands the command that mends it. --fix does what is safe by itself (file modes, a tunnel or a service that is ' +
    'down). Exit code 1 when something failed.';
  static override examples = [
    '<%= config.bin %> <%= command.id %>',
    '<%= config.bin %> <%= command.id %> --fix',
    '<%= config.bin %> <%= command.id %> --bundle support.zip',
    '<%= config.bin %> <%= command.id %> --url http://10.66.0.1:8088 --json',
  ];
  static override flags = {
    fix: Flags.boolean({ description: 'mend what can be mended without asking, and look again' }),
    bundle: Flags.string({
      helpValue: '<path>',
      description: 'also write a zip for whoever helps: results, settings, logs, no secrets',
    }),
  };

  async run(): Promise<{ ok: boolean; checks: readonly CheckResult[]; bundle?: string }> {
    const { flags } = await this.parse(Doctor);
    await using doctor = await openDoctor({
      version: this.config.version,
      signal: this.signal,
      connect: () => ({ api: this.api, config: this.clientConfig }),
    });
    const onResult = (result: CheckResult): void => this.print(checkText(result));
    const results = await runChecks(doctor.checks, { signal: this.signal, fix: flags.fix, onResult });
    const count = (status: CheckResult['status']): number =>
      results.filter((result) => result.status === status).length;
    const [failed, warnings] = [count('failed'), count('warning')];
    if (failed > 0) process.exitCode = 1;
    this.note(failed + warnings === 0 ? 'all is well' : `${failed} failed, ${plural(warnings, 'warning')}`);
    const answer = { ok: failed === 0, checks: results };
    if (flags.bundle === undefined) return answer;
    const names = await doctor.writeBundle(flags.bundle, results);
    this.note(
      `${flags.bundle}: ${plural(names.length, 'file')}, without secrets; look through it before you send it`,
    );
    return { ...answer, bundle: flags.bundle };
  }
}
