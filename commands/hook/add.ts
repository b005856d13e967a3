import { Args, Flags } from '@oclif/core';
import { ClientCommand } from '../../src/cli/client-command.ts';
import { parsePairs } from '../../src/cli/hook-report.ts';
import type { HookCreated } from '../../src/protocol/hooks.ts';

export default class HookAdd extends ClientCommand {
  static override summary = 'Make an address that n8n and other programs call to have something rendered';
  static override description =
    `Prints the address and a token that can do nothing but call it. What is called with
{ "machine": "desktop", "audioFile": "meditation.mp3", "template": "ethereal-flame", "format": "youtube-1080p" } works without
--map: machine is the node, format the output, callback the webhook, and fields named like an input of the template are that
input; audioFile is its only audio input. A file is an address (https://…), the sha256 of an upload, or a name in hooks.files
of flatrender.yaml.`;
  static override examples = [
    '<%= config.bin %> <%= command.id %> n8n',
    '<%= config.bin %> <%= command.id %> meditations --template audio-visualiser --map audioFile=inputs.audio --map song.title=inputs.title',
    '<%= config.bin %> <%= command.id %> shorts --template audio-visualiser --set outputs=youtube-shorts --set priority=80',
    '<%= config.bin %> <%= command.id %> n8n --replace --new-token',
  ];
  static override args = { name: Args.string({ required: true, description: 'name of the hook' }) };
  static override flags = {
    template: Flags.string({
      char: 't',
      helpValue: '<name>',
      description: 'render this template only; default: the one that the call names',
    }),
    version: Flags.string({ helpValue: '<version>', description: 'in this version; default: the newest' }),
    map: Flags.string({
      multiple: true,
      multipleNonGreedy: true,
      helpValue: '<field=target>',
      description:
        'what a field of the call is: inputs.NAME, outputs, node, name, priority, runAt, callback, idempotencyKey, template, version',
    }),
    set: Flags.string({
      multiple: true,
      multipleNonGreedy: true,
      helpValue: '<target=value>',
      description: 'a value that no call can change',
    }),
    replace: Flags.boolean({ description: 'change the hook of that name; its token stays' }),
    'new-token': Flags.boolean({
      dependsOn: ['replace'],
      description: 'with --replace: a new token; the one before is dead',
    }),
  };

  async run(): Promise<HookCreated> {
    const { args, flags } = await this.parse(HookAdd);
    const created = await this.api.createHook({
      name: args.name,
      ...(flags.template === undefined ? {} : { template: flags.template }),
      ...(flags.version === undefined ? {} : { version: flags.version }),
      map: parsePairs(flags.map ?? [], '--map'),
      set: parsePairs(flags.set ?? [], '--set'),
      replace: flags.replace,
      newToken: flags['new-token'],
    });
    this.note(`POST ${created.url}`);
    if (created.token === null) this.note('changed; its token stays as it is');
    else {
      this.note('with "Authorization: Bearer" and this token, which is not shown again:');
      this.print(created.token);
    }
    this.note(`try it: flatrender hook test ${args.name} --data '{ … }'`);
    return created;
  }
}
