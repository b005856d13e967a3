import { Args, Flags } from '@oclif/core';
import { ClientCommand } from '../../src/cli/client-command.ts';
import { parseDuration } from '../../src/cli/start-time.ts';
import type { TokenCreated, TokenRole } from '../../src/protocol/tokens.ts';

const ROLES: TokenRole[] = ['admin', 'submit', 'read'];

export default class TokenCreate extends ClientCommand {
  static override summary = 'Create an API token; it is shown this once';
  static override description = 'admin may everything, submit may submit and cancel jobs, read may look.';
  static override examples = [
    '<%= config.bin %> <%= command.id %> n8n --role submit',
    '<%= config.bin %> <%= command.id %> dashboard --role read --expires 90d',
  ];
  static override args = { name: Args.string({ required: true, description: 'what it is for' }) };
  static override flags = {
    role: Flags.option({ options: ROLES })({
      char: 'r',
      default: 'submit' as const,
      description: 'what it may do',
    }),
    expires: Flags.string({
      helpValue: '<time>',
      description: 'stops working after, such as 12h or 90d; default: never',
    }),
  };

  async run(): Promise<TokenCreated> {
    const { args, flags } = await this.parse(TokenCreate);
    const created = await this.api.createToken({
      name: args.name,
      role: flags.role,
      ...(flags.expires === undefined
        ? {}
        : { expiresInSeconds: Math.ceil(parseDuration(flags.expires, '--expires') / 1000) }),
    });
    this.print(created.token);
    this.note(
      `token ${created.info.id} "${created.info.name}" may ${created.info.role}; it is not shown again`,
    );
    this.note(
      `use it with "flatrender login --url ${this.clientConfig.url} --token …", or as FLATRENDER_TOKEN`,
    );
    return created;
  }
}
