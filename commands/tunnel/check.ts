import { Args } from '@oclif/core';
import { BaseCommand } from '../../src/cli/base-command.ts';
import type { IngressProblem } from '../../src/setup/cloudflared-ingress.ts';

export default class TunnelCheck extends BaseCommand {
  static override summary = 'Check the config.yml of a Cloudflare Tunnel';
  static override description =
    'Finds everything that cloudflared would refuse, and rules that can never match, each with its number. Exit code 1 when ' +
    'there is something.';
  static override examples = ['<%= config.bin %> <%= command.id %> /etc/cloudflared/config.yml'];
  static override args = {
    file: Args.string({ default: 'cloudflared/config.yml', description: 'the file' }),
  };

  async run(): Promise<{ file: string; problems: readonly IngressProblem[] }> {
    const { args } = await this.parse(TunnelCheck);
    const { readCloudflared, cloudflaredProblems, problemText } = await import(
      '../../src/setup/cloudflared-config.ts'
    );
    const problems = cloudflaredProblems(readCloudflared(args.file), args.file);
    for (const problem of problems) this.print(problemText(problem));
    if (problems.length === 0) this.print(`ok ${args.file}`);
    else process.exitCode = 1;
    return { file: args.file, problems };
  }
}
