import { Args } from '@oclif/core';
import { ClientCommand } from '../../src/cli/client-command.ts';
import { deliveryFacts } from '../../src/cli/webhook-report.ts';
import type { DeliveryDetail } from '../../src/protocol/webhooks.ts';

export default class WebhookShow extends ClientCommand {
  static override summary = 'Show one call with what is sent';
  static override examples = [
    '<%= config.bin %> <%= command.id %> job.ended.j01h2x3y4z5a6b7c8.1767225600000',
  ];
  static override args = {
    id: Args.string({ required: true, description: 'its id (from "webhook list")' }),
  };

  async run(): Promise<DeliveryDetail> {
    const { args } = await this.parse(WebhookShow);
    const delivery = await this.api.getWebhook(args.id);
    this.print(deliveryFacts(delivery, Date.now()));
    if (delivery.body !== null) this.print(`\n${delivery.body}`);
    return delivery;
  }
}
