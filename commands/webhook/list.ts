import { Flags } from '@oclif/core';
import { ClientCommand } from '../../src/cli/client-command.ts';
import { deliveryTable } from '../../src/cli/webhook-report.ts';
import type { DeliveryStateName, DeliveryView } from '../../src/protocol/webhooks.ts';

export default class WebhookList extends ClientCommand {
  static override summary = 'List the calls that the farm made or is going to make, newest first';
  static override examples = [
    '<%= config.bin %> <%= command.id %>',
    '<%= config.bin %> <%= command.id %> --failed',
    '<%= config.bin %> <%= command.id %> --job j01h2x3y4z5a6b7c8 --json',
  ];
  static override flags = {
    failed: Flags.boolean({ description: 'only those that were given up' }),
    waiting: Flags.boolean({ description: 'only those that are tried again', exclusive: ['failed'] }),
    job: Flags.string({ helpValue: '<job>', description: 'only those of this job' }),
    limit: Flags.integer({
      char: 'l',
      min: 1,
      max: 1000,
      default: 20,
      helpValue: '<n>',
      description: 'at most so many',
    }),
  };

  async run(): Promise<{ deliveries: readonly DeliveryView[] }> {
    const { flags } = await this.parse(WebhookList);
    const state: DeliveryStateName | undefined = flags.failed
      ? 'failed'
      : flags.waiting
        ? 'waiting'
        : undefined;
    const deliveries = await this.api.listWebhooks({ state, job: flags.job, limit: flags.limit });
    if (deliveries.length === 0) this.note(`no ${state ? `${state} ` : ''}webhooks`);
    else this.print(deliveryTable(deliveries, Date.now()));
    if (deliveries.length === flags.limit) this.note(`there may be more: --limit ${flags.limit * 5}`);
    if (deliveries.some((each) => each.state === 'failed')) {
      this.note('once the receiver works again: flatrender webhook replay ID, or --all-failed');
    }
    return { deliveries };
  }
}
