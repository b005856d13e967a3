import { Flags } from '@oclif/core';
import { ClientCommand } from '../../src/cli/client-command.ts';
import { parseDuration } from '../../src/cli/start-time.ts';
import type { WebhookSecret as Secret } from '../../src/protocol/webhooks.ts';

export default class WebhookSecret extends ClientCommand {
  static override summary = 'Print the key by which receivers of webhooks know that a call is from this farm';
  static override description =
    `Calls are signed as Standard Webhooks says: any of its libraries takes the key as it is. The header webhook-signature has
"v1," and the base64 HMAC-SHA256 of "<webhook-id>.<webhook-timestamp>.<body>"; for a while after a change of the key it has
two of them, with a space in between, and one of them fits whichever key the receiver has.`;
  static override examples = [
    '<%= config.bin %> <%= command.id %>',
    '<%= config.bin %> <%= command.id %> --rotate --overlap 7d',
  ];
  static override flags = {
    rotate: Flags.boolean({ description: 'take a new key into use' }),
    overlap: Flags.string({
      helpValue: '<time>',
      dependsOn: ['rotate'],
      description:
        'with --rotate: how long the key before is good as well, such as 12h; 0: no longer; default: 7d',
    }),
  };

  async run(): Promise<Secret> {
    const { flags } = await this.parse(WebhookSecret);
    const { overlap = '7d' } = flags;
    const overlapMs = overlap === '0' ? 0 : parseDuration(overlap, '--overlap');
    const secret = flags.rotate
      ? await this.api.rotateWebhookSecret(Math.ceil(overlapMs / 1000))
      : await this.api.webhookSecret();
    this.print(secret.secret);
    if (flags.rotate) this.note(`key ${secret.generation} is in use: give it to every receiver`);
    if (secret.previousUntil !== null) {
      this.note(
        `calls carry a signature of key ${secret.generation - 1}, too, until ${secret.previousUntil}`,
      );
    }
    return secret;
  }
}
