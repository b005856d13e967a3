import { Args, Flags } from '@oclif/core';
import { ClientCommand } from '../../src/cli/client-command.ts';
import { FlatrenderError } from '../../src/lib/errors.ts';
import type { HookTested } from '../../src/protocol/hooks.ts';

export default class HookTest extends ClientCommand {
  static override summary = 'Show what a call would submit, without submitting it';
  static override description =
    'Everything that would refuse the call refuses it here: the template, its inputs, the files.';
  static override examples = [
    `<%= config.bin %> <%= command.id %> n8n --data '{"template":"audio-visualiser","audioFile":"meditation.mp3","format":"youtube-1080p"}'`,
  ];
  static override args = { name: Args.string({ required: true, description: 'name of the hook' }) };
  static override flags = {
    data: Flags.string({
      char: 'd',
      default: '{}',
      helpValue: '<json>',
      description: 'what the other program would send',
    }),
  };

  async run(): Promise<HookTested> {
    const { args, flags } = await this.parse(HookTest);
    const tested = await this.api.testHook(args.name, readObject(flags.data));
    this.print(JSON.stringify(tested.job, null, 2));
    if (tested.ignored.length > 0) this.note(`these fields mean nothing to it: ${tested.ignored.join(', ')}`);
    this.note('nothing was submitted');
    return tested;
  }
}

function readObject(text: string): Record<string, unknown> {
  try {
    const value: unknown = JSON.parse(text);
    if (typeof value === 'object' && value !== null && !Array.isArray(value)) {
      return value as Record<string, unknown>;
    }
  } catch {
    // Told below.
  }
  throw new FlatrenderError('USAGE', '--data is no JSON object', {
    hint: `write --data '{"audioFile":"meditation.mp3"}'`,
  });
}
