import { Args } from '@oclif/core';
import { ClientCommand } from '../../src/cli/client-command.ts';
import { formatDuration } from '../../src/cli/output.ts';
import type { WebhookTestAnswer } from '../../src/protocol/webhooks.ts';

export default class WebhookTest extends ClientCommand {
  static override summary = 'Call an address with a signed test event and say what it answered';
  static override description =
    'The control plane calls it, as it will when a job ends: what its network does not reach, or webhooks.allowPrivate ' +
    'forbids, shows here. One try. Exit code 1 when the receiver did not take it.';
  static override examples = ['<%= config.bin %> <%= command.id %> https://n8n.example.com/webhook/rendered'];
  static override args = { url: Args.string({ required: true, description: 'address to call' }) };

  async run(): Promise<WebhookTestAnswer> {
    const { args } = await this.parse(WebhookTest);
    const result = await this.api.testWebhook(args.url);
    const time = formatDuration(result.ms);
    if (result.delivered) {
      this.print(`delivered: HTTP ${result.status} in ${time} (webhook-id ${result.id})`);
    } else {
      this.print(`not delivered: ${result.error} (after ${time})`);
      process.exitCode = 1;
    }
    return result;
  }
}
