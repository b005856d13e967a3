import { Flags } from '@oclif/core';
import { ClientCommand } from '../src/cli/client-command.ts';
import { ask, readSecret } from '../src/cli/prompt.ts';
import { createApi } from '../src/client/api.ts';
import { loadClientConfig, saveClientConfig } from '../src/config/client-config.ts';
import type { TokenRole } from '../src/protocol/tokens.ts';

export default class Login extends ClientCommand {
  static override summary = 'Remember the control plane and the token to use';
  static override description =
    'Both are tried before anything is written. The token is kept in client.json in the state directory, readable by you only.';
  static override examples = [
    '<%= config.bin %> <%= command.id %> --url http://10.66.0.1:8088',
    'echo "$TOKEN" | <%= config.bin %> <%= command.id %> --url http://10.66.0.1:8088 --token-stdin',
  ];
  static override flags = {
    'token-stdin': Flags.boolean({
      exclusive: ['token'],
      description: 'read the token from stdin: it stays out of the shell history',
    }),
  };

  async run(): Promise<{ url: string; role: TokenRole; file: string }> {
    const { flags } = await this.parse(Login);
    const address =
      flags.url ??
      process.env.FLATRENDER_URL ??
      (await ask('Address of the control plane', '--url', { default: 'http://127.0.0.1:8088' }));
    const secret = flags['token-stdin']
      ? await readSecret()
      : (flags.token ??
        process.env.FLATRENDER_TOKEN ??
        (await ask('API token', '--token', { secret: true })));
    // Checks both before they are sent anywhere.
    const { url, token } = loadClientConfig({ url: address, token: secret });
    const me = await createApi({ url, token, signal: this.signal }).whoami();
    const file = saveClientConfig({ url, token: token ?? secret });
    this.print(`logged in to ${url} with the role ${me.role}`);
    this.note(`saved in ${file}; try "flatrender node list"`);
    return { url, role: me.role, file };
  }
}
