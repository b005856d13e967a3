import { ClientCommand } from '../../src/cli/client-command.ts';
import { formatRelative, table } from '../../src/cli/output.ts';
import type { TokenView } from '../../src/protocol/tokens.ts';

export default class TokenList extends ClientCommand {
  static override summary = 'List the API tokens (not the secrets)';
  static override examples = ['<%= config.bin %> <%= command.id %>'];

  async run(): Promise<{ tokens: readonly TokenView[] }> {
    await this.parse(TokenList);
    const tokens = await this.api.listTokens();
    const now = Date.now();
    this.print(
      table(tokens, [
        { title: 'id', value: (token) => token.id },
        { title: 'role', value: (token) => token.role },
        { title: 'created', value: (token) => formatRelative(token.createdAt, now) },
        { title: 'used', value: (token) => formatRelative(token.lastUsedAt, now) },
        { title: 'expires', value: (token) => formatRelative(token.expiresAt, now) },
        { title: 'name', value: (token) => token.name },
      ]),
    );
    return { tokens };
  }
}
