import { BaseCommand } from '../../src/cli/base-command.ts';

export default class ControlWebhookSecret extends BaseCommand {
  static override summary = 'Print the key by which receivers of webhooks know that a call is from this farm';
  static override description =
    `On the machine of the control plane. Calls are signed as Standard Webhooks says: any of its libraries takes the key as it is.
The header webhook-signature is "v1," and the base64 HMAC-SHA256 of "<webhook-id>.<webhook-timestamp>.<body>".`;
  static override examples = ['<%= config.bin %> <%= command.id %>'];

  async run(): Promise<{ secret: string }> {
    await this.parse(ControlWebhookSecret);
    const [{ controlHome, loadFarmSecret }, { webhookSecret }] = await Promise.all([
      import('../../src/config/home.ts'),
      import('../../src/control/webhook-keys.ts'),
    ]);
    const secret = webhookSecret(loadFarmSecret(controlHome()));
    this.print(secret);
    return { secret };
  }
}
