import { Args, Flags } from '@oclif/core';
import { ClientCommand } from '../../src/cli/client-command.ts';
import { FlatrenderError } from '../../src/lib/errors.ts';

export default class WebhookReplay extends ClientCommand {
  static override summary = 'Make a call once more, with all its tries';
  static override description =
    'The same id and the same body as before: a receiver that remembers ids takes it once. See what comes of it with ' +
    '"webhook list".';
  static override examples = [
    '<%= config.bin %> <%= command.id %> job.ended.j01h2x3y4z5a6b7c8.1767225600000',
    '<%= config.bin %> <%= command.id %> --all-failed',
  ];
  static override args = { id: Args.string({ description: 'its id (from "webhook list")' }) };
  static override flags = {
    'all-failed': Flags.boolean({ description: 'everything that was given up, except tests' }),
  };

  async run(): Promise<{ replayed: number }> {
    const { args, flags } = await this.parse(WebhookReplay);
    if ((args.id === undefined) === !flags['all-failed']) {
      throw new FlatrenderError('USAGE', 'give the id of one webhook, or --all-failed', {
        hint: 'run "flatrender webhook list --failed"',
      });
    }
    if (args.id !== undefined) {
      await this.api.replayWebhook(args.id);
      this.print(`${args.id} queued to be sent again`);
      return { replayed: 1 };
    }
    let replayed = 0;
    // A thousand at a time; those that fail again at once would come round for ever without a bound.
    for (let round = 0; round < 100; round += 1) {
      const { replayed: count } = await this.api.replayFailedWebhooks();
      replayed += count;
      if (count < 1000) break;
    }
    this.print(replayed === 0 ? 'no failed webhooks' : `${replayed} queued to be sent again`);
    if (replayed > 0) this.note('what comes of it: "flatrender webhook list"');
    return { replayed };
  }
}
