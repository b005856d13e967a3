import { Args } from '@oclif/core';
import { ClientCommand } from '../../src/cli/client-command.ts';

export default class TokenRevoke extends ClientCommand {
  static override summary = 'Revoke an API token; it stops working at once';
  static override examples = ['<%= config.bin %> <%= command.id %> c01h2x3y4z5a6b7c8'];
  static override args = {
    token: Args.string({ required: true, description: 'token id (from "token list")' }),
  };

  async run(): Promise<{ revoked: string }> {
    const { args } = await this.parse(TokenRevoke);
    await this.api.revokeToken(args.token);
    this.print(`revoked ${args.token}`);
    return { revoked: args.token };
  }
}
